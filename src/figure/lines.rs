//! Lines through points, left to right, with bands around them and references to hold them against.

use super::layout::{Sample, Scale, Width, axes, dash, footing, gutter, legend, range};
use super::scene::{Mark, Place, Role, Scene};
use super::{Figure, Line, Reference};

/// Beyond so many points on a line, each needs no mark of its own.
const MOST_DOTS: usize = 40;

pub(super) fn scene(figure: &Figure, lines: &[Line], references: &[Reference], width: Width) -> Scene {
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let looks = looks(lines);
    let named = lines.iter().zip(&looks).filter(|(line, _)| !line.name.is_empty());
    let entries: Vec<(Sample, &str)> = named.map(|(line, look)| (look.sample(line.dots), line.name.as_str())).collect();
    let top = legend(&mut scene, width, &entries) + 6.0 + 2.0 * width.tick_size();

    let (x, y) = scales(figure, lines, references, width, top);
    scene.height = y.start + footing(width);
    axes(&mut scene, figure, width, &x, &y, true);

    for (line, look) in lines.iter().zip(&looks) {
        draw_band(&mut scene, line, look.series(), &x, &y);
    }
    for (line, look) in lines.iter().zip(&looks) {
        draw_line(&mut scene, figure, line, *look, &x, &y);
    }
    for reference in references {
        draw_reference(&mut scene, figure, reference, width, &x, &y);
    }
    scene
}

/// How a line is told from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// By the colour and the dashes of its number.
    Series(usize),
    /// In ink, by the dashes of its number.
    Mean(usize),
}

/// Means and the others are numbered apart.
fn looks(lines: &[Line]) -> Vec<Look> {
    let (mut series, mut means) = (0, 0);
    let next = |count: &mut usize| {
        *count += 1;
        *count - 1
    };
    lines.iter().map(|line| if line.mean { Look::Mean(next(&mut means)) } else { Look::Series(next(&mut series)) }).collect()
}

impl Look {
    fn series(self) -> usize {
        let (Self::Series(number) | Self::Mean(number)) = self;
        number
    }

    fn sample(self, dots: bool) -> Sample {
        match self {
            Self::Mean(number) => Sample::Mean(number),
            Self::Series(number) if dots => Sample::Dot(number),
            Self::Series(number) => Sample::Line(number),
        }
    }

    fn stroke(self) -> (Role, usize) {
        match self {
            Self::Series(number) => (Role::Series(number), dash(number)),
            Self::Mean(number) => (Role::Ink, number),
        }
    }
}

fn scales(figure: &Figure, lines: &[Line], references: &[Reference], width: Width, top: f64) -> (Scale, Scale) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let bands = lines.iter().flat_map(|line| line.band.iter().flat_map(|&(low, high)| [low, high]));
    let height = width.pixels() * if width == Width::Wide { 0.45 } else { 0.7 };
    let along = points().map(|point| point.0).chain(references.iter().filter_map(|reference| reference.at));
    let up = points().map(|point| point.1).chain(bands).chain(references.iter().map(|reference| reference.value));
    let y = Scale::over(range(up, figure.vertical.logarithmic), figure.vertical.logarithmic, (top + height, top)).padded(0.04);
    let x =
        Scale::over(range(along, figure.horizontal.logarithmic), figure.horizontal.logarithmic, (gutter(&y, width), width.pixels() - 8.0));
    (x, y)
}

fn draw_line(scene: &mut Scene, figure: &Figure, line: &Line, look: Look, x: &Scale, y: &Scale) {
    let places: Vec<Place> = line.points.iter().map(|&(at, value)| (x.at(at), y.at(value))).collect();
    let path = if line.steps { stepped(&places) } else { places.clone() };
    if !line.dots {
        let (role, dash) = look.stroke();
        scene.marks.push(Mark::Stroke { places: path, width: 2.0, dash, role, tooltip: Some(line.name.clone()) });
        if line.mean || line.unmarked || places.len() > MOST_DOTS {
            return;
        }
    }
    for (at, &(along, value)) in places.into_iter().zip(&line.points) {
        let (along, value) = (figure.horizontal.format(along), figure.vertical.format(value));
        let tooltip = if line.name.is_empty() { format!("{along}: {value}") } else { format!("{}, {along}: {value}", line.name) };
        scene.marks.push(Mark::Dot { at, radius: 3.0, series: look.series(), tooltip: Some(tooltip) });
    }
}

/// Each value holds until the next point.
fn stepped(places: &[Place]) -> Vec<Place> {
    let mut path: Vec<Place> = Vec::with_capacity(2 * places.len());
    for &place in places {
        if let Some(&(_, before)) = path.last() {
            path.push((place.0, before));
        }
        path.push(place);
    }
    path
}

fn draw_band(scene: &mut Scene, line: &Line, series: usize, x: &Scale, y: &Scale) {
    let ends = || line.points.iter().zip(&line.band);
    let lower: Vec<Place> = ends().map(|(point, band)| (x.at(point.0), y.at(band.0))).collect();
    let upper: Vec<Place> = ends().map(|(point, band)| (x.at(point.0), y.at(band.1))).collect();
    if upper.len() < 2 {
        return;
    }
    let (mut places, mut back) = if line.steps { (stepped(&lower), stepped(&upper)) } else { (lower, upper) };
    back.reverse();
    places.extend(back);
    scene.marks.push(Mark::Area { places, role: Role::Band(series) });
}

/// A stroke across at the value, or a cross at its place; its name beside it.
fn draw_reference(scene: &mut Scene, figure: &Figure, reference: &Reference, width: Width, x: &Scale, y: &Scale) {
    const ARM: f64 = 5.0;
    let (size, up) = (width.tick_size(), y.at(reference.value));
    let name = format!("{} {}", reference.name, figure.vertical.format(reference.value));
    let mut stroke = |from: Place, to: Place, dash| {
        scene.marks.push(Mark::Stroke { places: vec![from, to], width: 1.5, dash, role: Role::Ink, tooltip: Some(name.clone()) });
    };
    // Above the mark, or below it where the drawing ends.
    let baseline = if up - size - 8.0 < y.end { up + size + 6.0 } else { up - 6.0 };
    let wide = super::text::width(&name, size);
    let left = if let Some(at) = reference.at {
        let along = x.at(at);
        stroke((along - ARM, up - ARM), (along + ARM, up + ARM), 0);
        stroke((along - ARM, up + ARM), (along + ARM, up - ARM), 0);
        (along - wide / 2.0).clamp(x.start + 4.0, (x.end - wide).max(x.start + 4.0))
    } else {
        stroke((x.start, up), (x.end, up), 1);
        x.end - wide
    };
    scene.clear_text((left, baseline), size, Role::Ink, name);
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Content, Headings};
    use super::*;

    fn figure(lines: Vec<Line>, references: Vec<Reference>, logarithmic: bool) -> Figure {
        Figure {
            id: "curves".into(),
            title: "Loss".into(),
            reading: "It falls.".into(),
            horizontal: Axis { label: "epoch".into(), ..Axis::default() },
            vertical: Axis { label: "loss".into(), decimals: 3, logarithmic, ..Axis::default() },
            content: Content::Lines { lines, references },
            headings: Headings::default(),
        }
    }

    fn falling() -> Line {
        Line { name: "ours".into(), points: vec![(1.0, 1.0), (2.0, 0.1), (3.0, 0.01)], ..Line::default() }
    }

    #[test]
    fn one_value_alone_lies_in_the_middle_of_its_axis() {
        for (alone, logarithmic) in [(0.001, true), (300.0, true), (0.001, false), (0.0, false), (-3.0, false)] {
            let scale = Scale::over(range([alone].into_iter(), logarithmic), logarithmic, (20.0, 60.0)).padded(0.04);
            assert!((scale.at(alone) - 40.0).abs() < 1e-9, "{alone} lies at {}", scale.at(alone));
        }
    }

    #[test]
    fn on_a_logarithmic_axis_equal_ratios_are_equal_steps() {
        let scale = Scale::over((0.01, 1.0), true, (100.0, 0.0));
        assert!((scale.at(0.1) - 50.0).abs() < 1e-9);
        assert_eq!(scale.ticks(6), [0.01, 0.05, 0.1, 0.5, 1.0]);
        assert_eq!(scale.ticks(4), [0.01, 0.1, 1.0]);
        assert_eq!(Scale::over((2.0, 60.0), true, (0.0, 1.0)).ticks(8), [2.0, 5.0, 10.0, 20.0, 50.0]);
        let page = figure(vec![falling()], vec![], true).to_page_svg(Width::Wide);
        assert!(page.contains(">0.01</text>") && page.contains(">0.1</text>") && page.contains(">1</text>"), "{page}");
    }

    #[test]
    fn a_logarithmic_axis_refuses_what_it_cannot_show() {
        let zero = Line { points: vec![(0.0, 0.0), (1.0, 1.0)], ..Line::default() };
        assert_eq!(figure(vec![zero.clone()], vec![], true).check(), Err(super::super::FigureError::NotPositive(String::new())));
        figure(vec![zero], vec![], false).check().unwrap();
    }

    #[test]
    fn a_reference_stands_across_the_drawing_or_at_its_place_and_within_the_range() {
        let across = Reference { name: "report".into(), value: 2.0, at: None };
        let placed = Reference { name: "report".into(), value: 0.5, at: Some(50.0) };
        let page = figure(vec![falling()], vec![across.clone(), placed.clone()], false).to_page_svg(Width::Wide);
        assert!(page.contains(">report 2.000</text>") && page.contains(">report 0.500</text>"), "{page}");
        assert_eq!(page.matches("<title>report 0.500</title>").count(), 2, "a cross has two strokes");
        let csv = figure(vec![falling()], vec![across, placed], false).to_csv();
        assert!(csv.ends_with("report,,2\r\nreport,50,0.5\r\n"), "{csv}");
    }

    #[test]
    fn means_are_drawn_in_ink_and_take_no_colour_from_the_others() {
        let mean = |name: &str| Line { name: name.into(), mean: true, ..falling() };
        let lines = vec![mean("micro"), falling(), mean("macro"), Line { name: "theirs".into(), ..falling() }];
        assert_eq!(looks(&lines), [Look::Mean(0), Look::Series(0), Look::Mean(1), Look::Series(1)]);
        let page = figure(lines, vec![], false).to_page_svg(Width::Wide);
        assert!(page.contains("stroke-dasharray=\"6 3\" class=\"figure-stroke figure-ink\"><title>macro</title>"), "{page}");
        assert!(!page.contains("figure-series-3"));
        let unmarked = Line { unmarked: true, ..falling() };
        assert!(!figure(vec![unmarked], vec![], false).to_page_svg(Width::Wide).contains("<circle"));
    }

    #[test]
    fn no_two_of_many_lines_have_the_same_colour_and_dashes() {
        let mut seen: Vec<(usize, usize)> = (0..32).map(|series| (series % 8, dash(series) % 4)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 32);
    }

    #[test]
    fn dots_stand_by_themselves_however_many_there_are() {
        let many = Line {
            name: "trials".into(),
            points: (0..60).map(|at| (f64::from(at % 7), f64::from(at))).collect(),
            dots: true,
            ..Line::default()
        };
        let page = figure(vec![many], vec![], false).to_page_svg(Width::Wide);
        assert_eq!(page.matches("<circle").count(), 61, "one in the legend");
        assert!(!page.contains("<title>trials</title>"), "no line through them");
    }

    #[test]
    fn steps_hold_until_the_next_point_and_bands_lie_beneath_the_lines() {
        assert_eq!(stepped(&[(0.0, 5.0), (2.0, 7.0)]), [(0.0, 5.0), (2.0, 5.0), (2.0, 7.0)]);
        let banded = Line { band: vec![(0.9, 1.1), (0.05, 0.2), (0.005, 0.02)], steps: true, ..falling() };
        let figure = figure(vec![banded], vec![], false);
        figure.check().unwrap();
        let page = figure.to_page_svg(Width::Wide);
        assert!(page.find("figure-band").unwrap() < page.find("<title>ours</title>").unwrap());
        assert!(figure.to_csv().contains("series,x,y,low,high\r\nours,1,1,0.9,1.1\r\n"));
        let header = figure.to_table().header;
        assert_eq!(header.len(), 5, "{header:?}");
    }
}
