//! The numbers of a section as a file: CSV for a spreadsheet, JSON for a program. The same functions compute them as the page.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    accuracy, analogies, bias,
    comparison::{Comparison, two_decimals},
    distances,
    input::{Fault, FaultKind},
    maps, neighbors, odd,
    query::{LISTS, State},
};
use crate::{
    error::{AppError, AppResult},
    web::AppState,
    words::VectorSet,
};

/// Named columns and rows of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Column names.
    pub columns: Vec<&'static str>,
    /// One value per column.
    pub rows: Vec<Vec<Value>>,
}

/// The numbers of the figure called `id`, for the parameters of the page.
///
/// # Errors
/// When there is no such figure or set, or a parameter can't be used: a file has no place to show a fault beside its field.
pub fn sheet(app: &AppState, id: &str, parameters: Vec<(String, String)>) -> AppResult<Sheet> {
    let state = State::new(parameters);
    let set = app.library.get(&super::page::set_of(&app.library, &state))?;
    let (sheet, faults) = compute(app, &set, &state, id)?;
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

fn compute(app: &AppState, set: &Arc<VectorSet>, state: &State, id: &str) -> AppResult<(Sheet, Vec<Fault>)> {
    Ok(match id {
        "neighbors" => {
            let found = neighbors::compute(set, state);
            let rows = found.tables.iter().flat_map(|table| compared(&[json!(table.word)], &table.comparison)).collect();
            (Sheet { columns: vec!["word", "list", "rank", "neighbor", "similarity", "in_both"], rows }, found.faults)
        }
        "distances" => {
            let found = distances::compute(set, state);
            let report = |row: &distances::Row| row.report.map(two_decimals);
            let rows = found
                .rows
                .iter()
                .map(|row| vec![json!(row.words[0]), json!(row.words[1]), json!(row.distance), json!(report(row))])
                .collect();
            (Sheet { columns: vec!["first", "second", "distance", "report"], rows }, found.faults)
        }
        "analogies" => {
            let found = analogies::compute(set, state);
            let mut rows = Vec::new();
            for question in &found.questions {
                let [w1, w2, w3] = &question.words;
                rows.extend(compared(&[json!(format!("{w1} + {w2} - {w3}"))], &question.first.comparison));
                rows.extend(compared(&[json!(format!("{w1} + {w3} - {w2}"))], &question.second.comparison));
            }
            (Sheet { columns: vec!["question", "list", "rank", "answer", "similarity", "in_both"], rows }, found.faults)
        }
        "odd" => {
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
        "map" | "maps" => {
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
        "weat" => {
            let found = bias::compute(set, state)?;
            (Sheet { columns: vec!["measure", "list", "word", "value"], rows: weat(&found) }, found.faults)
        }
        "axis" => {
            let found = bias::compute(set, state)?;
            let rows = found.placed.iter().map(|placed| vec![json!(placed.word), json!(placed.position)]).collect();
            (Sheet { columns: vec!["word", "position"], rows }, found.faults)
        }
        "accuracy" => {
            let found = accuracy::compute_all(app, set, state)?;
            let rows = found.evaluations.iter().flat_map(|evaluation| {
                evaluation.sections.iter().chain([&evaluation.total]).map(|score| {
                    let (questions, covered, correct) = (score.questions, score.covered, score.correct);
                    let coverage = accuracy::coverage(score);
                    vec![
                        json!(evaluation.limit),
                        json!(score.name),
                        json!(questions),
                        json!(covered),
                        json!(coverage),
                        json!(correct),
                        json!(score.accuracy),
                    ]
                })
            });
            let columns = vec!["limit", "section", "questions", "covered", "coverage", "correct", "accuracy"];
            (Sheet { columns, rows: rows.collect() }, Vec::new())
        }
        _ => return Err(AppError::not_found(format!("There is no figure words-{id}."))),
    })
}

/// The test's result, then what it is made of: each target word's association, by the letter of its list.
fn weat(found: &bias::Bias) -> Vec<Vec<Value>> {
    let Some(association) = &found.association else { return Vec::new() };
    let measure = |name: &str, value: Value| vec![json!(name), Value::Null, Value::Null, value];
    let mut rows = vec![
        measure("effect_size", json!(association.effect_size)),
        measure("p_value", json!(association.p_value)),
        measure("permutations", json!(association.permutations)),
        measure("exact", json!(association.exact)),
    ];
    rows.extend(LISTS.iter().zip(association.used).map(|(list, used)| vec![json!("used"), json!(list), Value::Null, json!(used)]));
    for (list, words) in LISTS.iter().zip(&association.targets) {
        rows.extend(words.iter().map(|word| vec![json!("association"), json!(list), json!(word.word), json!(word.association)]));
    }
    rows
}

/// Ours first, then the report's.
fn compared(question: &[Value], comparison: &Comparison) -> Vec<Vec<Value>> {
    let rows = comparison.rows();
    let ours = rows.iter().filter_map(|row| Some(("ours", row.rank, row.ours.as_ref()?)));
    let report = rows.iter().filter_map(|row| Some(("report", row.rank, row.report.as_ref()?)));
    let line = |(list, rank, cell): (&str, usize, &super::comparison::Cell)| {
        let similarity = if list == "report" { json!(two_decimals(cell.similarity)) } else { json!(cell.similarity) };
        [question, &[json!(list), json!(rank), json!(cell.word), similarity, json!(cell.both)]].concat()
    };
    ours.chain(report).map(line).collect()
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
        FaultKind::Both { word } => format!("{word:?} stands in x too; a word belongs to one of the two."),
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
}
