//! Which examples a run's splits are of its data set's own.

use crate::{
    data::{Dataset, Datasets, Split},
    error::{AppError, AppResult},
    store::Run,
    train::Part,
};

use super::embeddings::embeds;

/// The examples of `split` as the run had them. Where the data set has no validation split, it is the end of the training split that the run
/// did not learn from.
///
/// # Errors
/// [`AppError::NotFound`] when it learned from all; [`AppError::Unavailable`] when the data set is not here, with what brings it.
pub(super) fn part_of(datasets: &Datasets, run: &Run, dataset: &'static Dataset, split: Split) -> AppResult<Part> {
    if split == Split::Test {
        return Ok(Part::whole(datasets.examples(dataset, Split::Test)?));
    }
    let (train, validation) = Part::training(datasets, dataset, kept_back(run))?;
    let part = if split == Split::Train { train } else { validation };
    if part.is_empty() {
        return Err(AppError::not_found(format!("The run {} kept no examples for validation.", run.id)));
    }
    Ok(part)
}

/// How many examples that are, without a look at them.
pub(super) fn count_of(run: &Run, dataset: &Dataset, split: Split) -> usize {
    if split == Split::Test || dataset.has(Split::Validation) {
        return dataset.count(split);
    }
    let (all, train) = (dataset.count(Split::Train), learned_from(run, dataset));
    if split == Split::Train { train } else { all - train }
}

/// Where the first of them is in the data set's own split.
pub(super) fn first_of(run: &Run, dataset: &Dataset, split: Split) -> usize {
    if split == Split::Validation && !dataset.has(Split::Validation) { learned_from(run, dataset) } else { 0 }
}

/// How many examples of a training split whose end is kept back come before that.
fn learned_from(run: &Run, dataset: &Dataset) -> usize {
    Part::cut(dataset.count(Split::Train), kept_back(run))
}

/// Share of the training split that the run did not learn from. What `validation_share` of a network that embeds keeps back are triplets.
fn kept_back(run: &Run) -> f64 {
    let key = if embeds(run) { "held_out" } else { "validation_share" };
    run.config.get(key).and_then(serde_json::Value::as_f64).unwrap_or_default()
}
