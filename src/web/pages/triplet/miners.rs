//! Ways to choose triplets beside each other: what each came to, as means over seeds.

use serde_json::{Map, Value};

use super::super::networks::is_of;
use super::beside::{Beside, DATASET, SYSTEM};
use crate::{
    data::Split,
    jobs::{Embedder, Retrieval},
    store::Run,
    train::{configuration, triplets::Batches},
    web::AppState,
};

/// Runs whose networks are measured within one request; each takes seconds.
const MOST_MEASURED: usize = 3;
/// What has a column of its own.
const OWN_COLUMNS: [&str; 4] = ["triplets", "loss", "distance", "normalised"];

/// The table.
pub struct Miners {
    /// One for each configuration, the one that brings labels together best first.
    pub rows: Vec<Miner>,
    /// Runs that were not measured yet.
    pub unmeasured: usize,
    /// Whether the runs are on the drawn digits, since there is none on the real ones.
    pub is_synthetic: bool,
}

/// One configuration.
pub struct Miner {
    /// Every setting.
    pub config: Map<String, Value>,
    /// Its runs, one for each seed.
    pub runs: Vec<Run>,
    /// Images that each run saw, all epochs together.
    pub images: Option<u64>,
    /// Share of the triplets of the last epoch that had a loss.
    pub active: Option<f64>,
    /// Loss on the triplets that validate.
    pub validation_loss: Option<f64>,
    /// Of the test images; `None` while a run is not measured.
    pub retrieval: Option<Measured>,
}

/// Means over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// As in [`Retrieval`].
    pub knn_accuracy: f64,
    /// Among 1, 5 and 10.
    pub recall: [f64; 3],
    /// As in [`Retrieval`].
    pub map_at_r: f64,
    /// As in [`Retrieval`].
    pub silhouette: f64,
}

impl Miners {
    /// Groups the runs of `beside`. `measure`: whether runs that were not measured yet are to be, a few at a time; those on drawn digits always are.
    pub fn new(app: &AppState, beside: &Beside, measure: bool) -> Self {
        let real: Vec<&Run> = beside.runs.iter().filter(|run| is_of(run, DATASET)).collect();
        let is_synthetic = real.is_empty();
        let runs: Vec<&Run> = if is_synthetic { beside.runs.iter().collect() } else { real };
        let mut groups: Vec<Vec<Run>> = Vec::new();
        for run in runs {
            match groups.iter_mut().find(|group| configuration::same(SYSTEM, &group[0].config, &run.config)) {
                Some(group) if group.iter().any(|other| other.seed == run.seed) => {}
                Some(group) => group.push(run.clone()),
                None => groups.push(vec![run.clone()]),
            }
        }
        let mut left = if measure || is_synthetic { MOST_MEASURED } else { 0 };
        let mut unmeasured = 0;
        let mut find = |run: &Run| {
            app.embedder.kept_retrieval(run, Split::Test).or_else(|| {
                let found = left.checked_sub(1).and_then(|rest| {
                    left = rest;
                    app.embedder.retrieval(&run.id, Split::Test).ok()
                });
                unmeasured += usize::from(found.is_none());
                found.map(|found| Retrieval::clone(&found))
            })
        };
        let mut rows: Vec<Miner> = groups.into_iter().map(|runs| Miner::new(runs, &mut find)).collect();
        let quality = |row: &Miner| row.retrieval.map_or(f64::NEG_INFINITY, |found| found.map_at_r);
        rows.sort_by(|one, other| quality(other).total_cmp(&quality(one)));
        Self { rows, unmeasured, is_synthetic }
    }
}

impl Miner {
    fn new(runs: Vec<Run>, find: &mut impl FnMut(&Run) -> Option<Retrieval>) -> Self {
        let last = |name: &str| mean(runs.iter().map(|run| run.best.get(name).map(|best| best.last)));
        let found: Option<Vec<Retrieval>> = runs.iter().map(find).collect();
        Self {
            images: images_seen(&runs[0]),
            active: last("train_active"),
            validation_loss: last("validation_loss"),
            retrieval: found.and_then(|found| Measured::mean(&found)),
            config: runs[0].config.clone(),
            runs,
        }
    }

    /// A setting as it is written.
    pub fn setting(&self, name: &str) -> String {
        match self.config.get(name) {
            Some(Value::String(text)) => text.replace('_', " "),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// Settings that are not the report's and have no column, such as `epochs=20`.
    pub fn others(&self) -> Vec<String> {
        let defaults = configuration::resolve(SYSTEM, &Map::new()).unwrap_or_default();
        let differs = |(name, value): &(&String, &Value)| !OWN_COLUMNS.contains(&name.as_str()) && defaults.get(*name) != Some(value);
        self.config.iter().filter(differs).map(|(name, value)| format!("{name}={value}").replace('"', "")).collect()
    }

    /// What chooses its triplets, where its loss is one over triplets; else its loss. With what sets it apart from a row of the same name.
    pub fn name(&self) -> String {
        let (triplets, loss) = (self.setting("triplets"), self.setting("loss"));
        let mut name = if loss == "triplet" { triplets } else { loss };
        if self.setting("normalised") == "true" {
            name.push_str(", normalised");
        }
        if self.setting("distance") == "euclidean" {
            name.push_str(", euclidean");
        }
        name
    }
}

impl Measured {
    fn mean(found: &[Retrieval]) -> Option<Self> {
        let of = |value: fn(&Retrieval) -> f64| mean(found.iter().map(|found| Some(value(found))));
        let recall = |place: usize| mean(found.iter().map(|found| found.recall.get(place).map(|recall| recall.recall)));
        Some(Self {
            knn_accuracy: of(|found| found.knn_accuracy)?,
            recall: [recall(0)?, recall(1)?, recall(2)?],
            map_at_r: of(|found| found.map_at_r)?,
            silhouette: of(|found| found.silhouette)?,
        })
    }
}

/// `None` where a value is missing, or there is none.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Images that were brought before the network, an image as often as it was: three to each triplet that was made before the training.
fn images_seen(run: &Run) -> Option<u64> {
    let number = |key: &str| run.config.get(key).and_then(Value::as_f64);
    let whole = |key: &str| number(key).map(|value| value as usize);
    let text = |key: &str| run.config.get(key).and_then(Value::as_str).unwrap_or_default();
    let epoch = if text("triplets") == "offline" && text("loss") == "triplet" {
        let all = 10 * whole("pairs")? * whole("negatives")?;
        3 * (all as f64 * (1.0 - number("validation_share")?)).floor() as usize
    } else {
        let batches = Batches { classes: whole("classes_per_batch")?, images: whole("images_per_class")? };
        batches.count(Embedder::count(run, Split::Train).ok()?) * batches.classes * batches.images
    };
    Some(epoch as u64 * run.config.get("epochs")?.as_u64()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_needs_all_its_values() {
        assert_eq!(mean([Some(1.0), Some(2.0)].into_iter()), Some(1.5));
        assert_eq!(mean([Some(1.0), None].into_iter()), None);
        assert_eq!(mean(std::iter::empty()), None);
    }
}
