//! A figure laid out: marks in pixels, each with a role instead of a colour.

/// A place on the drawing in pixels from the top left.
pub(super) type Place = (f64, f64);

/// What a mark is; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Titles and the labels of points.
    Ink,
    /// Readings, axis labels, legends.
    Soft,
    /// Numbers at ticks, remarks.
    Faint,
    /// Grid.
    Grid,
    /// Axes.
    Axis,
    /// One series' own colour, by its number from 0.
    Series(usize),
    /// The colour of one of ten classes, by its number from 0.
    Class(usize),
    /// A series' colour, thin enough to see through.
    Band(usize),
    /// A step of the sequential scale, from 0, which is paper, to `theme::LEVELS - 1`.
    Level(usize),
    /// What is written on such a step.
    OnLevel(usize),
}

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text on one line.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// Where its anchor stands on the baseline.
    pub at: Place,
    pub anchor: Anchor,
    pub size: f64,
    pub bold: bool,
    /// Reads from bottom to top.
    pub turned: bool,
    /// Surrounded by paper, to stand clear of what lies beneath.
    pub halo: bool,
    pub role: Role,
    pub text: String,
}

/// Something to draw.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// A line through places; `dash` numbers the pattern, 0 is solid.
    Stroke { places: Vec<Place>, width: f64, dash: usize, role: Role, tooltip: Option<String> },
    /// A filled polygon.
    Area { places: Vec<Place>, role: Role },
    /// A point whose shape follows its series.
    Dot { at: Place, radius: f64, series: usize, tooltip: Option<String> },
    /// A small point of one class among many: told by its colour alone.
    Speck { at: Place, radius: f64, class: usize },
    /// A filled rectangle.
    Rectangle { at: Place, width: f64, height: f64, role: Role, tooltip: Option<String> },
    /// A text.
    Text(Text),
}

/// All marks of a figure, from the lowest to the topmost.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    pub marks: Vec<Mark>,
}

impl Scene {
    /// A straight thin line.
    pub fn rule(&mut self, from: Place, to: Place, role: Role) {
        self.marks.push(Mark::Stroke { places: vec![from, to], width: 1.0, dash: 0, role, tooltip: None });
    }

    /// Puts another scene's marks on top, moved by `by`.
    pub fn append(&mut self, other: Scene, by: Place) {
        let moved = |place: &mut Place| *place = (place.0 + by.0, place.1 + by.1);
        self.marks.extend(other.marks.into_iter().map(|mut mark| {
            match &mut mark {
                Mark::Stroke { places, .. } | Mark::Area { places, .. } => places.iter_mut().for_each(moved),
                Mark::Dot { at, .. } | Mark::Speck { at, .. } | Mark::Rectangle { at, .. } => moved(at),
                Mark::Text(text) => moved(&mut text.at),
            }
            mark
        }));
    }

    /// A text that stands clear of grid lines beneath it.
    pub fn clear_text(&mut self, at: Place, size: f64, role: Role, text: impl Into<String>) {
        let text = text.into();
        self.marks.push(Mark::Text(Text { at, anchor: Anchor::Start, size, bold: false, halo: true, turned: false, role, text }));
    }

    /// A plain text on one line.
    pub fn text(&mut self, at: Place, anchor: Anchor, size: f64, role: Role, text: impl Into<String>) {
        self.marks.push(Mark::Text(Text { at, anchor, size, bold: false, halo: false, turned: false, role, text: text.into() }));
    }
}

/// Corners of series `series`' shape around `at`, or none for the circle. Shapes are scaled to look equally large.
pub(super) fn shape(series: usize, at: Place, radius: f64) -> Option<Vec<Place>> {
    let corner = |angle: f64, radius: f64| (at.0 + radius * angle.to_radians().sin(), at.1 - radius * angle.to_radians().cos());
    let regular = |corners: usize, turn: f64, scale: f64| {
        (0..corners).map(|index| corner(turn + 360.0 * index as f64 / corners as f64, radius * scale)).collect()
    };
    match series % super::theme::SERIES {
        0 => None,
        1 => Some(regular(3, 0.0, 1.35)),
        2 => Some(regular(4, 45.0, 1.25)),
        3 => Some(regular(4, 0.0, 1.3)),
        4 => Some(regular(3, 180.0, 1.35)),
        5 => Some(regular(5, 0.0, 1.15)),
        6 => Some((0..10).map(|index| corner(36.0 * f64::from(index), radius * if index % 2 == 0 { 1.5 } else { 0.65 })).collect()),
        _ => Some(
            // A plus sign: three squares by three without the corners.
            [(-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)]
                .map(|(x, y)| (at.0 + f64::from(x) * radius * 0.42, at.1 + f64::from(y) * radius * 0.42))
                .to_vec(),
        ),
    }
}
