//! What is asked for becomes a run that can be repeated: every setting resolved, the data and the machine written down.

use serde_json::{Map, Value, json};

use crate::{
    config::Settings,
    data::{self, Dataset, Datasets},
    error::{AppError, AppResult},
    models,
    store::{DatasetUse, NewRun, Origin, Run, Store},
    train::{State, configuration},
};

/// A training that is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The run's id; `None`: one is made.
    pub id: Option<String>,
    /// `mlp`, `triplet`, `resnet14`.
    pub system: String,
    /// Empty: the run's id.
    pub name: String,
    /// What differs from the system's defaults.
    pub config: Map<String, Value>,
    /// Decides every random choice.
    pub seed: u64,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// A remark.
    pub notes: String,
    /// The study that it is a trial of, and the trial's number.
    pub trial: Option<(String, u64)>,
}

impl Plan {
    /// Checks all that can be checked before a training begins, and fills in what was not said.
    ///
    /// # Errors
    /// [`AppError::Invalid`], which names the field; [`AppError::Unavailable`] when the data set is not here, with what brings it.
    pub fn resolve(&self, settings: &Settings, datasets: &Datasets, state: State) -> AppResult<NewRun> {
        let config = configuration::resolve(&self.system, &self.config)?;
        let id = config.get("dataset").and_then(Value::as_str).unwrap_or_default();
        let dataset = datasets.get(id).map_err(|_| AppError::invalid("config.dataset", format!("there is no data set {id:?}.")))?;
        let status = datasets.status(dataset);
        if status.state != data::State::Ready {
            return Err(AppError::Unavailable(datasets.advice(dataset, &status)));
        }
        Ok(NewRun {
            id: self.id.clone(),
            system: self.system.clone(),
            name: self.name.clone(),
            parameters: parameters(&self.system, &config, dataset),
            config,
            seed: self.seed,
            threads: settings.threads,
            device: settings.device.to_string(),
            dataset: Some(DatasetUse { id: dataset.id().to_owned(), sha256: dataset.sha256() }),
            versions: versions(),
            hardware: hardware(settings),
            tags: self.tags.clone(),
            trial: self.trial.clone(),
            repeats: None,
            state,
            origin: Origin::Trained,
            notes: self.notes.clone(),
        })
    }
}

/// The same training once more: what decides the numbers is taken from `run`, so that its weights should come out equal to the last bit.
///
/// # Errors
/// [`AppError::Conflict`] when `run` is not done, or the data set has changed since; as [`Plan::resolve`].
pub fn repeat(run: &Run, settings: &Settings, datasets: &Datasets, state: State) -> AppResult<NewRun> {
    if run.state != State::Done {
        return Err(AppError::Conflict(format!("The run {} is {}; only one that is done can be repeated.", run.id, run.state.name())));
    }
    if !configuration::systems().contains(&&*run.system) {
        return Err(AppError::Conflict(format!(
            "The run {} was trained in a terminal; `torchboard train {}` repeats it.",
            run.id, run.system
        )));
    }
    let plan = Plan {
        system: run.system.clone(),
        name: format!("{} again", run.name),
        config: run.config.clone(),
        seed: run.seed,
        tags: run.tags.clone(),
        ..Plan::default()
    };
    let mut new = plan.resolve(settings, datasets, state)?;
    if new.dataset != run.dataset {
        return Err(AppError::Conflict(format!("The data set of {} has changed since; its numbers can't come out again.", run.id)));
    }
    (new.threads, new.device) = (run.threads, run.device.clone());
    new.repeats = Some(run.id.clone());
    Ok(new)
}

/// Makes a run that ended before its time wait for its turn again, or go on at once.
///
/// # Errors
/// [`AppError::Conflict`] when it is done, has not ended, or is of a system that no worker trains.
pub fn resume(store: &Store, id: &str, state: State) -> AppResult<Run> {
    let system = store.run(id)?.system;
    if !configuration::systems().contains(&&*system) {
        return Err(AppError::Conflict(format!(
            "The run {id} can't go on: training of {system:?} keeps no checkpoints. Begin a new one with `torchboard train {system}`."
        )));
    }
    store.resume_run(id, state)
}

/// Trainable parameters of the network; `None` where they can't be known before it is trained.
pub(super) fn parameters(system: &str, config: &Map<String, Value>, dataset: &Dataset) -> Option<u64> {
    let shape = dataset.shape.map(|size| size as i64);
    let network = models::build(system, config, shape, dataset.classes.len() as i64).ok()?;
    u64::try_from(models::parameter_count(&*network)).ok()
}

/// What this program is made of, as far as it decides a training's numbers.
#[must_use]
pub fn versions() -> Map<String, Value> {
    let versions = json!({ "torchboard": env!("CARGO_PKG_VERSION"), "libtorch": models::libtorch_version() });
    versions.as_object().cloned().unwrap_or_default()
}

/// What the machine is, as far as it matters for speed and for the last bit of a sum.
#[must_use]
pub fn hardware(settings: &Settings) -> Map<String, Value> {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':').map(|(_, value)| value.trim().to_owned()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let hardware = json!({
        "processor": value("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        "cores": cores,
        "system": std::env::consts::OS,
        "device": settings.device.name().unwrap_or_else(|_| settings.device.to_string()),
    });
    hardware.as_object().cloned().unwrap_or_default()
}
