//! How good the network is in figures, split by split, and what of that it owes to lesions that it has met before.

use std::sync::Arc;

use super::{
    super::words::{Sentence, Voice, fixed},
    beside::Beside,
    splits::{Part, range},
};
use crate::{
    data::Split,
    error::{AppError, AppResult},
    jobs::{Asked, Judgement, Lesions},
    metrics::Interval,
    store::Run,
    web::AppState,
};

/// The table.
pub struct Figures {
    /// Whose figures stand beside each other.
    pub columns: Vec<Column>,
    /// The figures.
    pub rows: Vec<Row>,
    /// What there is to say of it.
    pub notes: Vec<String>,
}

/// One column.
pub struct Column {
    /// Of its heading.
    pub key: &'static str,
    /// The run whose figures they are, where it is another than the page's.
    pub run: Option<String>,
    /// How many images.
    pub images: usize,
}

/// One row.
pub struct Row {
    /// Of its name.
    pub key: &'static str,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// One figure.
pub struct Cell {
    /// As it is written.
    pub value: String,
    /// What holds it in 95% of resamples; empty where that is not known.
    pub range: String,
}

/// The label of melanoma, in every data set of lesions.
const MELANOMA: usize = 4;

/// A figure of a judgement, and what it would vary by.
type Measure = fn(&Judgement) -> (Option<f64>, Option<Interval>);

/// In the order of the table.
const MEASURES: [(&str, Measure); 12] = [
    ("fashion-accuracy", |judged| (Some(judged.evaluation.accuracy), judged.intervals.accuracy)),
    ("skin-constant-accuracy", |judged| (Some(most_frequent(judged)), None)),
    ("skin-balanced-accuracy", |judged| (Some(judged.evaluation.balanced_accuracy), judged.intervals.balanced_accuracy)),
    ("fashion-macro-f1", |judged| (Some(judged.evaluation.macro_scores.f1), judged.intervals.macro_f1)),
    ("skin-macro-auc", |judged| {
        // What was learned from is no sample of anything: its intervals would cost a second, and say nothing.
        let interval = if judged.split == Split::Train { None } else { judged.macro_auc() };
        (judged.evaluation.auc.macro_mean, interval)
    }),
    ("skin-melanoma-recall", |judged| {
        let recall = judged.evaluation.per_class.get(MELANOMA).map(|class| class.recall);
        (recall, judged.intervals.recall.get(MELANOMA).copied().flatten())
    }),
    ("skin-macro-precision", |judged| (Some(judged.evaluation.average_precision.macro_mean), None)),
    ("fashion-kappa", |judged| (Some(judged.evaluation.cohen_kappa), None)),
    ("skin-matthews", |judged| (Some(judged.evaluation.matthews), None)),
    ("fashion-log-loss", |judged| (Some(judged.evaluation.log_loss), None)),
    ("skin-brier", |judged| (Some(judged.evaluation.brier), None)),
    ("fashion-calibration-error", |judged| (Some(judged.evaluation.calibration.expected_error), None)),
];

/// The share of the images that are of the most frequent class: what a constant answer scores.
fn most_frequent(judged: &Judgement) -> f64 {
    let most = judged.evaluation.per_class.iter().map(|class| class.support).max().unwrap_or_default();
    most as f64 / judged.predictions.len() as f64
}

impl Figures {
    /// Of the network of `run` on `parts`, on the test images whose lesion it has not met, and of its like that learned on a split by lesion.
    ///
    /// # Errors
    /// What no sentence on the page can say.
    pub fn new(app: &AppState, voice: Voice, run: &Run, beside: &Beside, parts: &[Part]) -> AppResult<Self> {
        let mut notes = Vec::new();
        let mut judged: Vec<(&'static str, Option<String>, Arc<Judgement>)> = Vec::new();
        for part in parts {
            let key = match part.split {
                Split::Train => "datasets-split-train",
                Split::Validation => "datasets-split-validation",
                Split::Test => "datasets-split-test",
            };
            judged.extend(part.judged().map(|found| (key, None, Arc::clone(&found.judgement))));
        }
        let unseen = Asked { lesions: Lesions::Unseen, ..Asked::of(Split::Test) };
        match app.judge.judge_as(&run.id, &unseen) {
            Ok(found) => judged.push(("skin-unseen", None, found)),
            Err(AppError::Invalid { reason, .. } | AppError::Unavailable(reason) | AppError::Conflict(reason)) => {
                notes.push(format!("{} {}", voice.say("skin-unseen-unknown"), voice.0.retell_plainly(&reason)));
            }
            Err(other) => return Err(other),
        }
        if let Some(other) = beside.grouped_like(run) {
            match app.judge.judge(&other.id, Split::Test) {
                Ok(found) => judged.push(("skin-by-lesion", Some(other.id.clone()), found)),
                Err(AppError::Unavailable(_) | AppError::Conflict(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        notes.extend(leak(voice, &judged));
        let by_lesion = judged.iter().any(|(_, _, judgement)| judgement.resampled_by() == "lesion");
        notes.push(voice.say(if by_lesion { "skin-intervals-by-lesion" } else { "skin-intervals-by-image" }));
        let cell = |(value, interval): (Option<f64>, Option<Interval>)| Cell {
            value: value.map(|value| fixed(value, 3)).unwrap_or_default(),
            range: range(interval),
        };
        let row = |&(key, measure): &(&'static str, Measure)| Row {
            key,
            cells: judged.iter().map(|(_, _, judgement)| cell(measure(judgement))).collect(),
        };
        let rows = MEASURES.iter().map(row).collect();
        let columns = judged.into_iter().map(|(key, run, judgement)| Column { key, run, images: judgement.predictions.len() }).collect();
        Ok(Self { columns, rows, notes })
    }
}

/// How much worse the network is on lesions that it has not met, in words.
fn leak(voice: Voice, judged: &[(&'static str, Option<String>, Arc<Judgement>)]) -> Option<String> {
    let of = |wanted: &str| judged.iter().find(|(key, ..)| *key == wanted).map(|(_, _, judgement)| judgement);
    let (all, unseen) = (of("datasets-split-test")?, of("skin-unseen")?);
    let seen = all.predictions.len() - unseen.predictions.len();
    if seen == 0 {
        return None;
    }
    let sentence = Sentence::new("skin-leak")
        .number("seen", seen)
        .number("all", all.predictions.len())
        .measure("accuracy", all.evaluation.accuracy, 3)
        .measure("unseen", unseen.evaluation.accuracy, 3)
        .measure("constant", most_frequent(all), 3)
        .measure("newconstant", most_frequent(unseen), 3);
    Some(voice.sentence(&sentence))
}
