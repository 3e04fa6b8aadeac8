//! Typed numbers with five faces: in the page, SVG, PNG, CSV and JSON, and a table for those who can't see a chart. No I/O.
//!
//! A [`Figure`] is laid out once, as a scene of marks in pixels, and every drawn face shows that scene: the page's SVG names the
//! role of each mark as a class (so that the style sheet colours it and a strict Content-Security-Policy holds), the file's SVG
//! carries its own colours, and the PNG is that file rasterised by resvg, which shapes Persian as a browser does. plotters chooses
//! the ticks.

mod bars;
mod card;
mod faces;
mod graph;
mod labels;
mod layout;
mod lines;
mod matrix;
mod parallel;
mod points;
mod scene;
mod spans;
mod svg;
mod table;
mod text;
mod theme;

use serde::Serialize;

pub use card::card;
pub use faces::MAXIMUM_SCALE;
pub use graph::{Form, Node};
pub use layout::Width;
pub use table::{Cell, Table};
pub use theme::{Direction, FIRST_HIGH_LEVEL, LEVELS, Theme};

/// The style sheet of a figure in the page, on the page's own tokens (`--ink`, `--series-1`, …).
pub const STYLESHEET: &str = include_str!("figure.css");

/// Numbers worth drawing: what they are, what they show, and how to read them in one sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// A short name of ASCII letters, digits and hyphens, unique on its page: names the file and the parts of the drawing.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// What a reader should see in it, in one sentence.
    pub reading: String,
    /// The axis from left to right; of bars, the one along which they grow.
    pub horizontal: Axis,
    /// The axis from bottom to top; bars have none, but their label names what they stand for.
    pub vertical: Axis,
    /// The numbers.
    pub content: Content,
    /// What the columns of the table are called.
    pub headings: Headings,
}

/// What an axis measures.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Axis {
    /// The quantity.
    pub label: String,
    /// Its unit, where it has one.
    pub unit: Option<String>,
    /// Decimals in labels and in the table. CSV and JSON have all digits.
    pub decimals: usize,
    /// Whether equal ratios are equal lengths; lines know it, and all values must be above 0.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub logarithmic: bool,
}

/// Names for what has no axis, in the reader's language.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headings {
    /// A single point or bar: "word".
    pub item: String,
    /// What points or lines are grouped by.
    pub group: String,
    /// The value that a bar is held against: "report".
    pub reference: String,
    /// The remark beside a bar.
    pub note: String,
    /// The lower end of a band.
    pub low: String,
    /// The upper end of a band.
    pub high: String,
}

impl Default for Headings {
    fn default() -> Self {
        let [item, group, reference, note, low, high] = ["item", "group", "reference", "note", "low", "high"].map(Into::into);
        Self { item, group, reference, note, low, high }
    }
}

/// The numbers of a figure, by the way they are drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Labelled points in groups, and arrows between them. Both axes have one scale: distances and angles are true.
    Points {
        /// In the order of the legend; colour and shape follow it.
        groups: Vec<Group>,
        /// Drawn beneath the points.
        arrows: Vec<Arrow>,
    },
    /// Horizontal bars from 0, in the order given.
    Bars {
        /// From top to bottom.
        bars: Vec<Bar>,
        /// The least and the greatest value the axis must show, besides those of the bars.
        range: Option<(f64, f64)>,
    },
    /// Lines, each through its points from left to right.
    Lines {
        /// In the order of the legend; colour and dashes follow it.
        lines: Vec<Line>,
        /// What the lines are held against.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        references: Vec<Reference>,
    },
    /// Values in rows and columns, each a cell whose colour tells its size; written in the cells where there is room.
    Matrix {
        /// Names of the rows, from top to bottom; the vertical axis names what they stand for.
        rows: Vec<String>,
        /// Names of the columns, from left to right; the horizontal axis names what they stand for.
        columns: Vec<String>,
        /// Row after row. A cell without a value stays empty.
        values: Vec<Vec<Option<f64>>>,
        /// What the values measure.
        value: Axis,
        /// The values at the ends of the scale of colours; without, the least and the greatest there are.
        range: Option<(f64, f64)>,
        /// Cells (row, column) with a frame around them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        marked: Vec<(usize, usize)>,
    },
    /// Parallel coordinates: a line for each thing through an axis for each quantity, and at the end through its value, which colours it.
    Parallel {
        /// From left to right.
        coordinates: Vec<Coordinate>,
        /// One for each thing.
        paths: Vec<Path>,
        /// What the things' values measure.
        value: Axis,
        /// Whether lesser values are better, and stand out.
        lesser: bool,
    },
    /// From when to when each thing went, one below the other.
    Spans {
        /// From top to bottom.
        spans: Vec<Span>,
    },
    /// Modules of a network and what flows between them. The horizontal axis names what they give, the vertical one what they learn.
    Graph {
        /// In the order of the flow; what stands aside behind what it leads around.
        nodes: Vec<Node>,
        /// From which to which, by their places.
        flows: Vec<(usize, usize)>,
    },
}

/// An axis of parallel coordinates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coordinate {
    /// The quantity.
    pub name: String,
    /// Places from 0, at the foot, to 1, and what stands there.
    pub ticks: Vec<(f64, String)>,
}

/// A line of parallel coordinates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Path {
    /// The thing.
    pub name: String,
    /// On each coordinate from 0 to 1.
    pub places: Vec<f64>,
    /// What these places mean, in words or figures.
    pub settings: Vec<String>,
    /// How it did.
    pub value: f64,
}

/// From when to when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// The thing.
    pub label: String,
    /// What became of it; its colour.
    pub group: String,
    /// Along the horizontal axis.
    pub start: f64,
    /// At least `start`.
    pub end: f64,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// In the legend; may be empty when there is but one group.
    pub name: String,
    /// Its points.
    pub points: Vec<Point>,
}

/// A named place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Stands beside the point. Empty: no label.
    pub label: String,
    /// Along the horizontal axis.
    pub x: f64,
    /// Along the vertical axis.
    pub y: f64,
}

/// An arrow from one labelled point to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arrow {
    /// Label of the point where it starts.
    pub from: String,
    /// Label of the point where it ends.
    pub to: String,
    /// What holds between the two ("man to woman"): arrows of one relation look alike, and the legend names it.
    pub relation: Option<String>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Bar {
    /// Stands left of the bar.
    pub label: String,
    /// What it belongs to: a heading above the first bar of a group, whose bars follow each other.
    pub group: Option<String>,
    /// Its length; below 0 it grows to the left, in another colour.
    pub value: f64,
    /// A value to hold it against, drawn as a stroke across the bar.
    pub reference: Option<f64>,
    /// A short remark behind the value: "201 of 272".
    pub note: Option<String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own, under its own name in the figure's JSON")]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// (x, y), x ascending (or descending throughout).
    pub points: Vec<(f64, f64)>,
    /// Whether each value holds until the next point, instead of a straight line between them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub steps: bool,
    /// Whether its points stand by themselves, with no line through them; they need no order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dots: bool,
    /// The range around each point, (low, high), one for each; or none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub band: Vec<(f64, f64)>,
    /// Whether its points have no marks of their own, however few they are: of a curve whose points mean nothing by themselves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unmarked: bool,
    /// Whether it is a mean of the others, or what they are held against: in ink, with dashes of its own and no colour.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mean: bool,
}

/// A value to hold lines against.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reference {
    /// Stands beside it, before its value: "report".
    pub name: String,
    /// Along the vertical axis.
    pub value: f64,
    /// Along the horizontal axis; without, the value stands for all of it, as a stroke across.
    pub at: Option<f64>,
}

/// Why numbers can't be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FigureError {
    /// There is nothing to draw.
    #[error("the figure has no numbers")]
    Empty,
    /// NaN or infinity.
    #[error("the figure has a number that is not finite, at {0:?}")]
    NotFinite(String),
    /// 0 or less where only what is above 0 has a place.
    #[error("the figure has a number that is not above 0 on a logarithmic axis, at {0:?}")]
    NotPositive(String),
    /// Rows of unequal length, or not as many values as names.
    #[error("the figure has {found} values where {expected} belong, at {place:?}")]
    Uneven {
        /// The row or line.
        place: String,
        /// How many belong there.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// An arrow's end is no point of the figure.
    #[error("an arrow ends at {0:?}, which is no point of the figure")]
    UnknownPoint(String),
    /// The picture could not be made.
    #[error("the picture could not be drawn: {0}")]
    Picture(String),
}

impl Figure {
    /// Checks that the figure can be drawn. Every face calls for a figure that passed.
    ///
    /// # Errors
    /// All of [`FigureError`] but the last.
    pub fn check(&self) -> Result<(), FigureError> {
        let (count, not_finite) = match &self.content {
            Content::Points { groups, arrows } => {
                let points = || groups.iter().flat_map(|group| &group.points);
                let unknown = |label: &&String| points().all(|point| point.label != **label);
                if let Some(label) = arrows.iter().flat_map(|arrow| [&arrow.from, &arrow.to]).find(unknown) {
                    return Err(FigureError::UnknownPoint(label.clone()));
                }
                (points().count(), points().find(|point| !(point.x.is_finite() && point.y.is_finite())).map(|point| &point.label))
            }
            Content::Bars { bars, .. } => {
                let finite = |bar: &&Bar| bar.value.is_finite() && bar.reference.is_none_or(f64::is_finite);
                (bars.len(), bars.iter().find(|bar| !finite(bar)).map(|bar| &bar.label))
            }
            Content::Lines { lines, references } => self.check_lines(lines, references)?,
            Content::Matrix { rows, columns, values, marked, .. } => check_matrix(rows, columns, values, marked)?,
            Content::Parallel { coordinates, paths, .. } => {
                let expected = coordinates.len();
                if let Some(path) = paths.iter().find(|path| path.places.len() != expected || path.settings.len() != expected) {
                    return Err(FigureError::Uneven {
                        place: path.name.clone(),
                        expected,
                        found: path.places.len().min(path.settings.len()),
                    });
                }
                let finite = |path: &&Path| path.value.is_finite() && path.places.iter().all(|place| place.is_finite());
                (paths.len(), paths.iter().find(|path| !finite(path)).map(|path| &path.name))
            }
            Content::Graph { nodes, flows } => (graph::check(nodes, flows)?, None),
            Content::Spans { spans } => {
                let finite = |span: &&Span| span.start.is_finite() && span.end.is_finite();
                (spans.len(), spans.iter().find(|span| !finite(span)).map(|span| &span.label))
            }
        };
        match not_finite {
            Some(label) => Err(FigureError::NotFinite(label.clone())),
            None if count == 0 => Err(FigureError::Empty),
            None => Ok(()),
        }
    }

    /// How many points there are, and the name of what is not finite.
    fn check_lines<'a>(&self, lines: &'a [Line], references: &'a [Reference]) -> Result<(usize, Option<&'a String>), FigureError> {
        let (across, up) = (self.horizontal.logarithmic, self.vertical.logarithmic);
        for line in lines {
            let (expected, found) = (line.points.len(), line.band.len());
            if found != 0 && found != expected {
                return Err(FigureError::Uneven { place: line.name.clone(), expected, found });
            }
        }
        let of_line = |line: &Line| -> Vec<(Option<f64>, f64)> {
            let points = line.points.iter().map(|&(x, y)| (Some(x), y));
            points.chain(line.band.iter().flat_map(|&(low, high)| [(None, low), (None, high)])).collect()
        };
        let places = (lines.iter().map(|line| (&line.name, of_line(line))))
            .chain(references.iter().map(|reference| (&reference.name, vec![(reference.at, reference.value)])));
        for (name, places) in places {
            if places.iter().any(|&(x, y)| !(x.is_none_or(f64::is_finite) && y.is_finite())) {
                return Ok((0, Some(name)));
            }
            if places.iter().any(|&(x, y)| across && x.is_some_and(|x| x <= 0.0) || up && y <= 0.0) {
                return Err(FigureError::NotPositive(name.clone()));
            }
        }
        Ok((lines.iter().map(|line| line.points.len()).sum(), None))
    }
}

/// How many values there are, and the name of the row that has one that is not finite.
fn check_matrix<'a>(
    rows: &'a [String],
    columns: &[String],
    values: &[Vec<Option<f64>>],
    marked: &[(usize, usize)],
) -> Result<(usize, Option<&'a String>), FigureError> {
    let uneven = |place: &str, expected, found| Err(FigureError::Uneven { place: place.to_owned(), expected, found });
    if values.len() != rows.len() {
        return uneven("rows", rows.len(), values.len());
    }
    if let Some((name, values)) = rows.iter().zip(values).find(|(_, values)| values.len() != columns.len()) {
        return uneven(name, columns.len(), values.len());
    }
    if let Some(&(row, column)) = marked.iter().find(|&&(row, column)| row >= rows.len() || column >= columns.len()) {
        return Err(FigureError::UnknownPoint(format!("row {row}, column {column}")));
    }
    let finite = |values: &Vec<Option<f64>>| values.iter().flatten().all(|value| value.is_finite());
    let at_fault = rows.iter().zip(values).find(|(_, values)| !finite(values)).map(|(name, _)| name);
    Ok((values.iter().flatten().flatten().count(), at_fault))
}

impl Axis {
    /// The quantity with its unit in brackets.
    #[must_use]
    pub fn heading(&self) -> String {
        self.unit.as_ref().map_or_else(|| self.label.clone(), |unit| format!("{} ({unit})", self.label))
    }

    /// `value` with the axis's decimals and a true minus sign.
    #[must_use]
    pub fn format(&self, value: f64) -> String {
        text::number(value, self.decimals)
    }
}
