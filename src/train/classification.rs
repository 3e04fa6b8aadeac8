//! Learning to tell classes apart: mean cross-entropy, labels or teachers' answers as targets.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use anyhow::Context as _;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::{
    Event,
    colour::Jitter,
    course::{Course, Extent, Setup},
    examples::{Epoch, Part, Sampling, seed_of},
    fit::{Lesson, Measured},
    mixing::Mixing,
    predictor::{TEMPERATURE, Views, as_images},
    teacher::Teachers,
    temperature,
    views::Augmentation,
};
use crate::{
    data::{Datasets, Split},
    error::{AppError, AppResult},
    models::{Batch, Gradients, ModelError, Network, Noise, Weights, gradients, infer, parameter_count},
};

/// What a classifier is told beside what every training is.
#[derive(Debug, Clone, Deserialize)]
struct Config {
    batch_size: usize,
    /// Of data sets without a split of their own to validate on.
    #[serde(default)]
    validation_share: f64,
    label_smoothing: f64,
    shift: usize,
    flip: bool,
    #[serde(default)]
    turn: bool,
    #[serde(default)]
    padding: Padding,
    #[serde(default)]
    colour: f64,
    #[serde(default)]
    mixup: f64,
    #[serde(default)]
    cutmix: f64,
    #[serde(default)]
    class_weights: ClassWeights,
    #[serde(default)]
    sampling: Sampling,
    #[serde(default)]
    loss: Loss,
    #[serde(default)]
    focusing: f64,
    #[serde(default)]
    views: Views,
    #[serde(default)]
    calibrated: bool,
    teacher: String,
    teacher_share: f64,
    teacher_temperature: f64,
}

/// What comes in where an image is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Padding {
    /// 0.
    #[default]
    Zeros,
    /// The image mirrored at its border.
    Reflected,
}

/// What a training makes small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    #[default]
    CrossEntropy,
    Focal,
}

/// How much an example of each class counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClassWeights {
    /// All as much.
    #[default]
    None,
    /// All classes together as much.
    Balanced,
}

impl ClassWeights {
    /// The weight of each example of `labels`; their mean is 1. Balanced as in scikit-learn: examples / (classes · examples of the class).
    fn of(self, labels: &[u8]) -> Option<Vec<f32>> {
        if self == Self::None {
            return None;
        }
        let mut counts = [0_usize; 256];
        labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
        let classes = counts.iter().filter(|count| **count > 0).count();
        let weight = |label: &u8| labels.len() as f32 / (classes * counts[usize::from(*label)]) as f32;
        Some(labels.iter().map(weight).collect())
    }
}

/// A classifier's training.
pub(super) struct Classification {
    config: Config,
    train: Part,
    validation: Part,
    dataset: &'static str,
    threads: usize,
    teachers: Option<Teachers>,
    teachers_hashes: Option<Vec<String>>,
    /// What the teachers answer to every view, `[views · examples, classes]`, where that is asked once for all epochs.
    answers: Option<Tensor>,
    gradients: Option<Box<dyn Gradients>>,
}

impl Classification {
    pub(super) fn load(setup: &Setup, datasets: &Datasets) -> AppResult<Self> {
        let config: Config = setup.config()?;
        let (train, validation) = Part::training(datasets, setup.dataset, config.validation_share)?;
        if train.is_empty() {
            return Err(AppError::invalid("config.validation_share", "nothing is left to learn from"));
        }
        let [height, width, _] = setup.dataset.shape;
        for (turns, key) in [(config.turn, "turn"), (config.views == Views::FlipsAndTurns, "views")] {
            if turns && height != width {
                return Err(AppError::invalid(
                    format!("config.{key}"),
                    format!("images of {height} x {width} can't be turned by quarters"),
                ));
            }
        }
        let asked = (!config.teacher.is_empty()).then(|| Teachers::open(&config.teacher, &setup.spec, setup.device));
        let teachers = asked.transpose()?;
        Ok(Self {
            threads: threads_for(&*setup.network, config.batch_size, setup.spec.threads),
            teachers_hashes: teachers.as_ref().map(Teachers::hashes).transpose()?,
            teachers,
            dataset: &setup.dataset.about.name,
            config,
            train,
            validation,
            answers: None,
            gradients: None,
        })
    }

    /// Whether a view comes again often enough that the teachers are asked about all of them once, and not in each epoch about what it shows.
    fn asks_once(&self, epochs: u64) -> bool {
        let Config { colour, mixup, cutmix, .. } = self.config;
        [colour, mixup, cutmix].iter().all(|strength| *strength == 0.0) && self.augmentation().views() as u64 <= epochs
    }

    /// Lets the teachers answer, where there are some to be asked once. `false` when it was cancelled on the way.
    fn ask_teachers(&mut self, course: &Course, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> bool {
        let Some(teachers) = self.teachers.as_ref().filter(|_| self.asks_once(course.config.epochs)) else { return true };
        let device = course.device;
        let (start, augmentation) = (Instant::now(), self.augmentation());
        let temperature = self.config.teacher_temperature;
        self.answers = teachers.answers(&self.train, augmentation, temperature, device, cancelled);
        let (views, seconds) = (augmentation.views() * self.train.len(), start.elapsed().as_secs_f64());
        say(Event::Log { message: format!("the teacher answered to {views} views of the images in {seconds:.0} s") });
        self.answers.is_some()
    }

    fn augmentation(&self) -> Augmentation {
        let Config { shift, padding, flip, turn, .. } = self.config;
        Augmentation { shift, reflected: padding == Padding::Reflected, flip, turn }
    }

    /// What the network should answer in this epoch, `[examples, classes]`; each row sums to what its example counts.
    fn targets(&self, course: &Course, examples: &Epoch, labels: &[i64]) -> Tensor {
        let classes = course.network.outputs();
        let mut targets = Tensor::from_slice(labels).to_device(course.device).one_hot(classes).to_kind(Kind::Float);
        let smoothing = self.config.label_smoothing;
        if smoothing > 0.0 {
            targets = targets * (1.0 - smoothing) + smoothing / classes as f64;
        }
        if let Some(answers) = &self.answers {
            let places: Vec<i64> = examples.answer_places().map(|place| place as i64).collect();
            let answers = answers.index_select(0, &Tensor::from_slice(&places).to_device(course.device));
            self.learn_from(&answers, &targets);
        }
        let labels: Vec<u8> = labels.iter().map(|label| *label as u8).collect();
        if let Some(weights) = self.config.class_weights.of(&labels) {
            targets *= Tensor::from_slice(&weights).to_device(course.device).unsqueeze(1);
        }
        targets
    }

    /// Gives the teachers' answers `[rows, classes]` their share of the targets, each of which keeps its sum.
    fn learn_from(&self, answers: &Tensor, targets: &Tensor) {
        let sums = targets.sum_dim_intlist(1_i64, true, Kind::Float);
        let _ = targets.shallow_clone().lerp_(&(answers * sums), self.config.teacher_share);
    }

    /// What the network says of the validation part, by `look`, `[examples, classes]`.
    fn of_validation(&self, course: &Course, look: impl Fn(&Weights, &Tensor) -> Result<Tensor, ModelError>) -> AppResult<Tensor> {
        let mut answers = Vec::new();
        for start in (0..self.validation.len()).step_by(VALIDATION_CHUNK) {
            let pixels = self.validation.pixels(start..self.validation.len().min(start + VALIDATION_CHUNK));
            let images = as_images(pixels, course.network.input(), course.device);
            answers.push(look(course.weights_in_use(), &images).context("can't validate")?);
        }
        Ok(Tensor::cat(&answers, 0))
    }

    /// Loss and accuracy on the validation part, if there is one.
    fn validate(&self, course: &Course) -> AppResult<Option<[f64; 2]>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let labels: Vec<i64> = self.validation.labels().iter().map(|label| i64::from(*label)).collect();
        let answers = self.of_validation(course, |weights, images| infer(&*course.network, weights, images))?;
        let targets = Tensor::from_slice(&labels).to_device(course.device).one_hot(course.network.outputs()).to_kind(Kind::Float);
        match measure(&answers, &targets, &labels) {
            Ok(measured) => Ok(Some(measured)),
            Err(_) => Err(course.not_finite(course.steps_per_epoch - 1)),
        }
    }
}

impl Lesson for Classification {
    fn extent(&self) -> Extent {
        let examples = self.train.len();
        Extent {
            steps_per_epoch: examples.div_ceil(self.config.batch_size) as u64,
            examples_per_epoch: examples as u64,
            threads: self.threads,
            identity: vec![self.train.hash().into(), self.teachers_hashes.clone().into()],
        }
    }

    fn begin(&mut self, course: &Course, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<bool> {
        let threads = self.threads;
        say(Event::Log {
            message: format!(
                "{} with {} parameters on {}: {} images to learn from, {} to validate; {} on {threads} {}",
                course.spec.system,
                parameter_count(&*course.network),
                self.dataset,
                self.train.len(),
                self.validation.len(),
                if course.device == Device::Cpu { "CPU" } else { "GPU" },
                if threads == 1 { "thread" } else { "threads" },
            ),
        });
        let gradients = self.gradients.insert(gradients(&course.network, &course.weights, &course.gradient));
        let is_without_libtorch = gradients.is_without_libtorch();
        let goes_on = self.ask_teachers(course, say, cancelled);
        if is_without_libtorch {
            // Its threads spin for a while before they sleep: a step took a fifth longer.
            tch::set_num_threads(1);
        }
        Ok(goes_on)
    }

    fn epoch(&mut self, course: &mut Course, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<Option<Vec<Measured>>> {
        let number = course.epoch + 1;
        let train = self.train.clone();
        let Config { batch_size, sampling, colour, mixup, cutmix, .. } = self.config;
        let examples = train.epoch(course.spec.seed, number, sampling, self.augmentation());
        let seed = |purpose: &str| seed_of(course.spec.seed, number, purpose);
        let mut noise = Noise::new(seed("dropout"), course.device);
        let (count, [height, width, _]) = (train.len(), train.examples.shape());
        let factors = Jitter { strength: colour }.draw(seed("colour"), count);
        let blends = Mixing { mixup, cutmix }.draw(seed("mixing"), count, batch_size, [height, width]);
        let live = self.teachers.as_ref().filter(|_| self.answers.is_none());
        let labels: Vec<i64> = examples.labels().map(i64::from).collect();
        let targets = self.targets(course, &examples, &labels);
        let targets = blends.as_ref().map_or_else(|| targets.shallow_clone(), |blends| blends.targets(&targets));
        let log_probabilities = targets.zeros_like(); // [examples, classes], filled step by step
        let focusing = if self.config.loss == Loss::Focal { self.config.focusing } else { 0.0 };
        // Images become f32 for a few steps at once, while their bytes are still in the cache: 9 µs for each step of 32, where a step at a
        // time takes 12 µs, and gathering them from a copy of the data set in f32, four times as large, 11 µs.
        let chunk_size = batch_size * 256_usize.div_ceil(batch_size);
        let (mut pixels, shape) = (Vec::new(), course.network.input());
        let mut rate = 0.0;
        for chunk in (0..count).step_by(chunk_size) {
            let chunk_end = count.min(chunk + chunk_size);
            examples.fill(chunk..chunk_end, &mut pixels);
            let mut images = as_images(&pixels, shape, course.device);
            if let Some(factors) = &factors {
                images = factors.images(&images, chunk);
            }
            if let Some(blends) = &blends {
                images = blends.images(&images, chunk..chunk_end);
            }
            if let Some(teachers) = live {
                let answers = teachers.look(&images, self.config.teacher_temperature);
                self.learn_from(&answers, &targets.narrow(0, chunk as i64, (chunk_end - chunk) as i64));
            }
            for start in (chunk..chunk_end).step_by(batch_size) {
                if cancelled.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let rows = batch_size.min(chunk_end - start) as i64;
                let part = |tensor: &Tensor, start: usize| tensor.narrow(0, start as i64, rows);
                let batch = Batch {
                    images: part(&images, start - chunk),
                    targets: part(&targets, start),
                    log_probabilities: part(&log_probabilities, start),
                    focusing,
                };
                let step = (start / batch_size) as u64;
                if let Some(gradients) = &mut self.gradients {
                    gradients.compute(&batch, &mut noise);
                }
                rate = course.step(step);
                course.tick(step, rows as u64, say);
            }
        }
        // Loss and accuracy of all steps in a few operators: nothing is read back within the epoch, which would take 5 µs a step.
        let of_train = measure(&log_probabilities, &targets, &labels);
        if let Err(row) = of_train {
            return Err(course.not_finite(row / batch_size as u64));
        }
        let of_validation = self.validate(course)?;
        let mut metrics = vec![(Split::Train, "learning_rate", rate)];
        metrics
            .extend(of_train.into_iter().flat_map(|[loss, accuracy]| [(Split::Train, "loss", loss), (Split::Train, "accuracy", accuracy)]));
        metrics.extend(
            of_validation
                .into_iter()
                .flat_map(|[loss, accuracy]| [(Split::Validation, "loss", loss), (Split::Validation, "accuracy", accuracy)]),
        );
        Ok(Some(metrics))
    }

    fn end(&mut self, course: &Course, say: &mut dyn FnMut(Event)) -> AppResult<Vec<(&'static str, String)>> {
        if !self.config.calibrated || self.validation.is_empty() {
            return Ok(Vec::new());
        }
        let probabilities =
            self.of_validation(course, |weights, images| self.config.views.probabilities(&*course.network, weights, images))?;
        let probabilities = Weights::values(&probabilities).context("can't read what the network says")?;
        let temperature = temperature::fit(&probabilities, self.validation.labels(), course.network.outputs() as usize);
        say(Event::Log { message: format!("temperature {temperature:.3} makes the validation loss least") });
        Ok(vec![(TEMPERATURE, temperature.to_string())])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_classes_count_as_much_together() {
        assert_eq!(ClassWeights::None.of(&[0, 0, 1]), None);
        // 4 examples of 2 classes: 4 / (2 · 3) and 4 / (2 · 1). A class without examples has no part.
        let weights = ClassWeights::Balanced.of(&[5, 2, 5, 5]).unwrap();
        assert_eq!(weights, [4.0 / 6.0, 2.0, 4.0 / 6.0, 4.0 / 6.0]);
        assert!((weights.iter().sum::<f32>() - 4.0).abs() < 1e-6);
    }
}
