//! Which runs stand beside the report's, and what they came to.

use serde_json::{Map, Value, json};

use super::super::networks::{Measure, Measured, is_of};
use crate::{
    error::AppResult,
    report::{self, FashionReport, Outcome, Training},
    store::{Query, Run, Study},
    train::{State, configuration},
    web::AppState,
};

/// The system that the page is about.
pub const SYSTEM: &str = "mlp";
/// What the report trained on.
pub const DATASET: &str = "fashion-mnist";
/// Drawn by this program, so that everything can be tried without a network.
pub const SAMPLE: &str = "fashion-mnist-sample";
/// A run with this tag stands for what goes beyond the report, whatever its validation accuracy: a last fit on all images has none.
pub const BEST_TAG: &str = "best";
/// Runs of one configuration that are shown: a few seeds.
const MOST_SEEDS: usize = 5;

/// The report's trainings with ours beside them.
pub struct Beside {
    /// Before the search.
    pub untuned: Pair,
    /// The best of the search, trained from scratch.
    pub tuned: Pair,
    /// The best of our other trainings on the same data.
    pub best: Option<Run>,
    /// Every run on this data or on the sample that is done, the newest first; trials of studies are not among them.
    pub runs: Vec<Run>,
    /// Our searches, the newest first.
    pub studies: Vec<Study>,
}

/// One training of the report and those of ours with the same settings.
pub struct Pair {
    /// `untuned` or `tuned`.
    pub id: &'static str,
    /// The report's.
    pub report: &'static Training,
    /// Every setting.
    pub config: Map<String, Value>,
    /// Ours, one for each seed, the newest first.
    pub ours: Vec<(Run, Outcome)>,
}

impl Beside {
    /// Looks through the store.
    ///
    /// # Errors
    /// The store's own.
    pub fn new(app: &AppState) -> AppResult<Self> {
        let query = Query { system: Some(SYSTEM.into()), states: vec![State::Done], without_trials: true, limit: 1000, ..Query::default() };
        let mut runs = app.store.runs(&query)?.runs;
        runs.retain(|run| is_of(run, DATASET) || is_of(run, SAMPLE));
        let report = report::fashion();
        let untuned = Pair::new("untuned", report, &report.untuned, &runs)?;
        let tuned = Pair::new("tuned", report, &report.tuned, &runs)?;
        let best = best_of(&runs, &[&untuned, &tuned]).cloned();
        let studies = app.store.studies()?.into_iter().filter(|study| study.system == SYSTEM).collect();
        Ok(Self { untuned, tuned, best, runs, studies })
    }

    /// The runs of the best one's configuration, one for each seed, the newest first.
    pub fn seeds_of_best(&self) -> Vec<&Run> {
        let mut seeds: Vec<&Run> = Vec::new();
        let config = self.best.as_ref().map(|best| &best.config);
        for run in self.runs.iter().filter(|run| Some(&run.config) == config) {
            if seeds.len() < MOST_SEEDS && seeds.iter().all(|other| other.seed != run.seed) {
                seeds.push(run);
            }
        }
        seeds
    }

    /// The run that is shown where nobody asks for another: the best, then the report's settings, then any.
    pub fn default_run(&self) -> Option<&Run> {
        let ours = |pair: &'_ Pair| pair.ours.first().map(|(run, _)| run.id.clone());
        let id = self.best.as_ref().map(|run| run.id.clone()).or_else(|| ours(&self.tuned)).or_else(|| ours(&self.untuned));
        self.runs.iter().find(|run| Some(&run.id) == id.as_ref()).or_else(|| self.runs.first())
    }
}

impl Pair {
    fn new(id: &'static str, report: &FashionReport, training: &'static Training, runs: &[Run]) -> AppResult<Self> {
        let mut config = Map::from_iter([
            ("dataset".to_owned(), json!(DATASET)),
            ("learning_rate".to_owned(), json!(training.learning_rate)),
            ("epochs".to_owned(), json!(training.epochs)),
            ("batch_size".to_owned(), json!(report.batch_size)),
            ("validation_share".to_owned(), json!(report.validation_share)),
        ]);
        if let Some(units) = training.units {
            config.insert("units".to_owned(), json!(units)); // where the report is silent, the system's default stands
        }
        let config = configuration::resolve(SYSTEM, &config)?;
        let mut ours: Vec<(Run, Outcome)> = Vec::new();
        for run in runs.iter().filter(|run| configuration::same(SYSTEM, &run.config, &config)) {
            if ours.len() < MOST_SEEDS
                && ours.iter().all(|(other, _)| other.seed != run.seed)
                && let Some(last) = last_of(run)
            {
                ours.push((run.clone(), last));
            }
        }
        Ok(Self { id, report: training, config, ours })
    }

    /// The mean of ours; `None` without any.
    pub fn mean(&self) -> Option<Outcome> {
        let count = self.ours.len() as f64;
        let mean = |value: fn(&Outcome) -> f64| self.ours.iter().map(|(_, last)| value(last)).sum::<f64>() / count;
        (count > 0.0).then(|| Outcome {
            loss: mean(|last| last.loss),
            accuracy: mean(|last| last.accuracy),
            validation_loss: mean(|last| last.validation_loss),
            validation_accuracy: mean(|last| last.validation_accuracy),
        })
    }

    /// How to train it.
    pub fn command(&self) -> String {
        let setting = |name: &str| self.config.get(name).map(|value| format!(" {name}={value}")).unwrap_or_default();
        format!("torchboard train {SYSTEM} --set{}{}{}", setting("units"), setting("learning_rate"), setting("epochs"))
    }
}

/// The report's two trainings, and ours: the means of our seeds, or for the tuned one the run that is asked for.
///
/// # Errors
/// [`crate::error::AppError::NotFound`] for a run that is none of this system.
pub fn measured(app: &AppState, asked: Option<&str>) -> AppResult<Measured> {
    let beside = Beside::new(app)?;
    let run = Measured::choose(&beside.runs, asked, beside.tuned.ours.first().map(|(run, _)| run))?;
    let tuned = if asked.is_some() { run.as_ref().and_then(last_of) } else { beside.tuned.mean() };
    let mut measures = Vec::new();
    for (pair, ours) in [(&beside.untuned, beside.untuned.mean()), (&beside.tuned, tuned)] {
        let values: [(&str, Figure); 4] = [
            ("report-measure-loss", |last| last.loss),
            ("report-measure-accuracy", |last| last.accuracy),
            ("report-measure-validation-loss", |last| last.validation_loss),
            ("report-measure-validation-accuracy", |last| last.validation_accuracy),
        ];
        measures.extend(values.map(|(key, value)| Measure {
            key,
            of: Some(format!("fashion-{}", pair.id)),
            report: (value(&pair.report.last), 4),
            ours: ours.as_ref().map(value),
        }));
    }
    Ok(Measured { run, choices: beside.runs, measures })
}

/// One of the figures of an outcome.
type Figure = fn(&Outcome) -> f64;

/// What a run came to after its last epoch; `None` for one that kept no images for validation.
pub fn last_of(run: &Run) -> Option<Outcome> {
    let last = |series: &str| run.best.get(series).map(|best| best.last);
    Some(Outcome {
        loss: last("train_loss")?,
        accuracy: last("train_accuracy")?,
        validation_loss: last("validation_loss")?,
        validation_accuracy: last("validation_accuracy")?,
    })
}

/// The best run on the real data that has none of the report's settings.
fn best_of<'runs>(runs: &'runs [Run], pairs: &[&Pair]) -> Option<&'runs Run> {
    let others = || runs.iter().filter(|run| is_of(run, DATASET) && pairs.iter().all(|pair| pair.config != run.config));
    let tagged = others().find(|run| run.tags.iter().any(|tag| tag == BEST_TAG));
    let accuracy = |run: &Run| last_of(run).map(|last| last.validation_accuracy);
    tagged.or_else(|| {
        others()
            .filter_map(|run| Some((run, accuracy(run)?)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map(|(run, _)| run)
    })
}
