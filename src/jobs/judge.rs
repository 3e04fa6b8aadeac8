//! How good a run's network is on each split, computed once.

use std::sync::Arc;

use super::{
    embeddings::embeds,
    inference::{Inference, Trained},
    predictions,
    remembered::Remembered,
    split::{first_of, part_of},
};
use crate::{
    data::{Dataset, Datasets, Split},
    error::{AppError, AppResult},
    metrics::{Confusion, Evaluation, Interval, Predictions, Resampling},
    store::{Run, Store},
    train::dataset_of,
};

/// Judges runs' networks, and remembers; shared by all who ask.
pub struct Judge {
    store: Store,
    datasets: Datasets,
    inference: Inference,
    known: Remembered<Question, Judgement>,
}

/// Which network, on which split.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    run: String,
    weights: String,
    split: Split,
}

/// How good a network is on one split.
#[derive(Debug)]
pub struct Judgement {
    /// The run as it stood.
    pub run: Run,
    /// The split.
    pub split: Split,
    /// What it was trained on, and is judged by.
    pub dataset: &'static Dataset,
    /// Where its first example is in the data set's own split: a validation split may be the end of the training split.
    pub first: usize,
    /// What the network said.
    pub predictions: Predictions,
    /// How good that is.
    pub evaluation: Evaluation,
    /// 95% of what other samples of as many examples would give.
    pub intervals: Intervals,
}

/// Bootstrap intervals, percentile method, 1,000 resamples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Intervals {
    /// Of the accuracy.
    pub accuracy: Option<Interval>,
    /// Of the balanced accuracy.
    pub balanced_accuracy: Option<Interval>,
    /// Of the macro mean of F1.
    pub macro_f1: Option<Interval>,
}

/// Judgements that are remembered: a few megabytes each, for a training split.
const MOST_KNOWN: usize = 24;

impl Judge {
    /// Computes nothing before it is asked.
    #[must_use]
    pub fn new(store: Store, datasets: Datasets, inference: Inference) -> Self {
        Self { store, datasets, inference, known: Remembered::new(MOST_KNOWN) }
    }

    /// How good the network of the run called `run` is on `split`. The first call has the network say what it thinks of every example, unless
    /// that is kept in the run's folder; who asks for the same meanwhile waits for it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run, or no such split of its data; [`AppError::Conflict`] when the run is not done;
    /// [`AppError::Unavailable`] when the data set is not here and nothing is kept, with what brings it.
    pub fn judge(&self, run: &str, split: Split) -> AppResult<Arc<Judgement>> {
        let run = self.store.run(run)?;
        if embeds(&run) {
            return Err(AppError::Conflict(format!(
                "The network of {} makes embeddings: it tells no classes apart. Ask for its retrieval.",
                run.id
            )));
        }
        let trained = Trained::of(&self.store, &run)?;
        let question = Question { run: run.id.clone(), weights: trained.weights.clone(), split };
        self.known.get(question, || self.compute(run, trained, split))
    }

    /// The network of the run called `run`.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn trained(&self, run: &str) -> AppResult<(Run, Arc<Trained>)> {
        let run = self.store.run(run)?;
        let trained = Arc::new(Trained::of(&self.store, &run)?);
        Ok((run, trained))
    }

    fn compute(&self, run: Run, trained: Trained, split: Split) -> AppResult<Judgement> {
        let dataset = dataset_of(&run.config)?;
        let kept = predictions::read(&trained.folder, split, &trained.weights).filter(|kept| kept.classes() == dataset.classes.len());
        let predictions = if let Some(kept) = kept {
            kept
        } else {
            let part = part_of(&self.datasets, &run, dataset, split)?;
            let labels = part.labels().to_vec();
            let (folder, weights) = (trained.folder.clone(), trained.weights.clone());
            let probabilities = self.inference.part(Arc::new(trained), part.examples, part.range)?;
            let computed =
                Predictions::new(labels, probabilities, dataset.classes.len()).map_err(|error| AppError::Internal(error.into()))?;
            if let Err(error) = predictions::write(&folder, split, &weights, &computed) {
                tracing::warn!(run = run.id, "what its network said can't be kept: {error}"); // and is computed again when it is needed
            }
            computed
        };
        let first = first_of(&run, dataset, split);
        let evaluation = Evaluation::of(split.name(), &dataset.classes, &predictions);
        let intervals = Intervals::of(&predictions);
        Ok(Judgement { run, split, dataset, first, predictions, evaluation, intervals })
    }
}

impl Intervals {
    fn of(predictions: &Predictions) -> Self {
        let [accuracy, balanced_accuracy, macro_f1] = Resampling::of_examples(predictions.len()).intervals(|times| {
            let confusion = Confusion::resampled(predictions.labels(), predictions.predicted(), times, predictions.classes());
            [confusion.accuracy(), confusion.balanced_accuracy(), confusion.macro_scores().f1]
        });
        Self { accuracy, balanced_accuracy, macro_f1 }
    }
}
