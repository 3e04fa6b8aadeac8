//! Horizontal bars from 0, under headings where they belong together; many of them stand in two columns where there is room.

use super::layout::{Sample, Scale, Width, footing, legend, range, tick_decimals};
use super::scene::{Anchor, Mark, Role, Scene, Text};
use super::{Bar, Figure, text};

/// Beyond so many rows a wide drawing has two columns.
const MOST_ROWS: usize = 30;
/// Between two columns, in pixels.
const GAP: f64 = 28.0;

/// What stands on one line.
#[derive(Clone, Copy)]
enum Row<'a> {
    Heading(&'a str),
    Bar(&'a Bar),
}

/// Sizes that all bars of a drawing share, in pixels.
struct Measures {
    row: f64,
    thickness: f64,
    size: f64,
    tick_size: f64,
    /// Room for the labels.
    gutter: f64,
    /// Room for the numbers left of the bars that grow to the left, and right of the others.
    beside: (f64, f64),
    /// The values that the axis spans.
    span: (f64, f64),
}

pub(super) fn scene(figure: &Figure, bars: &[Bar], reach: Option<(f64, f64)>, width: Width) -> Scene {
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let entries = [(Sample::Reference, figure.headings.reference.as_str())];
    let compared = bars.iter().any(|bar| bar.reference.is_some());
    let top = if compared { legend(&mut scene, width, &entries) } else { 4.0 };

    let rows = rows(bars);
    let columns = columns(&rows, if width == Width::Wide && rows.len() > MOST_ROWS { 2 } else { 1 });
    let column_width = (width.pixels() - GAP * (columns.len() - 1) as f64) / columns.len() as f64;
    let measures = Measures::new(figure, bars, reach, width, column_width, rows.len());
    let tallest = columns.iter().map(|rows| rows.len()).max().unwrap_or_default();
    let bottom = top + measures.row * tallest as f64;
    for (index, rows) in columns.iter().enumerate() {
        column(&mut scene, figure, rows, &measures, ((column_width + GAP) * index as f64, column_width), (top, bottom));
    }

    let label = text::fit(&figure.horizontal.heading(), measures.tick_size, width.pixels());
    let at = bottom + 12.0 + 2.0 * measures.tick_size;
    scene.text((width.pixels(), at), Anchor::End, measures.tick_size, Role::Soft, label);
    scene.height = bottom + footing(width);
    scene
}

/// The bars in their order, each group under its heading.
fn rows(bars: &[Bar]) -> Vec<Row<'_>> {
    let mut rows = Vec::with_capacity(bars.len());
    let mut group = None;
    for bar in bars {
        if bar.group.as_deref() != group {
            group = bar.group.as_deref();
            rows.extend(group.map(Row::Heading));
        }
        rows.push(Row::Bar(bar));
    }
    rows
}

/// The rows in so many columns of like height. A column ends between two groups where that costs little, and never on a heading.
fn columns<'rows, 'bars>(rows: &'rows [Row<'bars>], count: usize) -> Vec<&'rows [Row<'bars>]> {
    if count < 2 {
        return vec![rows];
    }
    let half = rows.len().div_ceil(2);
    let headings = rows.iter().enumerate().skip(1).filter(|(_, row)| matches!(row, Row::Heading(_))).map(|(index, _)| index);
    let between = headings.min_by_key(|index| index.abs_diff(half)).filter(|index| index.abs_diff(half) <= rows.len() / 8);
    let end = between.unwrap_or(if matches!(rows[half - 1], Row::Heading(_)) { half - 1 } else { half });
    let (first, second) = rows.split_at(end);
    vec![first, second]
}

impl Measures {
    fn new(figure: &Figure, bars: &[Bar], reach: Option<(f64, f64)>, width: Width, column_width: f64, rows: usize) -> Self {
        let (size, tick_size) = (width.label_size(), width.tick_size());
        let labels = bars.iter().map(|bar| text::width(&bar.label, size)).fold(0.0, f64::max);
        let behind = |bar: &Bar| bar.note.as_ref().map_or(0.0, |note| 8.0 + text::width(note, tick_size));
        let beyond = |bar: &Bar| 6.0 + text::width(&figure.horizontal.format(bar.value), size) + behind(bar);
        let values = bars.iter().flat_map(|bar| [Some(bar.value), bar.reference]).flatten();
        let span = range(values.chain(reach.into_iter().flat_map(|(low, high)| [low, high])).chain([0.0]), false);
        // The numbers stand behind the bars' ends: on the left too where bars grow to the left.
        let before = bars.iter().filter(|bar| bar.value < 0.0).map(beyond).fold(0.0, f64::max);
        let after = bars.iter().filter(|bar| bar.value >= 0.0).map(beyond).fold(0.0, f64::max);
        let (row, thickness) = if rows > MOST_ROWS { (18.0, 11.0) } else { (22.0, 13.0) };
        let gutter = labels.min(column_width * 0.42).ceil() + 8.0;
        Self { row, thickness, size, tick_size, gutter, beside: (before, after), span }
    }
}

/// One column: grid, bars, numbers at the ticks. `place` is its left edge and its width, `reach` where its tallest begins and ends.
fn column(scene: &mut Scene, figure: &Figure, rows: &[Row], measures: &Measures, place: (f64, f64), (top, bottom): (f64, f64)) {
    let (left, column_width) = place;
    let start = left + measures.gutter + measures.beside.0;
    let end = (left + column_width - measures.beside.1 - 2.0).max(start + 40.0);
    let x = Scale::over(measures.span, false, (start, end));
    let ticks = x.ticks(if end - start > 320.0 { 8 } else { 4 });
    let decimals = tick_decimals(&ticks);
    for tick in ticks {
        let at = x.at(tick);
        scene.rule((at, top), (at, bottom), Role::Grid);
        let number = text::number(tick, decimals);
        scene.text((at, bottom + 6.0 + measures.tick_size), Anchor::Middle, measures.tick_size, Role::Faint, number);
    }
    for (index, row) in rows.iter().enumerate() {
        let middle = top + measures.row * (index as f64 + 0.5);
        match row {
            Row::Heading(heading) => {
                let text = text::fit(heading, measures.size * 1.06, column_width);
                let at = (left, middle + measures.size * 0.45);
                let size = measures.size;
                scene.marks.push(Mark::Text(Text {
                    at,
                    anchor: Anchor::Start,
                    size,
                    bold: true,
                    halo: true,
                    turned: false,
                    role: Role::Ink,
                    text,
                }));
            }
            Row::Bar(bar) => draw(scene, figure, bar, measures, &x, (left, middle)),
        }
    }
    scene.rule((x.at(0.0), top), (x.at(0.0), bottom), Role::Axis);
}

/// One bar with its label, its number and its remark; `place` is the left edge of its column and its own middle.
fn draw(scene: &mut Scene, figure: &Figure, bar: &Bar, measures: &Measures, x: &Scale, (left, middle): (f64, f64)) {
    let Measures { thickness, size, tick_size, gutter, .. } = *measures;
    let written = figure.horizontal.format(bar.value);
    let (zero, end) = (x.at(0.0), x.at(bar.value));
    let baseline = middle + size * 0.35;
    let tooltip = match bar.reference {
        Some(reference) => {
            format!("{}: {written} ({} {})", bar.label, figure.headings.reference, figure.horizontal.format(reference))
        }
        None => format!("{}: {written}", bar.label),
    };
    scene.text((left + gutter - 8.0, baseline), Anchor::End, size, Role::Ink, text::fit(&bar.label, size, gutter - 8.0));
    scene.marks.push(Mark::Rectangle {
        at: (zero.min(end), middle - thickness / 2.0),
        width: (end - zero).abs(),
        height: thickness,
        role: Role::Series(usize::from(bar.value < 0.0)),
        tooltip: Some(tooltip),
    });
    if let Some(reference) = bar.reference {
        let at = (x.at(reference) - 1.0, middle - thickness / 2.0 - 2.5);
        scene.marks.push(Mark::Rectangle { at, width: 2.0, height: thickness + 5.0, role: Role::Ink, tooltip: None });
    }
    let clear = bar.reference.map_or(end, |reference| if bar.value < 0.0 { end.min(x.at(reference)) } else { end.max(x.at(reference)) });
    let value_width = text::width(&written, size);
    let note_width = bar.note.as_ref().map_or(0.0, |note| 8.0 + text::width(note, tick_size));
    let (value_at, note_at) = if bar.value < 0.0 {
        (clear - 6.0 - value_width, clear - 6.0 - value_width - note_width)
    } else {
        (clear + 6.0, clear + 14.0 + value_width)
    };
    scene.clear_text((value_at, baseline), size, Role::Soft, written);
    if let Some(note) = &bar.note {
        scene.clear_text((note_at, baseline), tick_size, Role::Faint, note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, group: Option<&str>) -> Bar {
        Bar { label: label.into(), group: group.map(str::to_owned), value: 0.5, ..Bar::default() }
    }

    fn headings(rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| if let Row::Heading(heading) = row { (*heading).to_owned() } else { String::new() }).collect()
    }

    #[test]
    fn each_group_stands_under_its_heading_once() {
        let bars = [bar("a", Some("one")), bar("b", Some("one")), bar("c", Some("two")), bar("d", None)];
        assert_eq!(headings(&rows(&bars)), ["one", "", "", "two", "", ""]);
    }

    #[test]
    fn columns_break_between_groups_of_like_size_and_never_behind_a_heading() {
        let lengths = |groups: &[usize]| {
            let bars: Vec<Bar> =
                groups.iter().enumerate().flat_map(|(group, &count)| vec![bar("a", Some(&format!("group {group}"))); count]).collect();
            let rows = rows(&bars);
            let parts = columns(&rows, 2);
            assert!(!matches!(parts[0].last(), Some(Row::Heading(_))), "{groups:?}");
            (parts[0].len(), parts[1].len())
        };
        assert_eq!(lengths(&[25, 25]), (26, 26));
        assert_eq!(lengths(&[18, 20]), (19, 21));
        assert_eq!(lengths(&[10, 30]), (21, 21), "too uneven: the second group goes on in the second column");
        assert_eq!(lengths(&[19, 17]), (20, 18));
    }
}
