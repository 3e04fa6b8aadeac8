//! Why a run's classifier says what it says: where in an image it looks, and which training images it finds alike.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    inference::{Inference, Trained},
    judge::Judge,
    kept::Kept,
    kept_attention::KeptAttention,
    remembered::Remembered,
    split::part_of,
};
use crate::{
    data::{Dataset, Datasets, Split},
    error::{AppError, AppResult},
    store::{Run, Store},
    train::{Attention, dataset_of},
};

/// Explains what runs' classifiers say, and remembers what that takes; shared by all who ask.
pub struct Explainer {
    store: Store,
    datasets: Datasets,
    inference: Inference,
    galleries: Remembered<(String, String), Gallery>,
}

/// What a network makes of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Probability of each class, `[classes]`; empty where only maps were kept.
    pub probabilities: Vec<f32>,
    /// Maps of classes, `[height, width]`, at least 0; where only some were kept, these.
    pub heat: Vec<(usize, Vec<f32>)>,
    /// Height and width of a map.
    pub side: [usize; 2],
    /// What the network makes of the image before it decides, `[channels]`; empty where only maps were kept.
    pub features: Vec<f32>,
    /// The image, `[height, width, channels]`, 0 to 255; none where the data set is not here.
    pub pixels: Option<Vec<u8>>,
}

/// A training image that a network finds like another image.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Near {
    /// Its number in the training split.
    #[schema(example = 4711)]
    pub index: usize,
    /// Its class.
    #[schema(example = 5)]
    pub label: usize,
    /// The name of its class.
    #[schema(example = "melanocytic nevi")]
    pub name: String,
    /// Cosine of the angle between both images' features, at most 1.
    #[schema(example = 0.987)]
    pub similarity: f32,
}

/// The features of a run's training images.
struct Gallery {
    labels: Vec<u8>,
    /// Brought to unit length, `[n, channels]`.
    features: Vec<f32>,
    channels: usize,
}

/// Galleries that are remembered: 1.8 MB each, for 7,007 images.
const MOST_KNOWN: usize = 8;
/// What a gallery is called in its run's folder. It is not exported: a minute's work at most where the images are.
const GALLERY: &str = "features-train.safetensors";
/// The array's name in it.
const ARRAY: &str = "features";

impl Explainer {
    /// Computes nothing before it is asked.
    #[must_use]
    pub fn new(store: Store, datasets: Datasets, inference: Inference) -> Self {
        Self { store, datasets, inference, galleries: Remembered::new(MOST_KNOWN) }
    }

    /// What the network of the run called `run` makes of an image of one of its splits. Where the weights or the images are not here, the maps
    /// that were kept, of images that it got wrong.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run or image; [`AppError::Conflict`] when the run is not done, or its network's last layers do
    /// not tell where it looks; [`AppError::Unavailable`] when what is needed is not here.
    pub fn image(&self, run: &str, split: Split, index: usize) -> AppResult<Explained> {
        let run = self.store.run(run)?;
        let trained = Trained::of(&self.store, &run)?;
        let dataset = dataset_of(&run.config)?;
        let folder = trained.folder.clone();
        let kept = |error: AppError| {
            let kept = KeptAttention::read(&folder, split, run.weights.as_deref().unwrap_or_default());
            kept.and_then(|kept| kept.image(index)).ok_or(error)
        };
        let part = match part_of(&self.datasets, &run, dataset, split) {
            Ok(part) => part,
            Err(error @ AppError::Unavailable(_)) => return kept(error),
            Err(error) => return Err(error),
        };
        if index >= part.len() {
            let last = part.len().saturating_sub(1);
            return Err(AppError::not_found(format!("There is no image {index} in {}; they run from 0 to {last}.", split.name())));
        }
        let pixels = part.pixels(index..index + 1).to_vec();
        let said = match self.inference.closely_now(Arc::new(trained), pixels.clone()) {
            Ok(said) => said,
            Err(error @ AppError::Unavailable(_)) => return kept(error).map(|kept| Explained { pixels: Some(pixels), ..kept }),
            Err(error) => return Err(error),
        };
        let attention = said.attention.ok_or_else(|| unexplained(&run))?;
        Ok(Explained::of(said.answers, &attention, Some(pixels)))
    }

    /// The `k` training images whose features are most like `features`, `[channels]`, by the network of `run`, the most alike first.
    /// `without`: an image that is not like itself.
    ///
    /// # Errors
    /// As [`Self::image`]. The first call for a run has its network look at every training image.
    pub fn nearest(&self, run: &Run, features: &[f32], k: usize, without: Option<usize>) -> AppResult<Vec<Near>> {
        let dataset = dataset_of(&run.config)?;
        let gallery = self.gallery(run, dataset)?;
        if features.len() != gallery.channels {
            return Err(AppError::Internal(anyhow::anyhow!("{} features were given, {} are known", features.len(), gallery.channels)));
        }
        let mut query = features.to_vec();
        to_unit_length(&mut query);
        let similarity = |row: &[f32]| row.iter().zip(&query).map(|(one, other)| one * other).sum::<f32>();
        let mut found: Vec<(usize, f32)> = gallery.features.chunks_exact(gallery.channels).map(similarity).enumerate().collect();
        found.retain(|(index, _)| Some(*index) != without);
        let k = k.min(found.len());
        if k > 0 {
            let order = |one: &(usize, f32), other: &(usize, f32)| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0));
            found.select_nth_unstable_by(k - 1, order);
            found.truncate(k);
            found.sort_unstable_by(order);
        }
        let near = |(index, similarity): (usize, f32)| {
            let label = usize::from(gallery.labels[index]);
            Near { index, label, name: dataset.classes[label].clone(), similarity: similarity.min(1.0) }
        };
        Ok(found.into_iter().map(near).collect())
    }

    /// Keeps in the run's folder where its network looks in those images of `split` that it gets wrong: for the class that it says, and for the
    /// true one. How many images these are; none where its last layers do not tell, or that is kept already.
    ///
    /// # Errors
    /// As [`Judge::judge`]; what the disk says.
    pub fn keep_mistakes(&self, judge: &Judge, run: &str, split: Split) -> AppResult<Option<usize>> {
        let judgement = judge.judge(run, split)?;
        let run = &judgement.run;
        let trained = Trained::of(&self.store, run)?;
        let (folder, weights) = (trained.folder.clone(), trained.weights.clone());
        if KeptAttention::read(&folder, split, &weights).is_some() {
            return Ok(None);
        }
        let part = part_of(&self.datasets, run, judgement.dataset, split)?;
        let said = self.inference.part_closely(Arc::new(trained), part.examples, part.range)?;
        let Some(attention) = said.attention else { return Ok(None) };
        let mistakes = judgement.predictions.mistakes();
        let mut kept = KeptAttention::new(&weights, attention.side);
        for &index in &mistakes {
            for label in [judgement.predictions.predicted()[index], judgement.predictions.labels()[index]] {
                if let Some(map) = attention.map(index, usize::from(label)) {
                    kept.add(index, usize::from(label), map);
                }
            }
        }
        kept.write(&folder, split)?;
        self.store.revise();
        Ok(Some(mistakes.len()))
    }

    fn gallery(&self, run: &Run, dataset: &'static Dataset) -> AppResult<Arc<Gallery>> {
        let trained = Trained::of(&self.store, run)?;
        self.galleries.get((run.id.clone(), trained.weights.clone()), || {
            let path = trained.folder.join(GALLERY);
            let kept = if let Some(kept) = Kept::read(&path, ARRAY, &trained.weights) {
                kept
            } else {
                let part = part_of(&self.datasets, run, dataset, Split::Train)?;
                let (labels, weights) = (part.labels().to_vec(), trained.weights.clone());
                let attention = self.inference.part_closely(Arc::new(trained), part.examples, part.range)?.attention;
                let Attention { features, channels, .. } = attention.ok_or_else(|| unexplained(run))?;
                let kept = Kept { labels, values: features, columns: channels, ..Kept::default() };
                if let Err(error) = kept.write(&path, ARRAY, &weights) {
                    tracing::warn!(run = run.id, "features of its training images can't be kept: {error}"); // and are computed again
                }
                kept
            };
            let Kept { labels, values: mut features, columns: channels, .. } = kept;
            features.chunks_exact_mut(channels.max(1)).for_each(to_unit_length);
            Ok(Gallery { labels, features, channels })
        })
    }
}

impl Explained {
    /// Of the first image of `attention`.
    #[must_use]
    pub fn of(probabilities: Vec<f32>, attention: &Attention, pixels: Option<Vec<u8>>) -> Self {
        let heat = (0..attention.classes).filter_map(|class| Some((class, attention.map(0, class)?.to_vec()))).collect();
        let features = attention.row(0).map_or_else(Vec::new, |(_, features)| features.to_vec());
        Self { probabilities, heat, side: attention.side, features, pixels }
    }

    /// The map of a class, `[height, width]`.
    #[must_use]
    pub fn map(&self, class: usize) -> Option<&[f32]> {
        self.heat.iter().find(|(other, _)| *other == class).map(|(_, map)| &map[..])
    }

    /// The most probable class; where only maps were kept, the one that was said then.
    #[must_use]
    pub fn said(&self) -> usize {
        let best = |best: usize, class: usize| if self.probabilities[class] > self.probabilities[best] { class } else { best };
        if self.probabilities.is_empty() {
            self.heat.first().map_or(0, |(class, _)| *class)
        } else {
            (1..self.probabilities.len()).fold(0, best)
        }
    }
}

fn unexplained(run: &Run) -> AppError {
    AppError::Conflict(format!(
        "The network of {} does not tell where it looks: it does not end with means of maps and one dense layer.",
        run.id
    ))
}

fn to_unit_length(row: &mut [f32]) {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|value| *value /= length);
    }
}
