//! The faces without a drawing: a table, CSV, JSON.

use super::{Axis, Content, Figure, FigureError, Line, graph};

/// Beyond so many columns a matrix is listed cell by cell.
const MOST_COLUMNS: usize = 16;

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
            Content::Lines { lines, references } => {
                let banded = lines.iter().any(|line| !line.band.is_empty());
                let mut header = vec![headings.group.clone(), across.heading(), up.heading()];
                header.extend(banded.then(|| [headings.low.clone(), headings.high.clone()]).into_iter().flatten());
                let row = |name: &str, x: Option<f64>, y: f64, band: Option<(f64, f64)>| {
                    let x = x.map(|x| across.format(x)).unwrap_or_default();
                    let mut row = vec![Cell::word(name), Cell::number(x), Cell::number(up.format(y))];
                    if banded {
                        let end = |value: Option<f64>| Cell::number(value.map(|value| up.format(value)).unwrap_or_default());
                        row.extend([end(band.map(|band| band.0)), end(band.map(|band| band.1))]);
                    }
                    row
                };
                let points = lines.iter().flat_map(each_point).map(|(line, (x, y), band)| row(&line.name, Some(x), y, band));
                let references = references.iter().map(|reference| row(&reference.name, reference.at, reference.value, None));
                Table { header, rows: points.chain(references).collect() }
            }
            Content::Matrix { rows, columns, values, value, .. } => {
                let cell = |at: &Option<f64>| Cell::number(at.map(|at| value.format(at)).unwrap_or_default());
                let corner = if up.label.is_empty() { headings.item.clone() } else { up.heading() };
                if columns.len() > MOST_COLUMNS {
                    let header = vec![corner, across.heading(), value.heading()];
                    let of_row = |(name, values): (&String, &Vec<Option<f64>>)| -> Vec<Vec<Cell>> {
                        let pairs = columns.iter().zip(values);
                        pairs.map(|(column, at)| vec![Cell::word(name), Cell::word(column), cell(at)]).collect()
                    };
                    return Table { header, rows: rows.iter().zip(values).flat_map(of_row).collect() };
                }
                let header = std::iter::once(corner).chain(columns.iter().map(|column| named(across, column))).collect();
                let row = |(name, values): (&String, &Vec<Option<f64>>)| {
                    std::iter::once(Cell::word(name)).chain(values.iter().map(cell)).collect()
                };
                Table { header, rows: rows.iter().zip(values).map(row).collect() }
            }
            Content::Parallel { coordinates, paths, value, .. } => {
                let names = coordinates.iter().map(|coordinate| coordinate.name.clone());
                let header = std::iter::once(headings.item.clone()).chain(names).chain([value.heading()]).collect();
                let row = |path: &super::Path| {
                    let settings =
                        path.settings.iter().map(|setting| Cell { text: setting.clone(), number: setting.parse::<f64>().is_ok() });
                    std::iter::once(Cell::word(&path.name)).chain(settings).chain([Cell::number(value.format(path.value))]).collect()
                };
                Table { header, rows: paths.iter().map(row).collect() }
            }
            Content::Graph { nodes, flows } => graph::table(self, nodes, flows),
            Content::Spans { spans } => {
                let header = vec![headings.item.clone(), headings.group.clone(), headings.low.clone(), headings.high.clone()];
                let row = |span: &super::Span| {
                    vec![
                        Cell::word(&span.label),
                        Cell::word(&span.group),
                        Cell::number(across.format(span.start)),
                        Cell::number(across.format(span.end)),
                    ]
                };
                Table { header, rows: spans.iter().map(row).collect() }
            }
        }
    }

    /// The numbers with all their digits, as RFC 4180 has it; columns have fixed English names for programs:
    /// `group,label,x,y`, `group,label,value,reference,note`, `series,x,y` (with `low,high` where there are bands; a reference is a series
    /// of one point, without `x` where it stands across), `row,column,value`, `item,coordinate,setting,value`, `item,group,start,end`
    /// or `module,kind,output,parameters,from`.
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
            Content::Lines { lines, references } => {
                let columns = if lines.iter().any(|line| !line.band.is_empty()) { 5 } else { 3 };
                write(["series", "x", "y", "low", "high"], columns);
                for (line, (x, y), band) in lines.iter().flat_map(each_point) {
                    let [low, high] = [band.map(|band| band.0), band.map(|band| band.1)].map(written);
                    write([&line.name, &x.to_string(), &y.to_string(), &low, &high], columns);
                }
                for reference in references {
                    write([&reference.name, &written(reference.at), &reference.value.to_string(), "", ""], columns);
                }
            }
            Content::Matrix { rows, columns, values, .. } => {
                write(["row", "column", "value", "", ""], 3);
                for (row, values) in rows.iter().zip(values) {
                    columns.iter().zip(values).for_each(|(column, value)| write([row, column, &written(*value), "", ""], 3));
                }
            }
            Content::Parallel { coordinates, paths, .. } => {
                write(["item", "coordinate", "setting", "value", ""], 4);
                for path in paths {
                    for (coordinate, setting) in coordinates.iter().zip(&path.settings) {
                        write([&path.name, &coordinate.name, setting, &path.value.to_string(), ""], 4);
                    }
                }
            }
            Content::Graph { nodes, flows } => {
                write(["module", "kind", "output", "parameters", "from"], 5);
                graph::records(nodes, flows).iter().for_each(|record| write(record.each_ref().map(String::as_str), 5));
            }
            Content::Spans { spans } => {
                write(["item", "group", "start", "end", ""], 4);
                for span in spans {
                    write([&span.label, &span.group, &span.start.to_string(), &span.end.to_string(), ""], 4);
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

/// Each point of a line with its band.
fn each_point(line: &Line) -> impl Iterator<Item = (&Line, (f64, f64), Option<(f64, f64)>)> {
    line.points.iter().enumerate().map(move |(index, &point)| (line, point, line.band.get(index).copied()))
}

/// All digits; nothing for what is not there.
fn written(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The heading of a column of a matrix: what columns stand for, and its name.
fn named(axis: &Axis, column: &str) -> String {
    if axis.label.is_empty() { column.to_owned() } else { format!("{} {column}", axis.label) }
}
