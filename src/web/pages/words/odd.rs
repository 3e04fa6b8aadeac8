//! Section 4: the odd one out, and what is nearest to the centroid.

use super::{
    input::{self, Fault},
    query::{DEFAULT_K, State},
    sentence::Sentence,
};
use crate::words::{
    VectorSet,
    analogy::{self, Method},
    report::Similar,
};

/// The section's results.
#[derive(Debug, Default)]
pub struct Odd {
    /// Each word with its similarity to the centroid, most similar first; the last is the odd one out.
    pub words: Vec<Similar>,
    /// The words nearest to the centroid, the given ones left out.
    pub centroid: Vec<Similar>,
    /// What the lists say.
    pub reading: Vec<Sentence>,
    /// What was typed and can't be used.
    pub faults: Vec<Fault>,
}

/// Compares the words that `state` asks for.
pub fn compute(set: &VectorSet, state: &State) -> Odd {
    let mut faults = Vec::new();
    let words = input::list(&state.text("odd")).unwrap_or_else(|kind| {
        faults.push(Fault { field: "odd", kind });
        Vec::new()
    });
    let mut indices = Vec::new();
    for word in &words {
        match input::find_or_fault(set, word) {
            Ok(index) if indices.contains(&index) => {}
            Ok(index) => indices.push(index),
            // What stands in the form unasked is no fault of the reader's.
            Err(_) if state.given("odd").is_none() => {}
            Err(kind) => faults.push(Fault { field: "odd", kind }),
        }
    }
    if indices.len() < 3 {
        let reading = if faults.is_empty() { vec![Sentence::new("words-odd-few")] } else { Vec::new() };
        return Odd { reading, faults, ..Odd::default() };
    }
    let mut ranked = super::comparison::named(set, &analogy::odd_one_out(set, &indices));
    ranked.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    let centroid = super::comparison::named(set, &analogy::solve(set, &indices, &[], DEFAULT_K, Method::Add));
    Odd { reading: read(&ranked, &centroid), words: ranked, centroid, faults }
}

fn read(ranked: &[Similar], centroid: &[Similar]) -> Vec<Sentence> {
    let [.., second, odd] = ranked else { return Vec::new() };
    let Some(nearest) = centroid.first() else { return Vec::new() };
    vec![
        Sentence::new("words-odd-reading")
            .text("odd", &odd.word)
            .measure("least", odd.similarity, 2)
            .measure("next", second.similarity, 2)
            .text("second", &second.word)
            .text("nearest", &nearest.word),
    ]
}
