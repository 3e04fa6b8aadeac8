//! Section 1: the nearest words of the report's five words and of any others.

use super::{
    comparison::{Comparison, named},
    input::{self, Fault},
    query::State,
    sentence::Sentence,
};
use crate::words::{
    VectorSet,
    report::report,
    search::{self, Query},
};

/// The section's results.
#[derive(Debug, Default)]
pub struct Neighbors {
    /// One table per word, in the order asked.
    pub tables: Vec<Table>,
    /// What the tables say.
    pub reading: Vec<Sentence>,
    /// What was typed and can't be used.
    pub faults: Vec<Fault>,
}

/// The neighbours of one word.
#[derive(Debug)]
pub struct Table {
    /// As the set writes it, or as typed.
    pub word: String,
    /// Ours beside the report's.
    pub comparison: Comparison,
}

/// Searches the words that `state` asks for.
pub fn compute(set: &VectorSet, state: &State) -> Neighbors {
    let mut faults = Vec::new();
    let mut keep = |field, kind| faults.push(Fault { field, kind });
    let k = input::number(&state.text("k"), 1..=1000, "words-error-k").unwrap_or_else(|kind| {
        keep("k", kind);
        super::query::DEFAULT_K as u64
    }) as usize;
    let words = input::list(&state.text("words")).unwrap_or_else(|kind| {
        keep("words", kind);
        Vec::new()
    });
    let mut asked: Vec<(String, Option<usize>, Option<&'static crate::words::report::Nearest>)> = Vec::new();
    for word in words {
        let of_report = report().neighbors.iter().find(|nearest| nearest.word == word.to_lowercase());
        match input::find_or_fault(set, &word) {
            Ok(index) => asked.push((set.word(index).to_owned(), Some(index), of_report)),
            Err(_) if of_report.is_some() => asked.push((word, None, of_report)),
            Err(kind) => keep("words", kind),
        }
    }
    let queries: Vec<Query> = asked
        .iter()
        .filter_map(|(_, index, _)| *index)
        .map(|index| Query { vector: set.row(index).to_vec(), exclude: vec![index], k })
        .collect();
    let mut answers = search::nearest(set, &queries).into_iter();
    let tables: Vec<Table> = asked
        .into_iter()
        .map(|(word, index, of_report)| Table {
            word,
            comparison: Comparison {
                ours: index.and_then(|_| answers.next()).map(|found| named(set, &found)),
                report: of_report.map(|nearest| nearest.neighbors.as_slice()),
            },
        })
        .collect();
    Neighbors { reading: read(&tables), tables, faults }
}

fn read(tables: &[Table]) -> Vec<Sentence> {
    let best = tables
        .iter()
        .filter_map(|table| table.comparison.first().map(|first| (table, first)))
        .max_by(|a, b| a.1.similarity.total_cmp(&b.1.similarity));
    let known = tables.iter().filter(|table| table.comparison.ours.is_some()).count();
    let mut reading = Vec::new();
    if let Some((table, first)) = best {
        reading.push(
            Sentence::new("words-neighbors-reading").count("known", known).text("word", &table.word).text("nearest", &first.word).measure(
                "similarity",
                first.similarity,
                2,
            ),
        );
    } else if !tables.is_empty() {
        reading.push(Sentence::new("words-none-in-set"));
    }
    let compared: Vec<(usize, usize)> =
        tables.iter().filter_map(|table| Some((table.comparison.common()?, table.comparison.report?.len()))).collect();
    if !compared.is_empty() {
        reading.push(
            Sentence::new("words-neighbors-common")
                .count("common", compared.iter().map(|pair| pair.0).sum())
                .count("total", compared.iter().map(|pair| pair.1).sum()),
        );
    }
    reading
}
