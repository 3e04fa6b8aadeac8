//! The numbers of a section as a file: CSV for a spreadsheet, JSON for a program. The same functions compute them as the page.

use serde_json::{Map, Value, json};

use super::{
    analogies,
    comparison::Comparison,
    distances,
    input::{Fault, FaultKind},
    maps, neighbors, odd,
    query::{Section, State},
};
use crate::{
    error::{AppError, AppResult},
    words::{Library, VectorSet},
};

/// Named columns and rows of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Column names.
    pub columns: Vec<&'static str>,
    /// One value per column.
    pub rows: Vec<Vec<Value>>,
}

/// The numbers of the section called `id`, for the parameters of the page.
///
/// # Errors
/// When there is no such section or set, or a parameter can't be used: a file has no place to show a fault beside its field.
pub fn sheet(library: &Library, id: &str, parameters: Vec<(String, String)>) -> AppResult<Sheet> {
    let state = State::new(parameters);
    let set = library.get(&super::page::set_of(library, &state))?;
    let section = if id == "map" { Some(Section::Maps) } else { Section::named(id) };
    let section = section.ok_or_else(|| AppError::not_found(format!("There is no figure words-{id}.")))?;
    let (sheet, faults) = compute(&set, &state, section);
    match faults.into_iter().next() {
        None => Ok(sheet),
        Some(fault) => Err(error(fault)),
    }
}

impl Sheet {
    /// Comma-separated, with a header, as RFC 4180 has it.
    ///
    /// # Errors
    /// Never for numbers and words; the writer's otherwise.
    pub fn csv(&self) -> AppResult<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let internal = |error: csv::Error| AppError::Internal(error.into());
        writer.write_record(&self.columns).map_err(internal)?;
        for row in &self.rows {
            let text = |value: &Value| match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            writer.write_record(row.iter().map(text)).map_err(internal)?;
        }
        writer.into_inner().map_err(|error| AppError::Internal(error.into_error().into()))
    }

    /// A list of objects, one per row.
    pub fn json(&self) -> Value {
        let object = |row: &Vec<Value>| self.columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned()).collect::<Map<_, _>>();
        json!({ "columns": self.columns, "rows": self.rows.iter().map(object).collect::<Vec<_>>() })
    }
}

fn compute(set: &VectorSet, state: &State, section: Section) -> (Sheet, Vec<Fault>) {
    match section {
        Section::Neighbors => {
            let found = neighbors::compute(set, state);
            let rows = found.tables.iter().flat_map(|table| compared(&[json!(table.word)], &table.comparison)).collect();
            (Sheet { columns: vec!["word", "list", "rank", "neighbor", "similarity", "in_both"], rows }, found.faults)
        }
        Section::Distances => {
            let found = distances::compute(set, state);
            let rows = found
                .rows
                .iter()
                .map(|row| vec![json!(row.words[0]), json!(row.words[1]), json!(row.distance), short(row.report)])
                .collect();
            (Sheet { columns: vec!["first", "second", "distance", "report"], rows }, found.faults)
        }
        Section::Analogies => {
            let found = analogies::compute(set, state);
            let mut rows = Vec::new();
            for question in &found.questions {
                let [w1, w2, w3] = &question.words;
                rows.extend(compared(&[json!(format!("{w1} + {w2} - {w3}"))], &question.first.comparison));
                rows.extend(compared(&[json!(format!("{w1} + {w3} - {w2}"))], &question.second.comparison));
            }
            (Sheet { columns: vec!["question", "list", "rank", "answer", "similarity", "in_both"], rows }, found.faults)
        }
        Section::Odd => {
            let found = odd::compute(set, state);
            let lists = [("words", &found.words), ("centroid", &found.centroid)];
            let rows = lists.into_iter().flat_map(|(list, words)| {
                words
                    .iter()
                    .enumerate()
                    .map(move |(place, word)| vec![json!(list), json!(place + 1), json!(word.word), json!(word.similarity)])
            });
            (Sheet { columns: vec!["list", "rank", "word", "similarity"], rows: rows.collect() }, found.faults)
        }
        Section::Maps => {
            let (drawn, faults) = if let Some(id) = state.given("map") {
                let (drawn, faults) = maps::compute_one(set, state, id);
                (drawn.into_iter().collect(), faults)
            } else {
                let found = maps::compute(set, state);
                (found.maps, found.faults)
            };
            let rows = drawn.iter().flat_map(|drawn| {
                drawn.points.iter().map(|point| {
                    vec![json!(drawn.map.id), json!(drawn.map.groups[point.group].id), json!(point.word), json!(point.x), json!(point.y)]
                })
            });
            (Sheet { columns: vec!["map", "group", "word", "x", "y"], rows: rows.collect() }, faults)
        }
    }
}

/// Ours first, then the report's.
fn compared(question: &[Value], comparison: &Comparison) -> Vec<Vec<Value>> {
    let rows = comparison.rows();
    let ours = rows.iter().filter_map(|row| Some(("ours", row.rank, row.ours.as_ref()?)));
    let report = rows.iter().filter_map(|row| Some(("report", row.rank, row.report.as_ref()?)));
    let line = |(list, rank, cell): (&str, usize, &super::comparison::Cell)| {
        let similarity = if list == "report" { short(Some(cell.similarity)) } else { json!(cell.similarity) };
        [question, &[json!(list), json!(rank), json!(cell.word), similarity, json!(cell.both)]].concat()
    };
    ours.chain(report).map(line).collect()
}

/// A figure of the report has two decimals, and no more in any file.
fn short(value: Option<f32>) -> Value {
    value.map_or(Value::Null, |value| json!((f64::from(value) * 100.0).round() / 100.0))
}

/// A fault as an answer to a program.
pub fn error(fault: Fault) -> AppError {
    let reason = match fault.kind {
        FaultKind::Unknown { word, suggestions } => {
            return AppError::NotFound { what: format!("{word:?} is not in this set."), suggestions };
        }
        FaultKind::Number { limit, .. } => format!("expected a number of at most {limit}."),
        FaultKind::Choice { choices } => format!("expected one of {choices}."),
        FaultKind::Form { text, .. } => format!("{text:?} has not as many words as it should."),
        FaultKind::Empty => "expected at least one word.".to_owned(),
        FaultKind::Many { limit, count } => format!("at most {limit} are taken; these are {count}."),
        FaultKind::Long { count } => format!("is too long ({count} characters)."),
        FaultKind::Line { line, .. } => format!("line {line} is neither a group nor an arrow between words of groups."),
    };
    AppError::invalid(fault.field, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_reads_the_same_as_csv_and_json() {
        let sheet = Sheet { columns: vec!["word", "x"], rows: vec![vec![json!("a,b"), json!(0.25)], vec![json!("c"), Value::Null]] };
        assert_eq!(String::from_utf8(sheet.csv().unwrap()).unwrap(), "word,x\n\"a,b\",0.25\nc,\n");
        assert_eq!(sheet.json()["rows"][0], json!({ "word": "a,b", "x": 0.25 }));
    }

    #[test]
    fn a_figure_of_the_report_keeps_its_two_decimals() {
        assert_eq!(short(Some(0.7_f32)).to_string(), "0.7");
        assert_eq!(short(Some(0.54_f32)).to_string(), "0.54");
    }
}
