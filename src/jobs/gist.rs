//! How good runs' networks are in a few figures, where many stand beside each other.

use std::sync::Arc;

use super::{judge::Judge, predictions};
use crate::{data::Split, error::AppResult, metrics::Evaluation, store::Run, train::dataset_of};

/// How good a network is on a split, deciding for the most probable class.
#[derive(Debug, Clone, PartialEq)]
pub struct Gist {
    /// The share that is got right.
    pub accuracy: f64,
    /// Mean recall of the classes that have examples.
    pub balanced_accuracy: f64,
    /// Mean F1 of the classes.
    pub macro_f1: f64,
    /// Mean area under the classes' ROC curves; none when no class has one.
    pub macro_auc: Option<f64>,
    /// Recall of each class, in the order of the labels.
    pub recall: Vec<f64>,
}

impl Judge {
    /// How good the network of `run` is on `split`, without intervals: those of many runs at one time would be waited for. Remembered.
    ///
    /// # Errors
    /// As [`Judge::judge`].
    pub fn gist(&self, run: &Run, split: Split) -> AppResult<Arc<Gist>> {
        let weights = run.weights.clone().unwrap_or_default();
        self.gists.get((run.id.clone(), weights.clone(), split), || {
            let dataset = dataset_of(&run.config)?;
            let kept = predictions::read(&self.store.run_folder(&run.id), split, &weights).map(|(predictions, _)| predictions);
            match kept.filter(|kept| kept.classes() == dataset.classes.len()) {
                Some(kept) => Ok(Gist::of(&Evaluation::of(split.name(), &dataset.classes, &kept))),
                None => Ok(Gist::of(&self.judge(&run.id, split)?.evaluation)),
            }
        })
    }
}

impl Gist {
    fn of(evaluation: &Evaluation) -> Self {
        Self {
            accuracy: evaluation.accuracy,
            balanced_accuracy: evaluation.balanced_accuracy,
            macro_f1: evaluation.macro_scores.f1,
            macro_auc: evaluation.auc.macro_mean,
            recall: evaluation.per_class.iter().map(|class| class.recall).collect(),
        }
    }
}
