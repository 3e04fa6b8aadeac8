//! Section 7: what the set gets right of the analogy questions, by section.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::{
    query::State,
    sentence::{Argument, Sentence},
};
use crate::{
    error::{AppError, AppResult},
    web::AppState,
    words::{
        Evaluations, VectorSet,
        evaluate::{Evaluation, SectionScore},
    },
};

/// The section's results.
#[derive(Debug, Default)]
pub struct Accuracy {
    /// By their limit, smallest first; empty while nothing is known.
    pub evaluations: Vec<Arc<Evaluation>>,
    /// Where they come from, or why there are none.
    pub origin: Origin,
    /// What they say.
    pub reading: Vec<Sentence>,
}

/// Where evaluations come from, or why there are none.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Computed by this server from the questions.
    Computed,
    /// Shipped with the set.
    Stored,
    /// They can be computed when asked for.
    #[default]
    Offered,
    /// They are being computed.
    Computing,
    /// The questions are not here.
    Absent,
}

/// Accuracy is given among so many of the most frequent words, and among all.
pub const FREQUENT: usize = 20_000;
/// A page waits so long for an evaluation before it says that it is being computed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known at once; with `evaluate` in the address, what can be computed in a few seconds.
pub fn compute(app: &AppState, set: &Arc<VectorSet>, state: &State) -> Accuracy {
    let mut found = known(app, set);
    if found.origin == Origin::Offered && state.given("evaluate").is_some() {
        let (sender, answer) = mpsc::channel();
        let (app, set) = (app.clone(), Arc::clone(set));
        // A thread of its own: it goes on when the page no longer waits, and the next page finds what it computed.
        std::thread::spawn(move || drop(sender.send(evaluate(&app, &set))));
        found = match answer.recv_timeout(PATIENCE) {
            Ok(Ok(evaluations)) => Accuracy { evaluations, origin: Origin::Computed, reading: Vec::new() },
            Ok(Err(AppError::Unavailable(_))) => Accuracy { origin: Origin::Absent, ..found },
            Ok(Err(_)) | Err(_) => Accuracy { origin: Origin::Computing, ..found },
        };
    }
    found.reading = read(&found.evaluations);
    found
}

/// As [`compute`], for a file: it waits as long as it takes.
///
/// # Errors
/// When the questions are not here, too many evaluations wait, or nothing is known and `evaluate` is not in the address.
pub fn compute_all(app: &AppState, set: &Arc<VectorSet>, state: &State) -> AppResult<Accuracy> {
    let mut found = known(app, set);
    if found.evaluations.is_empty() {
        if state.given("evaluate").is_none() && found.origin == Origin::Offered {
            return Err(AppError::Unavailable("This set has not been evaluated; with evaluate=1 in the address it is.".to_owned()));
        }
        found = Accuracy { evaluations: evaluate(app, set)?, origin: Origin::Computed, reading: Vec::new() };
    }
    found.reading = read(&found.evaluations);
    Ok(found)
}

/// The limits at which a set is evaluated, smallest first.
fn limits(set: &VectorSet) -> Vec<usize> {
    if set.len() > FREQUENT { vec![FREQUENT, set.len()] } else { vec![set.len()] }
}

fn known(app: &AppState, set: &Arc<VectorSet>) -> Accuracy {
    let all = |find: &dyn Fn(usize) -> Option<Arc<Evaluation>>| limits(set).into_iter().map(find).collect::<Option<Vec<_>>>();
    if let Some(evaluations) = all(&|limit| app.evaluations.known(set, limit)) {
        return Accuracy { evaluations, origin: Origin::Computed, reading: Vec::new() };
    }
    if let Some(evaluations) = all(&|limit| Evaluations::stored(set, limit).map(Arc::new)) {
        return Accuracy { evaluations, origin: Origin::Stored, reading: Vec::new() };
    }
    Accuracy { origin: if app.evaluations.questions().is_ok() { Origin::Offered } else { Origin::Absent }, ..Accuracy::default() }
}

fn evaluate(app: &AppState, set: &Arc<VectorSet>) -> AppResult<Vec<Arc<Evaluation>>> {
    limits(set).into_iter().map(|limit| app.evaluations.get_or_compute(set, limit)).collect()
}

fn read(evaluations: &[Arc<Evaluation>]) -> Vec<Sentence> {
    evaluations.iter().filter_map(|evaluation| read_one(evaluation, evaluations.len() > 1)).collect()
}

/// `among` says among how many words, where there is more than one evaluation.
fn read_one(evaluation: &Evaluation, among: bool) -> Option<Sentence> {
    let total = &evaluation.total;
    let scored = || evaluation.sections.iter().filter_map(|section| Some((section, section.accuracy?)));
    let (best, best_accuracy) = scored().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (worst, worst_accuracy) = scored().min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(
        Sentence::new(if among { "words-accuracy-reading-among" } else { "words-accuracy-reading" })
            .number("words", evaluation.limit)
            .number("correct", total.correct)
            .number("covered", total.covered)
            .share("accuracy", total.accuracy?)
            .share("coverage", coverage(total))
            .say("best", name(&best.name))
            .share("best-accuracy", best_accuracy)
            .say("worst", name(&worst.name))
            .share("worst-accuracy", worst_accuracy),
    )
}

/// Share of the questions that count.
pub fn coverage(score: &SectionScore) -> f64 {
    if score.questions == 0 { 0.0 } else { score.covered as f64 / score.questions as f64 }
}

/// What a section of the questions is called: the published ones have a name in each language, others that of their file.
pub fn name(section: &str) -> Argument {
    if PUBLISHED.contains(&section) { Argument::Key(format!("words-questions-{section}")) } else { Argument::Text(section.to_owned()) }
}

/// The sections of the questions that come with the reference `GloVe`.
const PUBLISHED: [&str; 14] = [
    "capital-common-countries",
    "capital-world",
    "city-in-state",
    "currency",
    "family",
    "gram1-adjective-to-adverb",
    "gram2-opposite",
    "gram3-comparative",
    "gram4-superlative",
    "gram5-present-participle",
    "gram6-nationality-adjective",
    "gram7-past-tense",
    "gram8-plural",
    "gram9-plural-verbs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_section_has_a_name() {
        for section in PUBLISHED {
            let Argument::Key(key) = name(section) else { panic!("{section} is said as it is") };
            assert!(include_str!("../../../../locales/en/words.ftl").contains(&format!("\n{key} = ")), "{key}");
        }
        assert_eq!(name("my-own-questions"), Argument::Text("my-own-questions".into()));
    }
}
