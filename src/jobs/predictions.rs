//! What a run's classifier said of a split, kept in the run's folder.

use std::path::Path;

use super::kept::Kept;
use crate::{data::Split, error::AppResult, metrics::Predictions};

/// What the file is called in the run's folder.
#[must_use]
pub fn name(split: Split) -> String {
    format!("predictions-{}.safetensors", split.name())
}

/// The array's name in it.
const ARRAY: &str = "probabilities";

/// Keeps `predictions` of the network with these final weights: arrays `labels` (u8, `[n]`), `probabilities` (f32, `[n, classes]`) and, where it is
/// known which images show one and the same thing, `groups` (u32, `[n]`).
///
/// # Errors
/// What the disk says.
pub fn write(folder: &Path, split: Split, weights: &str, predictions: &Predictions, groups: Option<&[u32]>) -> AppResult<()> {
    let (labels, values) = (predictions.labels().to_vec(), predictions.probabilities().to_vec());
    let kept = Kept { labels, values, columns: predictions.classes(), groups: groups.map(<[u32]>::to_vec), ..Kept::default() };
    kept.write(&folder.join(name(split)), ARRAY, weights)
}

/// What was kept of the network with these final weights, and the groups, where they were known then; `None` where there is nothing, or it is
/// another network's, or damaged.
#[must_use]
pub fn read(folder: &Path, split: Split, weights: &str) -> Option<(Predictions, Option<Vec<u32>>)> {
    let path = folder.join(name(split));
    let kept = Kept::read(&path, ARRAY, weights)?;
    let predictions = Predictions::new(kept.labels, kept.values, kept.columns);
    let predictions = predictions.map_err(|reason| tracing::warn!("{} is computed again: {reason}", path.display())).ok()?;
    Some((predictions, kept.groups))
}
