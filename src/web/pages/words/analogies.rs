//! Section 3: analogies, both ways round.

use super::{
    comparison::{Comparison, named},
    input::{self, Fault, FaultKind},
    query::{DEFAULT_K, State},
    sentence::Sentence,
};
use crate::words::{
    VectorSet,
    analogy::{self, Method},
    report::{Similar, report},
};

/// The section's results.
#[derive(Debug, Default)]
pub struct Analogies {
    /// One question per triple, in the order asked.
    pub questions: Vec<Question>,
    /// How the words are combined.
    pub method: Method,
    /// What the answers say together.
    pub reading: Vec<Sentence>,
    /// What was typed and can't be used.
    pub faults: Vec<Fault>,
}

/// A triple (w1, w2, w3).
#[derive(Debug)]
pub struct Question {
    /// w1, w2, w3.
    pub words: [String; 3],
    /// w1 + w2 - w3.
    pub first: Direction,
    /// w1 + w3 - w2.
    pub second: Direction,
    /// The words that the set lacks.
    pub missing: Vec<String>,
}

/// One way round.
#[derive(Debug)]
pub struct Direction {
    /// Ours beside the report's.
    pub comparison: Comparison,
    /// How the first answer compares with the report's.
    pub reading: Option<Sentence>,
}

/// Solves the triples that `state` asks for.
pub fn compute(set: &VectorSet, state: &State) -> Analogies {
    let mut faults = Vec::new();
    let mut keep = |field, kind| faults.push(Fault { field, kind });
    let method = match state.text("combine").trim() {
        "add" => Method::Add,
        "mul" => Method::Mul,
        _ => {
            keep("combine", FaultKind::Choice { choices: "add, mul" });
            Method::Add
        }
    };
    let k = input::number(&state.text("answers"), 1..=1000, "words-error-k").unwrap_or_else(|kind| {
        keep("answers", kind);
        DEFAULT_K as u64
    }) as usize;
    let triples = input::tuples::<3>(&state.text("triples"), "words-error-triple").unwrap_or_else(|kind| {
        keep("triples", kind);
        Vec::new()
    });
    let mut questions = Vec::new();
    for words in triples {
        let of_report = report().analogies.iter().find(|analogy| analogy.words == words);
        let found = words.each_ref().map(|word| input::find_or_fault(set, word));
        let missing: Vec<String> = words.iter().zip(&found).filter(|(_, found)| found.is_err()).map(|(word, _)| word.clone()).collect();
        if of_report.is_none() && !missing.is_empty() {
            found.into_iter().filter_map(Result::err).for_each(|kind| keep("triples", kind));
            continue;
        }
        let solve = |positive: [usize; 2], negative: usize| named(set, &analogy::solve(set, &positive, &[negative], k, method));
        let (first, second) = match found {
            [Ok(w1), Ok(w2), Ok(w3)] => (Some(solve([w1, w2], w3)), Some(solve([w1, w3], w2))),
            _ => (None, None),
        };
        questions.push(Question {
            first: direction(set, first, of_report.map(|analogy| analogy.first.as_slice()), k),
            second: direction(set, second, of_report.map(|analogy| analogy.second.as_slice()), k),
            words,
            missing,
        });
    }
    Analogies { reading: read(&questions), questions, method, faults }
}

fn direction(set: &VectorSet, ours: Option<Vec<Similar>>, report: Option<&'static [Similar]>, k: usize) -> Direction {
    let comparison = Comparison { ours, report };
    let reading = comparison.first().map(|answer| {
        let Some(wanted) = report.and_then(|list| list.first()).map(|wanted| wanted.word.as_str()) else {
            return Sentence::new("words-analogies-own").text("answer", &answer.word);
        };
        let place = comparison.ours.iter().flatten().position(|answer| answer.word == wanted);
        match place {
            Some(0) => Sentence::new("words-analogies-top"),
            Some(index) => Sentence::new("words-analogies-elsewhere").count("rank", index + 1),
            None if input::find(set, wanted).is_some() => Sentence::new("words-analogies-beyond").count("k", k),
            None => Sentence::new("words-analogies-lacking"),
        }
        .text("answer", &answer.word)
        .text("wanted", wanted)
    });
    Direction { comparison, reading }
}

fn read(questions: &[Question]) -> Vec<Sentence> {
    let compared: Vec<bool> = questions
        .iter()
        .flat_map(|question| [&question.first, &question.second])
        .filter_map(|direction| Some(direction.comparison.first()?.word == direction.comparison.report?.first()?.word))
        .collect();
    if questions.iter().all(|question| question.first.comparison.report.is_none()) {
        return Vec::new();
    }
    let same = compared.iter().filter(|same| **same).count();
    vec![Sentence::new("words-analogies-reading").count("asked", compared.len()).count("same", same)]
}
