//! What a run's classifier said of a split, kept in the run's folder.

use std::{collections::HashMap, path::Path};

use super::kept::Kept;
use crate::{data::Split, error::AppResult, metrics::Predictions};

/// What the file is called in the run's folder.
#[must_use]
pub fn name(split: Split) -> String {
    format!("predictions-{}.safetensors", split.name())
}

/// The array's name in it.
const ARRAY: &str = "probabilities";

/// Keeps `predictions` of the network with these final weights: arrays `labels` (u8, `[n]`) and `probabilities` (f32, `[n, classes]`).
///
/// # Errors
/// What the disk says.
pub fn write(folder: &Path, split: Split, weights: &str, predictions: &Predictions) -> AppResult<()> {
    let (labels, values) = (predictions.labels().to_vec(), predictions.probabilities().to_vec());
    let kept = Kept { labels, values, columns: predictions.classes(), notes: HashMap::new() };
    kept.write(&folder.join(name(split)), ARRAY, weights)
}

/// What was kept of the network with these final weights; `None` where there is nothing, or it is another network's, or damaged.
#[must_use]
pub fn read(folder: &Path, split: Split, weights: &str) -> Option<Predictions> {
    let path = folder.join(name(split));
    let kept = Kept::read(&path, ARRAY, weights)?;
    let predictions = Predictions::new(kept.labels, kept.values, kept.columns);
    predictions.map_err(|reason| tracing::warn!("{} is computed again: {reason}", path.display())).ok()
}
