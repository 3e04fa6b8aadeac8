//! The fit loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Event, Metric, Outcome, Progress, Spec, State,
    checkpoint::{Arrays, Checkpoints, WEIGHTS},
    clock::{Clock, Pace},
    configuration,
    examples::{Augmentation, Epoch, Part, seed_of},
    optimizer::Adam,
    predictor::{as_images, dataset_of, network_of},
    schedule::Schedule,
    teacher::Teachers,
};
use crate::{
    data::{Datasets, Split},
    error::{AppError, AppResult},
    models::{Batch, Gradients, Network, Noise, Weights, gradients, infer, parameter_count},
};

/// How a training ended, where it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// [`State::Done`] or [`State::Cancelled`].
    pub state: State,
    /// Why it is not done.
    pub reason: Option<String>,
    /// What a finished training leaves.
    pub outcome: Option<Outcome>,
}

/// Trains a network as `spec` says, or goes on with it. Says everything but the `end` event.
///
/// Every random choice comes from the seed and the epoch's number, so that a training that was interrupted and resumed ends with the same
/// weights, to the last bit, as one that was not.
///
/// # Errors
/// A configuration that can't be used, data that are not here, a disk that can't be written, a checkpoint of another training, a loss that
/// is no longer finite: each with a sentence on what to do.
pub fn run(spec: &Spec, datasets: &Datasets, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<Ended> {
    say(Event::State { state: State::Running, reason: None });
    let mut fit = Fit::new(spec, datasets, say)?;
    if !fit.ask_teachers(say, cancelled) {
        return Ok(Ended { state: State::Cancelled, reason: Some("stopped before its first step".into()), outcome: None });
    }
    while fit.epoch < fit.config.epochs {
        if !fit.train_epoch(say, cancelled)? {
            let reason =
                format!("stopped in epoch {} of {}; what was learned up to epoch {} is kept", fit.epoch + 1, fit.config.epochs, fit.epoch);
            return Ok(Ended { state: State::Cancelled, reason: Some(reason), outcome: None });
        }
        fit.keep()?;
        say(Event::Checkpoint { epoch: fit.epoch });
    }
    Ok(Ended { state: State::Done, reason: None, outcome: Some(Outcome { weights: fit.finish()? }) })
}

/// The part of a configuration that every classifier has.
#[derive(Debug, Clone, Deserialize)]
struct Config {
    learning_rate: f64,
    batch_size: usize,
    epochs: u64,
    validation_share: f64,
    optimizer: Optimizer,
    weight_decay: f64,
    schedule: Schedule,
    label_smoothing: f64,
    averaging: f64,
    shift: usize,
    flip: bool,
    teacher: String,
    teacher_share: f64,
    teacher_temperature: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Optimizer {
    Adam,
    Adamw,
}

/// A training under way.
struct Fit {
    spec: Spec,
    config: Config,
    device: Device,
    network: Arc<dyn Network>,
    weights: Weights,
    /// The running average of the weights, where there is one.
    average: Option<Weights>,
    gradients: Box<dyn Gradients>,
    adam: Adam,
    train: Part,
    validation: Part,
    teachers: Option<Teachers>,
    /// What the teachers answer, `[views · examples, classes]`.
    answers: Option<Tensor>,
    /// Whole epochs done.
    epoch: u64,
    steps_per_epoch: u64,
    checkpoints: Checkpoints,
    /// Tells one training from another; see [`identity`].
    identity: String,
    clock: Clock,
}

impl Fit {
    /// All that is needed, at the beginning or where the last checkpoint left off.
    fn new(spec: &Spec, datasets: &Datasets, say: &mut dyn FnMut(Event)) -> AppResult<Self> {
        let resolved = configuration::resolve(&spec.system, &spec.config)?;
        let config: Config = serde_json::from_value(Value::Object(resolved.clone())).context("the configuration lacks a key")?;
        let dataset = dataset_of(&resolved)?;
        let device = spec.settings()?.device.resolve().map_err(|error| AppError::invalid("device", format!("{error:#}")))?;
        let network = network_of(&spec.system, &resolved, dataset)?;
        let (train, validation) = Part::split(&datasets.examples(dataset, Split::Train)?, config.validation_share);
        if train.is_empty() {
            return Err(AppError::invalid("config.validation_share", "nothing is left to learn from"));
        }
        let asked = (!config.teacher.is_empty()).then(|| Teachers::open(&config.teacher, spec, device));
        let teachers = asked.transpose()?;
        let parameters = network.parameters();
        let weights = Weights::initial(&parameters, seed_of(spec.seed, 0, "weights"), device);
        let gradient = weights.zeros_like();
        let decay = if config.optimizer == Optimizer::Adamw { config.weight_decay } else { 0.0 };
        let threads = threads_for(&*network, config.batch_size, spec.threads);
        tch::set_num_threads(threads as i32);
        say(Event::Log {
            message: format!(
                "{} with {} parameters on {}: {} images to learn from, {} to validate; {} on {threads} {}",
                spec.system,
                parameter_count(&*network),
                dataset.about.name,
                train.len(),
                validation.len(),
                if device == Device::Cpu { "CPU" } else { "GPU" },
                if threads == 1 { "thread" } else { "threads" },
            ),
        });
        let mut fit = Self {
            average: (config.averaging > 0.0).then(|| weights.copy()),
            gradients: gradients(&network, &weights, &gradient),
            adam: Adam::new(&weights, &gradient, decay),
            epoch: 0,
            steps_per_epoch: train.len().div_ceil(config.batch_size) as u64,
            checkpoints: Checkpoints::new(&spec.folder),
            identity: identity(spec, &resolved, &train, teachers.as_ref())?,
            teachers,
            answers: None,
            clock: Clock::new(config.epochs * train.len() as u64),
            spec: Spec { config: resolved, ..spec.clone() },
            config,
            device,
            network,
            weights,
            train,
            validation,
        };
        if spec.resume {
            fit.resume(say)?;
        }
        Ok(fit)
    }

    /// Goes on from the newest whole checkpoint, where there is one.
    fn resume(&mut self, say: &mut dyn FnMut(Event)) -> AppResult<()> {
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
        self.clock.resume(elapsed, self.epoch * self.train.len() as u64);
        if arrays.metadata.get("threads") != Some(&self.spec.threads.to_string()) {
            say(Event::Log { message: "resumed with another number of threads: the last bits of the weights may differ".into() });
        }
        say(Event::Log { message: format!("resumed after epoch {}", self.epoch) });
        Ok(())
    }

    /// Lets the teachers answer, where there are some. `false` when it was cancelled on the way.
    fn ask_teachers(&mut self, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> bool {
        let Some(teachers) = &self.teachers else { return true };
        let (start, augmentation) = (Instant::now(), self.augmentation());
        let temperature = self.config.teacher_temperature;
        self.answers = teachers.answers(&self.train, augmentation, temperature, self.device, cancelled);
        let (views, seconds) = (augmentation.views() * self.train.len(), start.elapsed().as_secs_f64());
        say(Event::Log { message: format!("the teacher answered to {views} views of the images in {seconds:.0} s") });
        self.answers.is_some()
    }

    fn augmentation(&self) -> Augmentation {
        Augmentation { shift: self.config.shift, flip: self.config.flip }
    }

    /// Learns from every example once, then validates. `false` when it was cancelled on the way.
    fn train_epoch(&mut self, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<bool> {
        let number = self.epoch + 1;
        let train = self.train.clone();
        let examples = train.epoch(self.spec.seed, number, self.augmentation());
        let mut noise = Noise::new(seed_of(self.spec.seed, number, "dropout"), self.device);
        let labels: Vec<i64> = examples.labels().map(i64::from).collect();
        let targets = self.targets(&examples, &labels);
        let log_probabilities = targets.zeros_like(); // [examples, classes], filled step by step
        let (count, batch_size) = (train.len(), self.config.batch_size);
        // Images become f32 for a few steps at once, while their bytes are still in the cache: 9 µs for each step of 32, where a step at a
        // time takes 12 µs, and gathering them from a copy of the data set in f32, four times as large, 11 µs.
        let chunk_size = batch_size * 256_usize.div_ceil(batch_size);
        let (mut pixels, shape) = (Vec::new(), self.network.input());
        let mut rate = 0.0;
        for chunk in (0..count).step_by(chunk_size) {
            let chunk_end = count.min(chunk + chunk_size);
            examples.fill(chunk..chunk_end, &mut pixels);
            let images = as_images(&pixels, shape, self.device);
            for start in (chunk..chunk_end).step_by(batch_size) {
                if cancelled.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                let rows = batch_size.min(chunk_end - start) as i64;
                let part = |tensor: &Tensor, start: usize| tensor.narrow(0, start as i64, rows);
                let batch = Batch {
                    images: part(&images, start - chunk),
                    targets: part(&targets, start),
                    log_probabilities: part(&log_probabilities, start),
                };
                let step = self.epoch * self.steps_per_epoch + (start / batch_size) as u64;
                rate = self.config.schedule.learning_rate(self.config.learning_rate, step, self.steps());
                self.gradients.compute(&batch, &mut noise);
                self.adam.step(rate);
                if let Some(average) = &self.average {
                    let _ = tch::no_grad(|| average.flat().shallow_clone().lerp_(self.weights.flat(), 1.0 - self.config.averaging));
                }
                if let Some(pace) = self.clock.tick(rows as u64) {
                    say(Event::Progress(self.progress(number, step + 1, &pace)));
                }
            }
        }
        self.epoch = number;
        // Loss and accuracy of all steps in a few operators: nothing is read back within the epoch, which would take 5 µs a step.
        let of_train = measure(&log_probabilities, &targets, &labels);
        if let Err(row) = of_train {
            return Err(self.not_finite(row / batch_size as u64));
        }
        let of_validation = self.validate()?;
        let mut metrics = vec![(Split::Train, "learning_rate", rate)];
        metrics
            .extend(of_train.into_iter().flat_map(|[loss, accuracy]| [(Split::Train, "loss", loss), (Split::Train, "accuracy", accuracy)]));
        metrics.extend(
            of_validation
                .into_iter()
                .flat_map(|[loss, accuracy]| [(Split::Validation, "loss", loss), (Split::Validation, "accuracy", accuracy)]),
        );
        let step = self.epoch * self.steps_per_epoch;
        for (split, name, value) in metrics {
            say(Event::Metric(Metric { name: name.into(), split, epoch: self.epoch, step, value }));
        }
        let pace = self.clock.pace();
        say(Event::Progress(self.progress(number, step, &pace)));
        Ok(true)
    }

    /// What the network should answer in this epoch, `[examples, classes]`.
    fn targets(&self, examples: &Epoch, labels: &[i64]) -> Tensor {
        let classes = self.network.outputs();
        let mut targets = Tensor::from_slice(labels).to_device(self.device).one_hot(classes).to_kind(Kind::Float);
        let smoothing = self.config.label_smoothing;
        if smoothing > 0.0 {
            targets = targets * (1.0 - smoothing) + smoothing / classes as f64;
        }
        if let Some(answers) = &self.answers {
            let places: Vec<i64> = examples.answer_places().map(|place| place as i64).collect();
            let answers = answers.index_select(0, &Tensor::from_slice(&places).to_device(self.device));
            let _ = targets.lerp_(&answers, self.config.teacher_share);
        }
        targets
    }

    /// Loss and accuracy on the validation part, if there is one.
    fn validate(&self) -> AppResult<Option<[f64; 2]>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let labels: Vec<i64> = self.validation.labels().iter().map(|label| i64::from(*label)).collect();
        let mut answers = Vec::new();
        for start in (0..labels.len()).step_by(VALIDATION_CHUNK) {
            let pixels = self.validation.pixels(start..labels.len().min(start + VALIDATION_CHUNK));
            let images = as_images(pixels, self.network.input(), self.device);
            let weights = self.average.as_ref().unwrap_or(&self.weights);
            answers.push(infer(&*self.network, weights, &images).context("can't validate")?);
        }
        let classes = self.network.outputs();
        let targets = Tensor::from_slice(&labels).to_device(self.device).one_hot(classes).to_kind(Kind::Float);
        match measure(&Tensor::cat(&answers, 0), &targets, &labels) {
            Ok(measured) => Ok(Some(measured)),
            Err(_) => Err(self.not_finite(self.steps_per_epoch - 1)),
        }
    }

    /// Keeps all that is needed to go on after this epoch.
    fn keep(&self) -> AppResult<()> {
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

    /// Writes the final weights and gives their hash.
    fn finish(&self) -> AppResult<String> {
        let weights = self.average.as_ref().unwrap_or(&self.weights);
        let mut arrays = Arrays::default();
        arrays.add("", weights).context("can't copy the weights")?;
        let hash = weights.hash().context("can't copy the weights")?;
        let metadata = [
            ("system", self.spec.system.clone()),
            ("config", Value::from(self.spec.config.clone()).to_string()),
            ("epochs", self.epoch.to_string()),
            ("weights", hash.clone()),
        ];
        arrays.metadata.extend(metadata.map(|(key, value)| (key.to_owned(), value)));
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
    fn not_finite(&self, step: u64) -> AppError {
        AppError::invalid(
            "config.learning_rate",
            format!(
                "the loss is no longer a finite number after step {} of epoch {}; {} is too large here, try a tenth of it",
                step + 1,
                self.epoch.max(1),
                self.config.learning_rate
            ),
        )
    }
}

/// Images to a forward pass in validation.
const VALIDATION_CHUNK: usize = 1024;

/// Mean cross-entropy and accuracy, or the first row whose loss is not finite.
fn measure(log_probabilities: &Tensor, targets: &Tensor, labels: &[i64]) -> Result<[f64; 2], u64> {
    let losses = -(log_probabilities * targets).sum_dim_intlist(1_i64, false, Kind::Float); // [rows]
    let loss = losses.mean(Kind::Double).double_value(&[]);
    if !loss.is_finite() {
        let bad = losses.isfinite().logical_not().to_kind(Kind::Int64);
        return Err(bad.argmax(0, false).int64_value(&[]).unsigned_abs());
    }
    let labels = Tensor::from_slice(labels).to_device(losses.device());
    let accuracy = log_probabilities.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    Ok([loss, accuracy])
}

/// Below this work, in multiplications of a step's forward pass, a second thread costs more than it brings.
const WORK_FOR_THREADS: i64 = 1 << 23;

/// Threads for a network: a function of the configuration alone, since sums in another order have other last bits.
fn threads_for(network: &dyn Network, batch_size: usize, threads: usize) -> usize {
    if parameter_count(network) * (batch_size as i64) < WORK_FOR_THREADS { 1 } else { threads.max(1) }
}

/// A hash of what decides a training's numbers: system, configuration, seed, data, teachers.
fn identity(spec: &Spec, config: &serde_json::Map<String, Value>, train: &Part, teachers: Option<&Teachers>) -> AppResult<String> {
    let teachers = teachers.map(Teachers::hashes).transpose()?;
    let text = serde_json::json!([spec.system, config, spec.seed, train.hash(), teachers]).to_string();
    Ok(format!("{:032x}", xxh3_128(text.as_bytes())))
}
