//! What all charts share: sizes, scales and ticks, axes, the legend, the heading of a file.

use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;

use super::scene::{Anchor, Mark, Place, Role, Scene, Text};
use super::theme::{Direction, SERIES};
use super::{Content, Figure, bars, graph, lines, matrix, parallel, points, spans, text};

/// How wide a drawing is. Letters keep their size, so each width is laid out for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Width {
    /// 720 pixels: a page on a desk.
    #[default]
    Wide,
    /// 360 pixels: a telephone.
    Narrow,
}

impl Width {
    /// Pixels from left to right.
    #[must_use]
    pub fn pixels(self) -> f64 {
        if self == Self::Wide { 720.0 } else { 360.0 }
    }

    /// Size of labels and of what must be read.
    pub(super) fn label_size(self) -> f64 {
        if self == Self::Wide { 12.5 } else { 11.5 }
    }

    /// Size of the numbers at ticks.
    pub(super) fn tick_size(self) -> f64 {
        if self == Self::Wide { 11.0 } else { 10.5 }
    }
}

/// From values to pixels along one axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub start: f64,
    pub end: f64,
    /// Equal ratios are equal lengths.
    pub logarithmic: bool,
}

impl Scale {
    /// Values from `low` to `high` on pixels from `start` to `end`.
    pub fn over((low, high): (f64, f64), logarithmic: bool, (start, end): (f64, f64)) -> Self {
        Self { low, high, start, end, logarithmic }
    }

    /// With so large a share of its length added at each end.
    pub fn padded(mut self, share: f64) -> Self {
        if self.logarithmic {
            let pad = (self.high / self.low).powf(share);
            (self.low, self.high) = (self.low / pad, self.high * pad);
        } else {
            let pad = share * (self.high - self.low);
            (self.low, self.high) = (self.low - pad, self.high + pad);
        }
        self
    }

    pub fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.start + share * (self.end - self.start)
    }

    /// Round values within the range, at most `most`; of a logarithmic scale the powers of ten and as many of their multiples as have room.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        if !self.logarithmic {
            return RangedCoordf64::from(self.low..self.high).key_points(most);
        }
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        // Written and read again: 10^-3 by multiplication is not the number that .001 is.
        let tick = |digit: u8, power: i32| format!("{digit}e{power}").parse::<f64>().unwrap_or(f64::NAN);
        let within = |tick: &f64| *tick >= self.low * (1.0 - 1e-9) && *tick <= self.high * (1.0 + 1e-9);
        let ticks = |digits: &[u8]| -> Vec<f64> {
            powers.clone().flat_map(|power| digits.iter().map(move |&digit| tick(digit, power))).filter(within).collect()
        };
        [ticks(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), ticks(&[1, 2, 5]), ticks(&[1, 5])]
            .into_iter()
            .find(|ticks| ticks.len() <= most)
            .unwrap_or_else(|| {
                let tens = ticks(&[1]);
                let every = tens.len().div_ceil(most).max(1);
                tens.into_iter().step_by(every).collect()
            })
    }

    /// `ticks` as they are written.
    pub fn written(&self, ticks: &[f64]) -> Vec<String> {
        let decimals = tick_decimals(ticks);
        let write = |&tick: &f64| if self.logarithmic { text::shortest(tick) } else { text::number(tick, decimals) };
        ticks.iter().map(write).collect()
    }
}

/// The range that holds all `values`; widened about a single one, on a logarithmic axis by a factor. What is beyond all bounds, as in a file from elsewhere, is left outside: between
/// infinite ends the search for ticks has none.
pub(super) fn range(values: impl Iterator<Item = f64>, logarithmic: bool) -> (f64, f64) {
    const MOST: f64 = 1e100;
    let (low, high) = values
        .map(|value| value.clamp(-MOST, MOST))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // Relative to the size of the numbers, or nothing would lie between two ticks.
    if high - low > 1e-9 * high.abs().max(low.abs()) {
        (low, high)
    } else if logarithmic {
        (low / 2.0, high * 2.0)
    } else {
        (low - 0.5 * low.abs().max(1.0), high + 0.5 * high.abs().max(1.0))
    }
}

/// Decimals that tell the ticks apart.
pub(super) fn tick_decimals(ticks: &[f64]) -> usize {
    let step = ticks.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(f64::INFINITY, f64::min);
    if !step.is_finite() || step <= 0.0 {
        return 2;
    }
    (0..9).find(|&decimals| ((step * 10f64.powi(decimals)).round() / (step * 10f64.powi(decimals)) - 1.0).abs() < 1e-6).unwrap_or(9)
        as usize
}

/// Axes along the left and the lower edge: ticks, numbers, labels. With `grid`, lines across from the vertical ticks.
pub(super) fn axes(scene: &mut Scene, figure: &Figure, width: Width, x: &Scale, y: &Scale, grid: bool) {
    let size = width.tick_size();
    let across = if width == Width::Wide { 8 } else { 5 };
    let (left, right, bottom, top) = (x.start, x.end, y.start, y.end);
    let ticks = y.ticks(if grid { 6 } else { across.min(((bottom - top) / 60.0) as usize + 2) });
    for (&tick, written) in ticks.iter().zip(y.written(&ticks)) {
        let at = y.at(tick);
        if grid {
            scene.rule((left, at), (right, at), Role::Grid);
        }
        scene.rule((left - 4.0, at), (left, at), Role::Axis);
        scene.text((left - 8.0, at + size * 0.35), Anchor::End, size, Role::Faint, written);
    }
    let ticks = x.ticks(across);
    for (&tick, written) in ticks.iter().zip(x.written(&ticks)) {
        let at = x.at(tick);
        scene.rule((at, bottom), (at, bottom + 4.0), Role::Axis);
        scene.text((at, bottom + 6.0 + size), Anchor::Middle, size, Role::Faint, written);
    }
    scene.rule((left, top), (left, bottom), Role::Axis);
    scene.rule((left, bottom), (right, bottom), Role::Axis);
    scene.text((right, bottom + 12.0 + 2.0 * size), Anchor::End, size, Role::Soft, text::fit(&figure.horizontal.heading(), size, right));
    scene.text((0.0, top - 8.0), Anchor::Start, size, Role::Soft, text::fit(&figure.vertical.heading(), size, right));
}

/// Room on the left for the numbers at the ticks of a vertical axis.
pub(super) fn gutter(scale: &Scale, width: Width) -> f64 {
    let ticks = scale.ticks(8);
    scale.written(&ticks).iter().map(|tick| text::width(tick, width.tick_size())).fold(0.0, f64::max).ceil() + 10.0
}

/// Room below for the numbers and the label of a horizontal axis.
pub(super) fn footing(width: Width) -> f64 {
    16.0 + 2.0 * width.tick_size()
}

/// What stands before a name in the legend.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample {
    Dot(usize),
    Speck(usize),
    Line(usize),
    /// In ink, with dashes by their number.
    Mean(usize),
    Arrow(usize),
    Reference,
}

/// Draws the legend from the top left in as many rows as it takes; the height used.
pub(super) fn legend(scene: &mut Scene, width: Width, entries: &[(Sample, &str)]) -> f64 {
    let (size, row) = (width.label_size(), 20.0);
    let (mut x, mut y) = (0.0, 0.0);
    for &(sample, name) in entries {
        let room = if matches!(sample, Sample::Dot(_) | Sample::Speck(_) | Sample::Reference) { 15.0 } else { 32.0 };
        let name = text::fit(name, size, width.pixels() - room);
        let wide = room + text::width(&name, size);
        if x > 0.0 && x + wide > width.pixels() {
            (x, y) = (0.0, y + row);
        }
        let middle = y + row / 2.0;
        match sample {
            Sample::Dot(series) => scene.marks.push(Mark::Dot { at: (x + 5.0, middle), radius: 4.2, series, tooltip: None }),
            Sample::Speck(class) => scene.marks.push(Mark::Speck { at: (x + 5.0, middle), radius: 4.2, class }),
            Sample::Line(series) => stroke(scene, &[(x, middle), (x + 26.0, middle)], 2.0, dash(series), Role::Series(series)),
            Sample::Mean(dash) => stroke(scene, &[(x, middle), (x + 26.0, middle)], 2.0, dash, Role::Ink),
            Sample::Arrow(dash) => arrow(scene, (x, middle), (x + 26.0, middle), dash, None),
            Sample::Reference => {
                scene.marks.push(Mark::Rectangle { at: (x + 4.0, middle - 7.0), width: 2.0, height: 14.0, role: Role::Ink, tooltip: None });
            }
        }
        scene.text((x + room, middle + size * 0.35), Anchor::Start, size, Role::Soft, name);
        x += wide + 18.0;
    }
    if entries.is_empty() { 0.0 } else { y + row + 4.0 }
}

/// The dashes of a series: where colours begin again, dashes do not.
pub(super) fn dash(series: usize) -> usize {
    series + series / SERIES
}

fn stroke(scene: &mut Scene, places: &[Place], width: f64, dash: usize, role: Role) {
    scene.marks.push(Mark::Stroke { places: places.to_vec(), width, dash, role, tooltip: None });
}

/// An arrow with its head at `to`.
pub(super) fn arrow(scene: &mut Scene, from: Place, to: Place, dash: usize, tooltip: Option<String>) {
    const LENGTH: f64 = 8.0;
    const HALF_WIDTH: f64 = 3.2;
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    if length < 1.0 {
        return;
    }
    let along = ((to.0 - from.0) / length, (to.1 - from.1) / length);
    let reach = LENGTH.min(length);
    let neck = (to.0 - along.0 * reach, to.1 - along.1 * reach);
    let side = |sign: f64| (neck.0 - sign * along.1 * HALF_WIDTH, neck.1 + sign * along.0 * HALF_WIDTH);
    scene.marks.push(Mark::Stroke { places: vec![from, neck], width: 1.3, dash, role: Role::Faint, tooltip });
    scene.marks.push(Mark::Area { places: vec![to, side(1.0), side(-1.0)], role: Role::Faint });
}

/// The chart alone, as it stands in a page.
pub(super) fn chart(figure: &Figure, width: Width) -> Scene {
    match &figure.content {
        Content::Points { groups, arrows } => points::scene(figure, groups, arrows, width),
        Content::Bars { bars, range } => bars::scene(figure, bars, *range, width),
        Content::Lines { lines, references } => lines::scene(figure, lines, references, width),
        Content::Matrix { rows, columns, values, value, range, marked } => {
            matrix::scene(figure, &matrix::Matrix { rows, columns, values, value, range: *range, marked }, width)
        }
        Content::Parallel { coordinates, paths, value, lesser } => parallel::scene((coordinates, paths), value, *lesser, width),
        Content::Spans { spans } => spans::scene(figure, spans, width),
        Content::Graph { nodes, flows } => graph::scene(figure, nodes, flows, width),
    }
}

/// The chart under its title and reading, with a margin: what leaves the page must explain itself.
pub(super) fn sheet(figure: &Figure, width: Width, direction: Direction) -> Scene {
    let margin = if width == Width::Wide { 28.0 } else { 16.0 };
    let mut sheet = Scene { width: width.pixels() + 2.0 * margin, ..Scene::default() };
    let (at, anchor) = match direction {
        Direction::LeftToRight => (margin, Anchor::Start),
        Direction::RightToLeft => (margin + width.pixels(), Anchor::End),
    };
    let size = width.label_size();
    let mut y = margin;
    for (content, size, bold, role) in [(&figure.title, size * 1.3, true, Role::Ink), (&figure.reading, size * 1.05, false, Role::Soft)] {
        // The heavier cut is a little wider than the one that is measured.
        for line in text::lines(content, if bold { size * 1.06 } else { size }, width.pixels()) {
            y += size;
            sheet.marks.push(Mark::Text(Text { at: (at, y), anchor, size, bold, halo: false, turned: false, role, text: line }));
            y += size * 0.45;
        }
        y += 4.0;
    }
    y += 12.0;
    let chart = chart(figure, width);
    sheet.height = y + chart.height + margin;
    sheet.append(chart, (margin, y));
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_all_bounds_have_a_range_with_ticks() {
        for values in [[f64::MAX, f64::MAX], [f64::MIN, f64::MAX], [0.0, f64::INFINITY], [f64::NAN, 1e308], [5e-324, -5e-324], [1e300, 1.0]]
        {
            let (low, high) = range(values.into_iter(), false);
            assert!((high - low).is_finite() && high > low, "{values:?}: {low} {high}");
            let scale = Scale::over((low, high), false, (0.0, 300.0)).padded(0.04);
            assert!((1..10).contains(&scale.ticks(8).len()), "{values:?}");
        }
    }
}
