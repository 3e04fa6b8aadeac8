//! Values in rows and columns, each a cell whose colour tells its size.

use super::layout::{Width, footing};
use super::scene::{Anchor, Mark, Role, Scene, Text};
use super::theme::LEVELS;
use super::{Axis, Figure, text};

/// Columns whose names stand upright rather than being left out when there is no room; with more, only some columns are named.
const MOST_TURNED: usize = 20;
/// The width of one step of the key, in pixels.
const KEY_STEP: f64 = 6.0;

/// What a matrix is made of; see [`super::Content::Matrix`].
pub(super) struct Matrix<'a> {
    pub rows: &'a [String],
    pub columns: &'a [String],
    pub values: &'a [Vec<Option<f64>>],
    pub value: &'a Axis,
    pub range: Option<(f64, f64)>,
    pub marked: &'a [(usize, usize)],
}

pub(super) fn scene(figure: &Figure, matrix: &Matrix, width: Width) -> Scene {
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let (size, tick_size) = (width.label_size(), width.tick_size());
    let span = matrix.span();

    let names = matrix.rows.iter().map(|name| text::width(name, size)).fold(0.0, f64::max);
    let left = names.min(width.pixels() * 0.3).ceil() + 8.0;
    let cell_width = ((width.pixels() - left) / matrix.columns.len() as f64).min(88.0);
    let written = matrix.written_size(cell_width - 3.0, &[size, tick_size, tick_size - 1.0]);
    let cell_height = match written {
        Some(_) => cell_width.clamp(22.0, 34.0),
        None => cell_width.clamp(8.0, 28.0).max(if matrix.rows.len() <= 24 { tick_size + 3.0 } else { 0.0 }),
    };
    let right = left + cell_width * matrix.columns.len() as f64;

    let key = if written.is_some() { 0.0 } else { draw_key(&mut scene, matrix.value, span, width) };
    let top = key + 8.0 + tick_size;
    scene.text((0.0, top - 8.0), Anchor::Start, tick_size, Role::Soft, text::fit(&figure.vertical.heading(), tick_size, width.pixels()));

    let gap = if cell_width.min(cell_height) >= 12.0 { 1.0 } else { 0.0 };
    for (row, name) in matrix.rows.iter().enumerate() {
        let y = top + cell_height * row as f64;
        // Where rows are lower than letters: as many names as have room.
        if row.is_multiple_of(((tick_size + 2.0) / cell_height).ceil().max(1.0) as usize) {
            let at = (left - 8.0, y + cell_height / 2.0 + size * 0.35);
            scene.text(at, Anchor::End, size, Role::Ink, text::fit(name, size, left - 8.0));
        }
        for column in 0..matrix.columns.len() {
            let at = (left + cell_width * column as f64, y);
            let Some(value) = matrix.values[row][column] else {
                // What is missing must not look like the least value.
                scene.rule((at.0 + 2.0, y + cell_height - 2.0 - gap), (at.0 + cell_width - 2.0 - gap, y + 2.0), Role::Axis);
                continue;
            };
            let level = level(value, span);
            let said = format!(
                "{} {name}, {} {}: {}",
                figure.vertical.label,
                figure.horizontal.label,
                matrix.columns[column],
                matrix.value.format(value)
            );
            let (width, height) = (cell_width - gap, cell_height - gap);
            scene.marks.push(Mark::Rectangle { at, width, height, role: Role::Level(level), tooltip: Some(said.trim().to_owned()) });
            if let Some(size) = written {
                let place = (at.0 + width / 2.0, at.1 + height / 2.0 + size * 0.35);
                scene.text(place, Anchor::Middle, size, Role::OnLevel(level), matrix.value.format(value));
            }
        }
    }
    for &(row, column) in matrix.marked {
        let (x, y) = (left + cell_width * column as f64 - gap / 2.0, top + cell_height * row as f64 - gap / 2.0);
        let corners = [(x, y), (x + cell_width, y), (x + cell_width, y + cell_height), (x, y + cell_height), (x, y)];
        // Ink on paper, so that the frame stands out from light and dark cells alike.
        for (width, role) in [(4.5, Role::Level(0)), (2.0, Role::Ink)] {
            scene.marks.push(Mark::Stroke { places: corners.to_vec(), width, dash: 0, role, tooltip: None });
        }
    }

    let bottom = top + cell_height * matrix.rows.len() as f64;
    let names = draw_column_names(&mut scene, matrix.columns, (left, cell_width), bottom, width);
    let label = text::fit(&figure.horizontal.heading(), tick_size, width.pixels());
    scene.text((right, bottom + names + 8.0 + tick_size), Anchor::End, tick_size, Role::Soft, label);
    scene.height = bottom + names + footing(width) - tick_size;
    scene
}

impl Matrix<'_> {
    /// The values that the colours span.
    fn span(&self) -> (f64, f64) {
        let values = self.values.iter().flatten().flatten().copied();
        self.range
            .unwrap_or_else(|| values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value))))
    }

    /// The first of `sizes` at which every value has room in a cell so wide.
    fn written_size(&self, room: f64, sizes: &[f64]) -> Option<f64> {
        let values = || self.values.iter().flatten().flatten();
        let fits = |&size: &f64| values().all(|&value| text::width(&self.value.format(value), size) <= room);
        sizes.iter().copied().find(|size| fits(size))
    }
}

/// The step of the scale that shows `value`.
fn level(value: f64, (low, high): (f64, f64)) -> usize {
    let share = if high > low { (value - low) / (high - low) } else { 0.5 };
    (share.clamp(0.0, 1.0) * (LEVELS - 1) as f64).round() as usize
}

/// The scale with its ends and what it measures; the height used.
fn draw_key(scene: &mut Scene, value: &Axis, (low, high): (f64, f64), width: Width) -> f64 {
    let size = width.tick_size();
    let baseline = 10.0 + size * 0.35;
    let mut x = 0.0;
    let word = |scene: &mut Scene, x: &mut f64, role, said: String| {
        scene.text((*x, baseline), Anchor::Start, size, role, said.clone());
        *x += text::width(&said, size) + 8.0;
    };
    let heading = value.heading();
    if !heading.is_empty() {
        word(scene, &mut x, Role::Soft, text::fit(&heading, size, width.pixels() / 3.0));
    }
    word(scene, &mut x, Role::Faint, value.format(low));
    for level in 0..LEVELS {
        let at = (x + KEY_STEP * level as f64, 4.0);
        scene.marks.push(Mark::Rectangle { at, width: KEY_STEP, height: 12.0, role: Role::Level(level), tooltip: None });
    }
    x += KEY_STEP * LEVELS as f64 + 8.0;
    word(scene, &mut x, Role::Faint, value.format(high));
    24.0
}

/// The names of the columns beneath them: along the edge where all have room, upright where not, and of many columns every so manyth.
/// The height used.
fn draw_column_names(scene: &mut Scene, columns: &[String], (left, cell_width): (f64, f64), bottom: f64, width: Width) -> f64 {
    let size = width.tick_size();
    let widest = columns.iter().map(|name| text::width(name, size)).fold(0.0, f64::max);
    let middle = |column: usize| left + cell_width * (column as f64 + 0.5);
    let every = ((widest + 6.0) / cell_width).ceil().max(1.0) as usize;
    if every == 1 || columns.len() > MOST_TURNED {
        for (column, name) in columns.iter().enumerate().step_by(every) {
            scene.text((middle(column), bottom + 4.0 + size), Anchor::Middle, size, Role::Ink, name);
        }
        return 4.0 + size;
    }
    let longest = widest.min(110.0);
    for (column, name) in columns.iter().enumerate() {
        let at = (middle(column) + size * 0.35, bottom + 6.0);
        let text = text::fit(name, size, longest);
        scene.marks.push(Mark::Text(Text { at, anchor: Anchor::End, size, bold: false, halo: false, turned: true, role: Role::Ink, text }));
    }
    10.0 + longest
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Headings};
    use super::*;

    pub(super) fn figure(columns: usize, values: impl Fn(usize, usize) -> Option<f64>, decimals: usize) -> Figure {
        let rows = 3;
        Figure {
            id: "matrix".into(),
            title: "What was taken for what".into(),
            reading: "The diagonal is right.".into(),
            horizontal: Axis { label: "said".into(), ..Axis::default() },
            vertical: Axis { label: "true".into(), ..Axis::default() },
            content: Content::Matrix {
                rows: (0..rows).map(|row| format!("row {row}")).collect(),
                columns: (0..columns).map(|column| format!("column {column}")).collect(),
                values: (0..rows).map(|row| (0..columns).map(|column| values(row, column)).collect()).collect(),
                value: Axis { label: "share".into(), decimals, ..Axis::default() },
                range: None,
                marked: vec![(0, 1)],
            },
            headings: Headings::default(),
        }
    }

    #[test]
    fn a_small_matrix_prints_its_values_and_says_what_each_cell_is() {
        let page = figure(3, |row, column| Some((row * 3 + column) as f64), 0).to_page_svg(Width::Wide);
        assert!(page.contains("<title>true row 2, said column 1: 7</title>"), "{page}");
        assert!(page.contains(">7</text>"));
        assert!(page.contains("figure-level-0\"") && page.contains(&format!("figure-level-{}\"", LEVELS - 1)));
        assert!(!page.contains("share"), "numbers in the cells need no key");
    }

    #[test]
    fn a_matrix_with_no_room_for_numbers_has_a_key_and_names_some_columns() {
        let page = figure(40, |row, column| Some((row * 40 + column) as f64 / 120.0), 4).to_page_svg(Width::Wide);
        assert!(page.contains(">share</text>") && page.contains(">0.0000</text>") && page.contains(">0.9917</text>"), "{page}");
        assert!(page.contains(">column 0</text>") && !page.contains(">column 1</text>"));
        assert_eq!(page.matches("<rect").count(), 120 + LEVELS);
    }

    #[test]
    fn names_without_room_stand_upright() {
        let narrow = figure(10, |_, _| Some(1.0), 0).to_page_svg(Width::Narrow);
        assert_eq!(narrow.matches("rotate(-90").count(), 10);
    }

    #[test]
    fn a_cell_without_a_value_stays_empty_and_equal_values_can_be_drawn() {
        let page = figure(2, |row, _| (row > 0).then_some(1.0), 0).to_page_svg(Width::Wide);
        assert_eq!(page.matches("<rect").count(), 4);
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn values_beyond_the_range_have_its_end_colours() {
        assert_eq!([-1.0, 0.0, 0.5, 1.0, 2.0].map(|value| level(value, (0.0, 1.0))), [0, 0, (LEVELS - 1) / 2, LEVELS - 1, LEVELS - 1]);
        assert_eq!(level(3.0, (3.0, 3.0)), (LEVELS - 1) / 2);
    }
}
