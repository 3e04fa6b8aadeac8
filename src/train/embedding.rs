//! Learning to lay images of one label near each other: triplets made before the training, or mined from each batch.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;
use tch::{Device, Tensor};

use super::{
    Event,
    course::{Course, Extent, Setup},
    distortion::Distortions,
    examples::{Part, seed_of},
    fit::{Lesson, Measured},
    predictor::as_images,
    triplets::{
        Batches, Collapse, Distance, Embeddings, Geometry, Mean, Mining, Objective, Offline, Reason, Remedy, Spread, Step, Triplet,
        TripletError, Triplets, Watch, contrast::MultiSimilarity, losses::triplet_margin,
    },
    views::Augmentation,
};
use crate::{
    data::{Datasets, Split},
    error::{AppError, AppResult},
    metrics::retrieval::{VOTERS, knn_accuracy},
    models::{Backpropagation, Noise, Recorded, Weights, infer, parameter_count},
    project::{Points, neighbours},
};

/// What this training is told beside what every training is.
#[derive(Debug, Clone, Deserialize)]
struct Config {
    dimension: usize,
    triplets: Choice,
    loss: Loss,
    margin: f64,
    distance: Distance,
    normalised: bool,
    warm_up: u64,
    classes_per_batch: usize,
    images_per_class: usize,
    batch_size: usize,
    pairs: usize,
    negatives: usize,
    validation_share: f64,
    held_out: f64,
    shift: usize,
    flip: bool,
    rotation: f64,
    zoom: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Offline,
    Random,
    BatchAll,
    SemiHard,
    DistanceWeighted,
    BatchHard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    Triplet,
    MultiSimilarity,
    SupervisedContrastive,
}

impl Config {
    fn geometry(&self) -> Geometry {
        Geometry { distance: self.distance, normalise: self.normalised }
    }

    fn is_offline(&self) -> bool {
        self.loss == Loss::Triplet && self.triplets == Choice::Offline
    }

    /// What the batches of an epoch, from 1, are learned by; of triplets made before the training, what their loss is.
    fn objective(&self, epoch: u64) -> Objective {
        let mining = match self.triplets {
            _ if epoch <= self.warm_up && matches!(self.triplets, Choice::BatchHard | Choice::DistanceWeighted) => Mining::All,
            Choice::Offline | Choice::Random => Mining::Random,
            Choice::BatchAll => Mining::All,
            Choice::SemiHard => Mining::SemiHard,
            Choice::DistanceWeighted => Mining::DistanceWeighted,
            Choice::BatchHard => Mining::Hard,
        };
        match self.loss {
            Loss::Triplet => {
                let mean = if mining == Mining::All { Mean::Active } else { Mean::All };
                Objective::Triplet { mining, geometry: self.geometry(), margin: self.margin, mean }
            }
            Loss::MultiSimilarity => Objective::MultiSimilarity(MultiSimilarity::default()),
            Loss::SupervisedContrastive => Objective::SupervisedContrastive { temperature: TEMPERATURE },
        }
    }
}

/// What supervised contrastive loss divides similarities by, as its source does.
const TEMPERATURE: f64 = 0.1;
/// Images to a forward pass where nothing is learned.
const CHUNK: usize = 1024;

/// The training of embeddings.
pub(super) struct Embedding {
    config: Config,
    dataset: &'static str,
    threads: usize,
    train: Part,
    held_out: Part,
    triplets: Triplets,
    backpropagation: Option<Box<dyn Backpropagation>>,
    /// Looks for a collapse, over the epochs that have one objective.
    watch: Option<(Objective, Watch)>,
}

/// What the steps of an epoch add up to.
#[derive(Default)]
struct Sums {
    loss: f64,
    weight: f64,
    terms: u64,
    active: u64,
    spread: f64,
    steps: u64,
}

impl Embedding {
    pub(super) fn load(setup: &Setup, datasets: &Datasets) -> AppResult<Self> {
        let config: Config = setup.config()?;
        let (train, held_out) = Part::split(&datasets.examples(setup.dataset, Split::Train)?, config.held_out);
        let offline = Offline { pairs: config.pairs, negatives: config.negatives, validation_share: config.validation_share };
        let triplets = offline.draw(train.labels(), seed_of(setup.spec.seed, 0, "triplets")).map_err(|error| refused(&error))?;
        if config.is_offline() && triplets.training.is_empty() {
            return Err(AppError::invalid("config.validation_share", "nothing is left to learn from"));
        }
        let dataset = &setup.dataset.about.name;
        Ok(Self { config, dataset, threads: setup.spec.threads, train, held_out, triplets, backpropagation: None, watch: None })
    }

    fn batches(&self) -> Batches {
        Batches { classes: self.config.classes_per_batch, images: self.config.images_per_class }
    }

    /// The images of each step of an epoch, and how many triplets they are when those were made before: anchors, positives, negatives in turn.
    fn steps(&self, seed: u64, epoch: u64) -> AppResult<Vec<Vec<u32>>> {
        if !self.config.is_offline() {
            return self.batches().epoch(self.train.labels(), seed, epoch).map_err(|error| refused(&error));
        }
        let mut order = self.triplets.training.clone();
        rand::seq::SliceRandom::shuffle(&mut order[..], &mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, epoch, "order")));
        let images = |triplets: &[Triplet]| (0..3).flat_map(|role| triplets.iter().map(move |triplet| triplet[role])).collect();
        Ok(order.chunks(self.config.batch_size).map(images).collect())
    }

    /// Loss and gradient of one step's embeddings, of the images at `places`.
    fn loss(&self, objective: &Objective, values: &[f32], places: &[u32], seed: u64) -> Result<Step, TripletError> {
        if !self.config.is_offline() {
            let labels: Vec<u8> = places.iter().map(|&place| self.train.labels()[place as usize]).collect();
            return objective.step(values, self.config.dimension, &labels, seed);
        }
        let count = (places.len() / 3) as u32;
        let triplets: Vec<Triplet> = (0..count).map(|place| [place, count + place, 2 * count + place]).collect();
        triplet_margin(&Embeddings::new(values, self.config.dimension, self.config.geometry())?, &triplets, self.config.margin, Mean::All)
    }

    /// Embeddings of images of a part by the weights in use, `[count, dimension]`.
    fn embed(&self, course: &Course, part: &Part, places: &[u32]) -> AppResult<Vec<f32>> {
        let mut values = Vec::with_capacity(places.len() * self.config.dimension);
        let mut pixels = Vec::new();
        for chunk in places.chunks(CHUNK) {
            pixels.clear();
            chunk.iter().for_each(|&place| pixels.extend_from_slice(part.pixels(place as usize..place as usize + 1)));
            let images = as_images(&pixels, course.network.input(), course.device);
            let outputs = infer(&*course.network, course.weights_in_use(), &images).context("can't embed")?;
            values.extend(Weights::values(&outputs).context("can't embed")?);
        }
        Ok(values)
    }

    /// Mean loss over the triplets that validate; and, where images are held out, the share of them whose nearest neighbour among the others has
    /// their label.
    fn validate(&self, course: &Course) -> AppResult<Vec<Measured>> {
        let mut measured = Vec::new();
        let validation = &self.triplets.validation;
        if !validation.is_empty() {
            let mut used: Vec<u32> = validation.iter().flatten().copied().collect();
            used.sort_unstable();
            used.dedup();
            let values = self.embed(course, &self.train, &used)?;
            let place = |image: u32| used.partition_point(|other| *other < image) as u32;
            let triplets: Vec<Triplet> = validation.iter().map(|triplet| triplet.map(place)).collect();
            let embeddings = Embeddings::new(&values, self.config.dimension, self.config.geometry());
            let step = embeddings.and_then(|embeddings| triplet_margin(&embeddings, &triplets, self.config.margin, Mean::All));
            measured.push((Split::Validation, "loss", step.map_err(|error| refused(&error))?.loss));
        }
        if !self.held_out.is_empty() {
            let all = |part: &Part| (0..part.len() as u32).collect::<Vec<_>>();
            let gallery = self.embed(course, &self.train, &all(&self.train))?;
            let queries = self.embed(course, &self.held_out, &all(&self.held_out))?;
            let points = |values| Points::new(values, self.config.dimension).map_err(|_| course.not_finite(course.steps_per_epoch - 1));
            let found = neighbours(points(&gallery)?, points(&queries)?, VOTERS).context("can't find neighbours")?;
            let (each, labels) = (found.per_query, self.held_out.labels());
            let accuracy = knn_accuracy(&found.indices, each, each, self.train.labels(), labels).context("can't count votes")?;
            measured.push((Split::Validation, "knn_accuracy", accuracy));
        }
        Ok(measured)
    }
}

impl Lesson for Embedding {
    fn extent(&self) -> Extent {
        let (steps, examples) = if self.config.is_offline() {
            let triplets = self.triplets.training.len();
            (triplets.div_ceil(self.config.batch_size), 3 * triplets)
        } else {
            let steps = self.batches().count(self.train.len());
            (steps, steps * self.batches().classes * self.batches().images)
        };
        Extent {
            steps_per_epoch: steps as u64,
            examples_per_epoch: examples as u64,
            threads: self.threads,
            identity: vec![self.train.hash().into(), self.held_out.hash().into()],
        }
    }

    fn begin(&mut self, course: &Course, say: &mut dyn FnMut(Event), _cancelled: &AtomicBool) -> AppResult<bool> {
        let Triplets { training, validation } = &self.triplets;
        let learned = if self.config.is_offline() {
            format!("{} triplets to learn from", training.len())
        } else {
            format!("{} images to learn from", self.train.len())
        };
        say(Event::Log {
            message: format!(
                "{} with {} parameters on {}: {learned}, {} triplets to validate; {} on {} threads",
                course.spec.system,
                parameter_count(&*course.network),
                self.dataset,
                validation.len(),
                if course.device == Device::Cpu { "CPU" } else { "GPU" },
                self.threads,
            ),
        });
        let direct = course.network.direct(&course.weights, &course.gradient);
        if direct.is_some() {
            // Beside our kernels libtorch has little to do, and its threads would wait for more on the cores that these need.
            tch::set_num_threads(1);
        }
        self.backpropagation = Some(direct.unwrap_or_else(|| Box::new(Recorded::new(&course.network, &course.weights, &course.gradient))));
        Ok(true)
    }

    fn epoch(&mut self, course: &mut Course, say: &mut dyn FnMut(Event), cancelled: &AtomicBool) -> AppResult<Option<Vec<Measured>>> {
        let (number, seed) = (course.epoch + 1, course.spec.seed);
        let objective = self.config.objective(number);
        let steps = self.steps(seed, number)?;
        let mut noise = Noise::new(seed_of(seed, number, "dropout"), course.device);
        let mut draws = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, number, "mining"));
        let mut views = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, number, "augmentation"));
        let augmentation = Augmentation { shift: self.config.shift, flip: self.config.flip, ..Augmentation::default() };
        let distortions = Distortions { rotation: self.config.rotation, zoom: self.config.zoom };
        let mut watch = match self.watch.take() {
            Some((known, watch)) if known == objective => watch,
            _ => Watch::new(objective),
        };
        let (mut sums, mut rate, mut pixels, mut image) = (Sums::default(), 0.0, Vec::new(), Vec::new());
        for (step, places) in steps.iter().enumerate() {
            if cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            pixels.clear();
            for &place in places {
                let view = augmentation.view(views.random_range(0..augmentation.views()));
                match distortions.draw(&mut views) {
                    None => self.train.append(place as usize, view, &mut pixels),
                    Some(distortion) => {
                        image.clear();
                        self.train.append(place as usize, view, &mut image);
                        distortion.append(&image, self.train.examples.shape(), &mut pixels);
                    }
                }
            }
            let images = as_images(&pixels, course.network.input(), course.device);
            let Some(backpropagation) = &mut self.backpropagation else { break };
            let outputs = backpropagation.forward(&images, &mut noise);
            let values = Weights::values(&outputs).context("can't read the embeddings")?;
            let learned = match self.loss(&objective, &values, places, draws.random()) {
                Ok(learned) => learned,
                Err(TripletError::NotFinite { .. } | TripletError::TooFar) => return Err(course.not_finite(step as u64)),
                Err(error) => return Err(refused(&error)),
            };
            let gradient = Tensor::from_slice(&learned.gradient).view_as(&outputs).to_device(course.device);
            let Some(backpropagation) = &mut self.backpropagation else { break };
            backpropagation.backward(&gradient);
            rate = course.step(step as u64);
            let spread = self.spread(&objective, &values, places)?;
            if let Some(collapse) = watch.see(spread, learned.loss) {
                return Err(collapsed(&collapse, &objective, course, self.config.warm_up));
            }
            sums.add(&learned, spread, places.len());
            course.tick(step as u64, places.len() as u64, say);
        }
        self.watch = Some((objective, watch));
        let mut measured = vec![(Split::Train, "learning_rate", rate)];
        measured.extend(sums.measured());
        measured.extend(self.validate(course)?);
        if measured.iter().any(|(.., value)| !value.is_finite()) {
            return Err(course.not_finite(course.steps_per_epoch - 1));
        }
        Ok(Some(measured))
    }
}

impl Embedding {
    /// How far a step's embeddings are spread.
    fn spread(&self, objective: &Objective, values: &[f32], places: &[u32]) -> AppResult<Spread> {
        let labels: Vec<u8> = places.iter().map(|&place| self.train.labels()[place as usize]).collect();
        let embeddings = Embeddings::new(values, self.config.dimension, objective.geometry());
        embeddings.and_then(|embeddings| Spread::of(&embeddings, &labels)).map_err(|error| refused(&error))
    }
}

impl Sums {
    fn add(&mut self, step: &Step, spread: Spread, images: usize) {
        // Steps count by their images, so that a last, smaller one weighs less, as in Keras's running mean.
        self.loss += step.loss * images as f64;
        self.weight += images as f64;
        self.terms += step.terms;
        self.active += step.active;
        self.spread += spread.relative;
        self.steps += 1;
    }

    fn measured(&self) -> [Measured; 3] {
        [
            (Split::Train, "loss", self.loss / self.weight.max(1.0)),
            (Split::Train, "active", self.active as f64 / self.terms.max(1) as f64),
            (Split::Train, "spread", self.spread / self.steps.max(1) as f64),
        ]
    }
}

fn refused(error: &TripletError) -> AppError {
    AppError::invalid("config", error.to_string())
}

/// Why a training whose images have all landed on one point is ended, and what helps.
fn collapsed(collapse: &Collapse, objective: &Objective, course: &Course, warm_up: u64) -> AppError {
    let seen = match collapse.reason {
        Reason::OnePoint => "all images have almost the same embedding",
        Reason::Shrunk => "all embeddings have shrunk together, and the loss stands at the margin",
    };
    let (rate, warm_up) = (course.config.learning_rate / 10.0, 2 * warm_up.max(1));
    let remedy = |remedy: Remedy| match remedy {
        Remedy::EasierTriplets => format!("easier triplets first (warm_up={warm_up}, or triplets=semi_hard)"),
        Remedy::StraightDistance => "distance=euclidean".to_owned(),
        Remedy::Normalise => "normalised=true".to_owned(),
        Remedy::SmallerMargin => "a margin below 1".to_owned(),
        Remedy::LowerLearningRate => format!("learning_rate={rate}"),
    };
    let remedies: Vec<String> = collapse.remedies(objective).into_iter().map(remedy).collect();
    AppError::invalid(
        "config.triplets",
        format!(
            "the network has collapsed in epoch {}: for {} steps in a row {seen} (spread {:.1e}, mean distance between labels {:.1e}). Try {}.",
            course.epoch + 1,
            collapse.steps,
            collapse.spread.relative,
            collapse.spread.between,
            remedies.join("; or "),
        ),
    )
}
