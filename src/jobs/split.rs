//! Which examples a run's splits are of its data set's own.

use crate::{
    data::{Dataset, Datasets, Split},
    error::{AppError, AppResult},
    store::Run,
    train::Part,
};

use super::embeddings::embeds;

/// The examples of `split` as the run had them: its validation split is the end of the data set's training split that it did not learn from.
///
/// # Errors
/// [`AppError::NotFound`] when it learned from all; [`AppError::Unavailable`] when the data set is not here, with what brings it.
pub(super) fn part_of(datasets: &Datasets, run: &Run, dataset: &'static Dataset, split: Split) -> AppResult<Part> {
    if split == Split::Test {
        let examples = datasets.examples(dataset, Split::Test)?;
        let range = 0..examples.len();
        return Ok(Part { examples, range });
    }
    let (train, validation) = Part::split(&datasets.examples(dataset, Split::Train)?, kept_back(run));
    let part = if split == Split::Train { train } else { validation };
    if part.is_empty() {
        return Err(AppError::not_found(format!("The run {} kept no examples for validation.", run.id)));
    }
    Ok(part)
}

/// How many examples that are, without a look at them.
pub(super) fn count_of(run: &Run, dataset: &Dataset, split: Split) -> usize {
    let train = Part::cut(size(dataset, Split::Train), kept_back(run));
    match split {
        Split::Train => train,
        Split::Validation => size(dataset, Split::Train) - train,
        Split::Test => size(dataset, Split::Test),
    }
}

/// Where the first of them is in the data set's own split.
pub(super) fn first_of(run: &Run, dataset: &Dataset, split: Split) -> usize {
    if split == Split::Validation { Part::cut(size(dataset, Split::Train), kept_back(run)) } else { 0 }
}

fn size(dataset: &Dataset, wanted: Split) -> usize {
    dataset.splits.iter().find(|(split, _)| *split == wanted).map_or(0, |(_, count)| *count)
}

/// Share of the training split that the run did not learn from. What `validation_share` of a network that embeds keeps back are triplets.
fn kept_back(run: &Run) -> f64 {
    let key = if embeds(run) { "held_out" } else { "validation_share" };
    run.config.get(key).and_then(serde_json::Value::as_f64).unwrap_or_default()
}
