//! Section 2: near and far words by cosine distance.

use super::{
    super::networks::Measure,
    comparison::two_decimals,
    input::{self, Fault},
    query::State,
    sentence::Sentence,
};
use crate::words::{VectorSet, analogy, report::report};

/// The section's results.
#[derive(Debug, Default)]
pub struct Distances {
    /// One row per pair, in the order asked.
    pub rows: Vec<Row>,
    /// What the rows say.
    pub reading: Vec<Sentence>,
    /// What was typed and can't be used.
    pub faults: Vec<Fault>,
}

/// Two words and how far apart they lie.
#[derive(Debug)]
pub struct Row {
    /// The pair.
    pub words: [String; 2],
    /// Ours; `None` when a word is not in the set.
    pub distance: Option<f32>,
    /// The report's; `None` when it did not ask this pair.
    pub report: Option<f32>,
    /// The words of the pair that the set lacks.
    pub missing: Vec<String>,
}

/// Measures the pairs that `state` asks for.
pub fn compute(set: &VectorSet, state: &State) -> Distances {
    let mut faults = Vec::new();
    let pairs = input::tuples::<2>(&state.text("pairs"), "words-error-pair").unwrap_or_else(|kind| {
        faults.push(Fault { field: "pairs", kind });
        Vec::new()
    });
    let mut rows = Vec::new();
    for words in pairs {
        let of_report = reported(&words);
        let found = words.each_ref().map(|word| input::find_or_fault(set, word));
        let distance = match found {
            [Ok(a), Ok(b)] => Some(1.0 - analogy::similarity(set, a, b)),
            _ => None,
        };
        let missing: Vec<String> = words.iter().zip(&found).filter(|(_, found)| found.is_err()).map(|(word, _)| word.clone()).collect();
        if of_report.is_none() && !missing.is_empty() {
            faults.extend(found.into_iter().filter_map(Result::err).map(|kind| Fault { field: "pairs", kind }));
            continue;
        }
        rows.push(Row { words, distance, report: of_report, missing });
    }
    Distances { reading: read(set, &rows), rows, faults }
}

/// The report's distances and ours.
pub fn measures(set: &VectorSet) -> Vec<Measure> {
    let pairs = report().distances.iter().flat_map(|pair| [&pair.near, &pair.far].map(|other| (&pair.word, other)));
    pairs
        .map(|(word, other)| {
            let found = (set.index_of(word), set.index_of(&other.word));
            let ours = match found {
                (Some(a), Some(b)) => Some(f64::from(1.0 - analogy::similarity(set, a, b))),
                _ => None,
            };
            let of = Some(format!("{word} – {}", other.word));
            Measure { key: "report-measure-distance", of, report: (two_decimals(other.distance), 2), ours }
        })
        .collect()
}

/// The report's distance of a pair, whichever way round it is asked.
fn reported(words: &[String; 2]) -> Option<f32> {
    let is = |a: &str, b: &str| (words[0] == a && words[1] == b) || (words[0] == b && words[1] == a);
    report()
        .distances
        .iter()
        .find_map(|pair| [&pair.near, &pair.far].into_iter().find(|other| is(&pair.word, &other.word)).map(|other| other.distance))
}

fn read(set: &VectorSet, rows: &[Row]) -> Vec<Sentence> {
    let mut reading = Vec::new();
    let measured = || rows.iter().filter_map(|row| row.distance.map(|distance| (row, distance)));
    match (measured().min_by(|a, b| a.1.total_cmp(&b.1)), measured().max_by(|a, b| a.1.total_cmp(&b.1))) {
        (Some((near, distance)), Some((far, far_distance))) => reading.push(
            Sentence::new("words-distances-reading")
                .count("known", measured().count())
                .text("a", &near.words[0])
                .text("b", &near.words[1])
                .measure("distance", distance, 2)
                .text("c", &far.words[0])
                .text("d", &far.words[1])
                .measure("far", far_distance, 2),
        ),
        _ if !rows.is_empty() => reading.push(Sentence::new("words-none-in-set")),
        _ => {}
    }
    let shown = |word: &str, other: &str| rows.iter().any(|row| row.words[0] == word && row.words[1] == other);
    let distance = |word: &str, other: &str| Some(1.0 - analogy::similarity(set, input::find(set, word)?, input::find(set, other)?));
    let (mut total, mut agree) = (0, 0);
    for pair in &report().distances {
        if !(shown(&pair.word, &pair.near.word) && shown(&pair.word, &pair.far.word)) {
            continue;
        }
        if let (Some(near), Some(far)) = (distance(&pair.word, &pair.near.word), distance(&pair.word, &pair.far.word)) {
            total += 1;
            agree += usize::from(near < far);
        }
    }
    if total > 0 {
        reading.push(Sentence::new("words-distances-agree").count("agree", agree).count("total", total));
    }
    reading
}
