//! What every training has: a network with its weights, an optimiser, checkpoints, a clock.

use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};
use tch::Device;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Event, Progress, Spec,
    checkpoint::{Arrays, Checkpoints, WEIGHTS},
    clock::{Clock, Pace},
    configuration,
    examples::seed_of,
    optimizer::Adam,
    predictor::{dataset_of, network_of},
    schedule::Schedule,
};
use crate::{
    data::Dataset,
    error::{AppError, AppResult},
    models::{Network, Weights},
};

/// The part of a configuration that every training has.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub(super) learning_rate: f64,
    pub(super) epochs: u64,
    optimizer: Optimizer,
    weight_decay: f64,
    schedule: Schedule,
    averaging: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Optimizer {
    Adam,
    Adamw,
}

/// What a specification means, before anything is read or computed.
pub(super) struct Setup {
    pub(super) spec: Spec,
    /// Every key of the configuration.
    pub(super) resolved: Map<String, Value>,
    pub(super) dataset: &'static Dataset,
    pub(super) device: Device,
    pub(super) network: Arc<dyn Network>,
}

impl Setup {
    pub(super) fn new(spec: &Spec) -> AppResult<Self> {
        let resolved = configuration::resolve(&spec.system, &spec.config)?;
        let dataset = dataset_of(&resolved)?;
        let device = spec.settings()?.device.resolve().map_err(|error| AppError::invalid("device", format!("{error:#}")))?;
        let network = network_of(&spec.system, &resolved, dataset)?;
        Ok(Self { spec: Spec { config: resolved.clone(), ..spec.clone() }, resolved, dataset, device, network })
    }

    /// The part of the configuration that a kind of training reads.
    pub(super) fn config<C: for<'de> Deserialize<'de>>(&self) -> AppResult<C> {
        Ok(serde_json::from_value(Value::Object(self.resolved.clone())).context("the configuration lacks a key")?)
    }
}

/// How much a training has to do.
pub(super) struct Extent {
    pub(super) steps_per_epoch: u64,
    /// What the pace counts.
    pub(super) examples_per_epoch: u64,
    /// Threads that a step is worth.
    pub(super) threads: usize,
    /// What decides the numbers beside system, configuration and seed: hashes of data and teachers.
    pub(super) identity: Vec<Value>,
}

/// A training under way.
pub(super) struct Course {
    pub(super) spec: Spec,
    pub(super) config: Config,
    pub(super) device: Device,
    pub(super) network: Arc<dyn Network>,
    pub(super) weights: Weights,
    /// Where the gradient of each step is written.
    pub(super) gradient: Weights,
    /// The running average of the weights, where there is one.
    average: Option<Weights>,
    adam: Adam,
    /// Whole epochs done.
    pub(super) epoch: u64,
    pub(super) steps_per_epoch: u64,
    checkpoints: Checkpoints,
    /// A hash of what decides the numbers: system, configuration, seed, data, teachers. Tells one training from another.
    identity: String,
    clock: Clock,
    examples_per_epoch: u64,
}

impl Course {
    /// A training at its beginning.
    pub(super) fn new(setup: Setup, extent: &Extent) -> AppResult<Self> {
        let config: Config = setup.config()?;
        let Setup { spec, resolved, device, network, .. } = setup;
        let weights = initial_weights(&*network, spec.seed, device);
        let gradient = weights.zeros_like();
        let decay = if config.optimizer == Optimizer::Adamw { config.weight_decay } else { 0.0 };
        let mut identity = vec![spec.system.clone().into(), Value::Object(resolved), spec.seed.into()];
        identity.extend(extent.identity.iter().cloned());
        tch::set_num_threads(extent.threads as i32);
        Ok(Self {
            average: (config.averaging > 0.0).then(|| weights.copy()),
            adam: Adam::new(&weights, &gradient, decay),
            epoch: 0,
            steps_per_epoch: extent.steps_per_epoch,
            checkpoints: Checkpoints::new(&spec.folder),
            identity: format!("{:032x}", xxh3_128(Value::Array(identity).to_string().as_bytes())),
            clock: Clock::new(config.epochs * extent.examples_per_epoch),
            examples_per_epoch: extent.examples_per_epoch,
            spec,
            config,
            device,
            network,
            weights,
            gradient,
        })
    }

    /// Goes on from the newest whole checkpoint, where there is one.
    pub(super) fn resume(&mut self, say: &mut dyn FnMut(Event)) -> AppResult<()> {
        let (found, damaged) = self.checkpoints.newest();
        let what_then = if found.is_some() { "the one before is used" } else { "the training begins anew" };
        for reason in damaged {
            say(Event::Log { message: format!("{reason}; {what_then}") });
        }
        let Some(arrays) = found else { return Ok(()) };
        let number = |key: &str| arrays.metadata.get(key).and_then(|text| text.parse::<f64>().ok());
        if arrays.metadata.get("identity") != Some(&self.identity) {
            let reason = "its checkpoint is of another configuration, seed or data; train a new run";
            return Err(AppError::invalid("resume", reason));
        }
        let (Some(epoch), Some(elapsed)) = (number("epoch"), number("elapsed_s")) else {
            return Err(AppError::invalid("resume", "its checkpoint does not say where it stands; train a new run"));
        };
        let [first, second] = self.adam.moments();
        let read = || -> Result<(), crate::models::ModelError> {
            arrays.set("", &self.weights)?;
            arrays.set("first_moment.", first)?;
            arrays.set("second_moment.", second)?;
            self.average.as_ref().map_or(Ok(()), |average| arrays.set("average.", average))
        };
        read().context("can't take over the checkpoint")?;
        self.epoch = epoch as u64;
        self.adam.resume(self.epoch * self.steps_per_epoch);
        self.clock.resume(elapsed, self.epoch * self.examples_per_epoch);
        if arrays.metadata.get("threads") != Some(&self.spec.threads.to_string()) {
            say(Event::Log { message: "resumed with another number of threads: the last bits of the weights may differ".into() });
        }
        say(Event::Log { message: format!("resumed after epoch {}", self.epoch) });
        Ok(())
    }

    /// The weights that are judged and, at the end, kept: the running average where there is one.
    pub(super) fn weights_in_use(&self) -> &Weights {
        self.average.as_ref().unwrap_or(&self.weights)
    }

    /// Moves the weights against the gradient, which is used up. `step`: from 0 within the epoch under way. Gives the learning rate.
    pub(super) fn step(&mut self, step: u64) -> f64 {
        let done = self.epoch * self.steps_per_epoch + step;
        let rate = self.config.schedule.learning_rate(self.config.learning_rate, done, self.steps());
        self.adam.step(rate);
        if let Some(average) = &self.average {
            let _ = tch::no_grad(|| average.flat().shallow_clone().lerp_(self.weights.flat(), 1.0 - self.config.averaging));
        }
        rate
    }

    /// Counts the examples of a step, and says how far the training is when it has not for a while. `step`: from 0 within the epoch under way.
    pub(super) fn tick(&mut self, step: u64, examples: u64, say: &mut dyn FnMut(Event)) {
        if let Some(pace) = self.clock.tick(examples) {
            say(Event::Progress(self.progress(self.epoch + 1, self.epoch * self.steps_per_epoch + step + 1, &pace)));
        }
    }

    /// How far the training is at the end of an epoch.
    pub(super) fn progress_now(&mut self) -> Progress {
        let pace = self.clock.pace();
        self.progress(self.epoch, self.epoch * self.steps_per_epoch, &pace)
    }

    /// Keeps all that is needed to go on after this epoch.
    pub(super) fn keep(&self) -> AppResult<()> {
        let mut arrays = Arrays::default();
        let [first, second] = self.adam.moments();
        let mut add = || -> Result<(), crate::models::ModelError> {
            arrays.add("", &self.weights)?;
            arrays.add("first_moment.", first)?;
            arrays.add("second_moment.", second)?;
            self.average.as_ref().map_or(Ok(()), |average| arrays.add("average.", average))
        };
        add().context("can't copy the weights")?;
        let metadata = [
            ("epoch", self.epoch.to_string()),
            ("identity", self.identity.clone()),
            ("elapsed_s", self.clock.elapsed().to_string()),
            ("threads", self.spec.threads.to_string()),
        ];
        arrays.metadata.extend(metadata.map(|(key, value)| (key.to_owned(), value)));
        self.checkpoints.keep(&arrays)
    }

    /// Writes the final weights and what else is `told` of them, and gives their hash.
    pub(super) fn finish(&self, told: Vec<(&'static str, String)>) -> AppResult<String> {
        let weights = self.weights_in_use();
        let mut arrays = Arrays::default();
        arrays.add("", weights).context("can't copy the weights")?;
        let hash = weights.hash().context("can't copy the weights")?;
        let metadata = [
            ("system", self.spec.system.clone()),
            ("config", Value::from(self.spec.config.clone()).to_string()),
            ("epochs", self.epoch.to_string()),
            ("weights", hash.clone()),
        ];
        arrays.metadata.extend(metadata.into_iter().chain(told).map(|(key, value)| (key.to_owned(), value)));
        arrays.write(&self.spec.folder.join(WEIGHTS))?;
        Ok(hash)
    }

    /// Steps of the whole training.
    fn steps(&self) -> u64 {
        self.config.epochs * self.steps_per_epoch
    }

    fn progress(&self, epoch: u64, step: u64, pace: &Pace) -> Progress {
        let Pace { elapsed_s, eta_s, examples_per_s } = *pace;
        Progress { epoch, epochs: self.config.epochs, step, steps: self.steps(), elapsed_s, eta_s, examples_per_s }
    }

    /// `step`: from 0 within the epoch under way.
    pub(super) fn not_finite(&self, step: u64) -> AppError {
        AppError::invalid(
            "config.learning_rate",
            format!(
                "the loss is no longer a finite number after step {} of epoch {}; {} is too large here, try a tenth of it",
                step + 1,
                self.epoch + 1,
                self.config.learning_rate
            ),
        )
    }
}

/// The weights before the first step.
pub(super) fn initial_weights(network: &dyn Network, seed: u64, device: Device) -> Weights {
    Weights::initial(&network.parameters(), seed_of(seed, 0, "weights"), device)
}
