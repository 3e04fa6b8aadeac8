//! The faces without a drawing: a table, CSV, JSON.

use super::{Content, Figure, FigureError};

/// The figure's numbers in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// One heading for each column.
    pub header: Vec<String>,
    /// One cell for each heading.
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// As it is to be shown.
    pub text: String,
    /// Whether it is a number: aligned at the end, in tabular numerals, left to right.
    pub number: bool,
}

impl Cell {
    fn word(text: &str) -> Self {
        Self { text: text.to_owned(), number: false }
    }

    fn number(text: String) -> Self {
        Self { text, number: true }
    }
}

impl Figure {
    /// The numbers as a table for a page, with the axes' decimals. Columns that would be empty are left out.
    #[must_use]
    pub fn to_table(&self) -> Table {
        let (headings, across, up) = (&self.headings, &self.horizontal, &self.vertical);
        match &self.content {
            Content::Points { groups, .. } => {
                let grouped = groups.iter().any(|group| !group.name.is_empty());
                let mut header = vec![headings.item.clone(), across.heading(), up.heading()];
                if grouped {
                    header.insert(0, headings.group.clone());
                }
                let points = groups.iter().flat_map(|group| group.points.iter().map(move |point| (group, point)));
                let row = |(group, point): (&super::Group, &super::Point)| {
                    let mut row = vec![Cell::word(&point.label), Cell::number(across.format(point.x)), Cell::number(up.format(point.y))];
                    if grouped {
                        row.insert(0, Cell::word(&group.name));
                    }
                    row
                };
                Table { header, rows: points.map(row).collect() }
            }
            Content::Bars { bars, .. } => {
                let compared = bars.iter().any(|bar| bar.reference.is_some());
                let noted = bars.iter().any(|bar| bar.note.is_some());
                let grouped = bars.iter().any(|bar| bar.group.is_some());
                let item = if up.label.is_empty() { headings.item.clone() } else { up.heading() };
                let mut header = if grouped { vec![headings.group.clone()] } else { Vec::new() };
                header.extend([item, across.heading()]);
                header.extend(compared.then(|| headings.reference.clone()));
                header.extend(noted.then(|| headings.note.clone()));
                let row = |bar: &super::Bar| {
                    let mut row = if grouped { vec![Cell::word(bar.group.as_deref().unwrap_or_default())] } else { Vec::new() };
                    row.extend([Cell::word(&bar.label), Cell::number(across.format(bar.value))]);
                    row.extend(compared.then(|| Cell::number(bar.reference.map(|value| across.format(value)).unwrap_or_default())));
                    row.extend(noted.then(|| Cell::word(bar.note.as_deref().unwrap_or_default())));
                    row
                };
                Table { header, rows: bars.iter().map(row).collect() }
            }
            Content::Lines { lines } => {
                let row = |line: &super::Line, (x, y): (f64, f64)| {
                    vec![Cell::word(&line.name), Cell::number(across.format(x)), Cell::number(up.format(y))]
                };
                let rows = lines.iter().flat_map(|line| line.points.iter().map(move |&point| row(line, point))).collect();
                Table { header: vec![headings.group.clone(), across.heading(), up.heading()], rows }
            }
        }
    }

    /// The numbers with all their digits, as RFC 4180 has it; columns have fixed English names for programs:
    /// `group,label,x,y`, `group,label,value,reference,note` or `series,x,y`.
    ///
    /// # Panics
    /// Never: memory takes every write.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let mut write = |record: [&str; 5], columns: usize| writer.write_record(&record[..columns]).expect("memory takes every write");
        match &self.content {
            Content::Points { groups, .. } => {
                write(["group", "label", "x", "y", ""], 4);
                for (group, point) in groups.iter().flat_map(|group| group.points.iter().map(move |point| (group, point))) {
                    write([&group.name, &point.label, &point.x.to_string(), &point.y.to_string(), ""], 4);
                }
            }
            Content::Bars { bars, .. } => {
                write(["group", "label", "value", "reference", "note"], 5);
                for bar in bars {
                    let reference = bar.reference.map(|value| value.to_string()).unwrap_or_default();
                    let (group, note) = (bar.group.as_deref().unwrap_or_default(), bar.note.as_deref().unwrap_or_default());
                    write([group, &bar.label, &bar.value.to_string(), &reference, note], 5);
                }
            }
            Content::Lines { lines } => {
                write(["series", "x", "y", "", ""], 3);
                for (line, (x, y)) in lines.iter().flat_map(|line| line.points.iter().map(move |point| (line, point))) {
                    write([&line.name, &x.to_string(), &y.to_string(), "", ""], 3);
                }
            }
        }
        String::from_utf8(writer.into_inner().expect("memory takes every write")).expect("csv writes what it was given")
    }

    /// The whole figure as JSON.
    ///
    /// # Errors
    /// [`FigureError::Picture`] should it not be representable; not seen on a figure that passed [`Figure::check`].
    pub fn to_json(&self) -> Result<String, FigureError> {
        serde_json::to_string_pretty(self).map_err(|error| FigureError::Picture(error.to_string()))
    }
}
