//! Which runs stand beside the report's, and what they came to, epoch by epoch.

use serde_json::{Map, Value};

use super::super::networks::{Measure, Measured, is_of};
use crate::{
    error::AppResult,
    report::{self, Losses, TripletReport},
    store::{Query, Run},
    train::{State, checkpoint::WEIGHTS, configuration},
    web::AppState,
};

/// The system that the page is about.
pub const SYSTEM: &str = "triplet";
/// What the report trained on.
pub const DATASET: &str = "mnist";
/// Drawn by this program, so that everything can be tried without a network.
pub const SAMPLE: &str = "mnist-sample";
/// A run with this tag is shown where nobody asks for another.
const BEST_TAG: &str = "best";
/// Runs of one configuration that are shown: a few seeds.
const MOST_SEEDS: usize = 5;

/// The report's training with ours beside it.
pub struct Beside {
    /// The report's.
    pub report: &'static TripletReport,
    /// Every setting of the report's network.
    pub config: Map<String, Value>,
    /// Ours with these settings, one for each seed, the newest first.
    pub ours: Vec<Ours>,
    /// Every run on this data or on the sample that is done, the newest first; trials of studies are not among them.
    pub runs: Vec<Run>,
    /// Those of them whose weights are here, so that the network can be asked.
    pub askable: Vec<Run>,
}

/// One of our trainings with the report's settings.
pub struct Ours {
    /// The run.
    pub run: Run,
    /// After each epoch.
    pub curve: Vec<Losses>,
}

/// One epoch of the report, and the mean of ours.
pub struct Epoch {
    /// From 1.
    pub number: usize,
    /// The report's.
    pub report: Losses,
    /// The mean over our seeds.
    pub ours: Option<Losses>,
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
        let config = configuration::resolve(SYSTEM, &Map::new())?;
        let mut ours: Vec<Ours> = Vec::new();
        for run in runs.iter().filter(|run| configuration::same(SYSTEM, &run.config, &config)) {
            if ours.len() < MOST_SEEDS && ours.iter().all(|other| other.run.seed != run.seed) {
                ours.push(Ours { run: run.clone(), curve: curve(app, run)? });
            }
        }
        let askable = runs.iter().filter(|run| app.store.run_folder(&run.id).join(WEIGHTS).is_file()).cloned().collect();
        Ok(Self { report: report::triplet(), config, ours, runs, askable })
    }

    /// The report's epochs with the mean of ours.
    pub fn epochs(&self) -> Vec<Epoch> {
        let epoch = |(place, report): (usize, &Losses)| Epoch { number: place + 1, report: *report, ours: self.mean_at(place) };
        self.report.curve.iter().enumerate().map(epoch).collect()
    }

    /// The mean of ours after an epoch, from 0; `None` where one of them has not got so far.
    fn mean_at(&self, place: usize) -> Option<Losses> {
        let all: Vec<&Losses> = self.ours.iter().map(|ours| ours.curve.get(place)).collect::<Option<_>>()?;
        let mean = |value: fn(&Losses) -> f64| all.iter().map(|losses| value(losses)).sum::<f64>() / all.len() as f64;
        (!all.is_empty()).then(|| Losses { loss: mean(|losses| losses.loss), validation_loss: mean(|losses| losses.validation_loss) })
    }

    /// The run that is shown where nobody asks for another: one tagged as the best, one with the report's settings, any on the real data, any.
    pub fn default_run(&self) -> Option<&Run> {
        let real = || self.askable.iter().filter(|run| is_of(run, DATASET));
        let tagged = real().find(|run| run.tags.iter().any(|tag| tag == BEST_TAG));
        let of_report = || real().find(|run| self.ours.iter().any(|ours| ours.run.id == run.id));
        tagged.or_else(of_report).or_else(|| real().next()).or_else(|| self.askable.first())
    }
}

/// The report's losses after its last epoch, and those of a run after as many.
///
/// # Errors
/// [`crate::error::AppError::NotFound`] for a run that is none of this system.
pub fn measured(app: &AppState, asked: Option<&str>) -> AppResult<Measured> {
    let beside = Beside::new(app)?;
    let run = Measured::choose(&beside.runs, asked, beside.ours.first().map(|ours| &ours.run).or_else(|| beside.default_run()))?;
    let epochs = beside.report.curve.len();
    let last = match &run {
        Some(run) => curve(app, run)?.into_iter().take(epochs).next_back(),
        None => None,
    };
    let measure = |key, value: fn(&Losses) -> f64| {
        let report = beside.report.curve.last().map_or(f64::NAN, value);
        Measure { key, of: None, report: (report, 4), ours: last.as_ref().map(value) }
    };
    let measures = vec![
        measure("report-measure-loss", |losses| losses.loss),
        measure("report-measure-validation-loss", |losses| losses.validation_loss),
    ];
    Ok(Measured { run, choices: beside.runs, measures })
}

fn curve(app: &AppState, run: &Run) -> AppResult<Vec<Losses>> {
    let curves = app.store.curves(&run.id)?;
    let values = |name: &str| curves.iter().find(|series| series.name == name).map(|series| series.points.iter().map(|point| point.value));
    let (Some(train), Some(validation)) = (values("train_loss"), values("validation_loss")) else { return Ok(Vec::new()) };
    Ok(train.zip(validation).map(|(loss, validation_loss)| Losses { loss, validation_loss }).collect())
}
