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
    /// Settings of most rows that have no column, such as `epochs=9`, where they are not the defaults.
    pub common: Vec<String>,
    /// Runs that were not measured yet.
    pub unmeasured: usize,
    /// Whether the runs are on the drawn digits, since there is none on the real ones.
    pub is_synthetic: bool,
}

/// One configuration.
pub struct Miner {
    /// Every setting.
    pub config: Map<String, Value>,
    /// Those that have no column, where they are not those of most rows.
    pub others: Vec<String>,
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
    /// Its standard deviation over the seeds, where there are several.
    pub knn_deviation: Option<f64>,
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
        groups.iter_mut().for_each(|runs| runs.sort_by_key(|run| run.seed));
        let mut rows: Vec<Miner> = groups.into_iter().map(|runs| Miner::new(runs, &mut find)).collect();
        let quality = |row: &Miner| row.retrieval.map_or(f64::NEG_INFINITY, |found| found.map_at_r);
        rows.sort_by(|one, other| quality(other).total_cmp(&quality(one)));
        let defaults = configuration::resolve(SYSTEM, &Map::new()).unwrap_or_default();
        let common = common(&rows.iter().map(|row| &row.config).collect::<Vec<_>>(), &defaults);
        rows.iter_mut().for_each(|row| row.others = differing(&row.config, &common));
        Self { rows, common: differing(&common, &defaults), unmeasured, is_synthetic }
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
            config: configuration::resolve(SYSTEM, &runs[0].config).unwrap_or_else(|_| runs[0].config.clone()),
            others: Vec::new(),
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

    /// Whether its loss is one over triplets that are chosen, and not over whole batches.
    pub fn is_over_triplets(&self) -> bool {
        self.setting("loss") == "triplet"
    }

    /// What chooses its triplets, where its loss is one over triplets; else its loss. With what sets it apart from a row of the same name.
    pub fn name(&self) -> String {
        let (triplets, loss) = (self.setting("triplets"), self.setting("loss"));
        let mut name = if self.is_over_triplets() { triplets } else { loss };
        if self.setting("normalised") == "true" {
            name.push_str(", normalised");
        }
        if self.setting("distance") == "euclidean" {
            name.push_str(", euclidean");
        }
        name
    }
}

/// The value that each setting has most often; of equally frequent ones the default, or the first.
fn common(configs: &[&Map<String, Value>], defaults: &Map<String, Value>) -> Map<String, Value> {
    let most = |(name, default): (&String, &Value)| {
        let times = |value: &Value| configs.iter().filter(|config| config.get(name) == Some(value)).count();
        let values = configs.iter().rev().filter_map(|config| config.get(name)).chain([default]);
        (name.clone(), values.max_by_key(|value| times(value)).unwrap_or(default).clone())
    };
    defaults.iter().map(most).collect()
}

/// The settings without a column that are not as in `usual`.
fn differing(config: &Map<String, Value>, usual: &Map<String, Value>) -> Vec<String> {
    let differs = |(name, value): &(&String, &Value)| !OWN_COLUMNS.contains(&name.as_str()) && usual.get(*name) != Some(value);
    config.iter().filter(differs).map(|(name, value)| format!("{name}={value}").replace('"', "")).collect()
}

impl Measured {
    fn mean(found: &[Retrieval]) -> Option<Self> {
        let of = |value: fn(&Retrieval) -> f64| mean(found.iter().map(|found| Some(value(found))));
        let recall = |place: usize| mean(found.iter().map(|found| found.recall.get(place).map(|recall| recall.recall)));
        Some(Self {
            knn_accuracy: of(|found| found.knn_accuracy)?,
            knn_deviation: deviation(&found.iter().map(|found| found.knn_accuracy).collect::<Vec<_>>()),
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

/// Of a sample; `None` of fewer than two.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values.iter().map(|value| Some(*value))).filter(|_| values.len() > 1)?;
    Some((values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt())
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_only_what_sets_it_apart() {
        let config = |epochs: u32, shift: u32| json!({"epochs": epochs, "shift": shift, "loss": "triplet"}).as_object().cloned().unwrap();
        let defaults = config(10, 0);
        let rows = [config(9, 2), config(9, 2), config(20, 2), config(10, 0)];
        let usual = common(&rows.iter().collect::<Vec<_>>(), &defaults);
        assert_eq!(usual, config(9, 2));
        assert_eq!(differing(&usual, &defaults), ["epochs=9", "shift=2"]);
        assert_eq!(rows.map(|row| differing(&row, &usual).join(" ")), ["", "", "epochs=20", "epochs=10 shift=0"]);
        assert_eq!(common(&[&config(9, 2), &config(10, 2)], &defaults), config(10, 2), "of two the default");
        assert!(differing(&json!({"loss": "other"}).as_object().cloned().unwrap(), &defaults).is_empty(), "it has a column");
    }

    #[test]
    fn a_mean_needs_all_its_values() {
        assert_eq!(mean([Some(1.0), Some(2.0)].into_iter()), Some(1.5));
        assert_eq!(mean([Some(1.0), None].into_iter()), None);
        assert_eq!(mean(std::iter::empty()), None);
        assert_eq!((deviation(&[1.0]), deviation(&[1.0, 3.0])), (None, Some(2.0_f64.sqrt())));
    }
}
