//! Where a run's network puts each image of a split, before and after its training, and how well that brings labels together; computed once.

use std::{path::Path, sync::Arc};

use super::{
    inference::{Inference, Stage, Trained},
    kept::Kept,
    remembered::Remembered,
    split::{count_of, first_of, part_of},
};
use crate::{
    data::{Dataset, Datasets, Split},
    error::{AppError, AppResult},
    metrics::retrieval::{Labelled, Recall, VOTERS, knn_labels},
    project::{self, Points},
    store::{Run, Store},
    train::{
        dataset_of,
        triplets::{self, Distance, Geometry, Mean, Offline},
    },
};

/// Has runs' networks embed splits, and remembers; shared by all who ask.
pub struct Embedder {
    store: Store,
    datasets: Datasets,
    inference: Inference,
    embeddings: Remembered<Question, Embeddings>,
    retrievals: Remembered<Question, Retrieval>,
}

/// Which network, on which split.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    run: String,
    weights: String,
    stage: Stage,
    split: Split,
}

/// The embeddings of a split.
#[derive(Debug)]
pub struct Embeddings {
    /// The run as it stood.
    pub run: Run,
    /// Whose images they are.
    pub dataset: &'static Dataset,
    /// The split.
    pub split: Split,
    /// Before or after the training.
    pub stage: Stage,
    /// Where its first image is in the data set's own split: a validation split may be the end of the training split.
    pub first: usize,
    /// True labels, `[n]`.
    pub labels: Vec<u8>,
    /// Row-major `[n, dimension]`.
    pub values: Vec<f32>,
    /// Numbers in an embedding.
    pub dimension: usize,
}

/// How well embeddings bring images of one label together.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Retrieval {
    /// Share of the split's images whose label is that of most of their five nearest training images.
    pub knn_accuracy: f64,
    /// Share of the split's images with one of their label among the 1, 5 and 10 nearest others of the split.
    pub recall: Vec<Recall>,
    /// Mean average precision at R among the others of the split.
    pub map_at_r: f64,
    /// Mean loss, as the run's own is measured, over triplets drawn from the split as the course report draws its own.
    pub triplet_loss: f64,
    /// Mean silhouette over all of the split, or over a sample of it where that would take too long.
    pub silhouette: f64,
    /// Labels that most of the five nearest training images have, for each image of the split.
    pub said: Vec<u8>,
}

/// A [`Retrieval`] in the shape of the API.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Retrieved {
    /// Share of the images whose label is that of most of their five nearest training images.
    #[schema(example = 0.985)]
    pub knn_accuracy: f64,
    /// Share of the images with one of their label among so many nearest others of the split.
    #[schema(value_type = Object, example = json!({"1": 0.98, "5": 0.99, "10": 0.99}))]
    pub recall_at: serde_json::Map<String, serde_json::Value>,
    /// Mean average precision at R among the others of the split (Musgrave et al. 2020).
    #[schema(example = 0.95)]
    pub map_at_r: f64,
    /// Mean loss over triplets drawn from the split as the course report draws its own.
    #[schema(example = 0.01)]
    pub triplet_loss: f64,
    /// Mean silhouette (Rousseeuw 1987).
    #[schema(example = 0.7)]
    pub silhouette: f64,
}

impl From<&Retrieval> for Retrieved {
    fn from(found: &Retrieval) -> Self {
        let recall_at = found.recall.iter().map(|recall| (recall.k.to_string(), recall.recall.into())).collect();
        let Retrieval { knn_accuracy, map_at_r, triplet_loss, silhouette, .. } = *found;
        Self { knn_accuracy, recall_at, map_at_r, triplet_loss, silhouette }
    }
}

/// Splits that are remembered: 2.4 MB for 60,000 images of 10 numbers.
const MOST_KNOWN: usize = 16;
/// The array's name in the file that keeps it.
const ARRAY: &str = "embeddings";
/// Depths of recall.
const DEPTHS: [usize; 3] = [1, 5, 10];
/// Images that ask for others of their label, and whose silhouettes are taken: the time grows with their square.
const MOST_COMPARED: usize = 10_000;

impl Embedder {
    /// Computes nothing before it is asked.
    #[must_use]
    pub fn new(store: Store, datasets: Datasets, inference: Inference) -> Self {
        let (embeddings, retrievals) = (Remembered::new(MOST_KNOWN), Remembered::new(MOST_KNOWN));
        Self { store, datasets, inference, embeddings, retrievals }
    }

    /// Where the network of the run called `run` puts the images of `split`. The first call has the network look at every image, unless
    /// that is kept in the run's folder; who asks for the same meanwhile waits for it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run, or no such split of its data; [`AppError::Conflict`] when the run is not done or its
    /// network tells classes apart; [`AppError::Unavailable`] when the data set is not here and nothing is kept, with what brings it.
    pub fn embeddings(&self, run: &str, split: Split, stage: Stage) -> AppResult<Arc<Embeddings>> {
        let run = self.store.run(run)?;
        let trained = self.network(&run, stage)?;
        let question = Question { run: run.id.clone(), weights: trained.weights.clone(), stage, split };
        self.embeddings.get(question, || self.embed(run, trained, split))
    }

    /// How well the trained network of the run called `run` brings images of one label together. Computed once, and kept in the run's folder.
    ///
    /// # Errors
    /// As [`Self::embeddings`].
    pub fn retrieval(&self, run: &str, split: Split) -> AppResult<Arc<Retrieval>> {
        let own = self.embeddings(run, split, Stage::After)?;
        let weights = own.run.weights.clone().unwrap_or_default();
        let question = Question { run: own.run.id.clone(), weights, stage: Stage::After, split };
        self.retrievals.get(question, || self.retrieve(&own))
    }

    /// What [`Self::retrieval`] would give, where that is kept: no network looks at anything.
    #[must_use]
    pub fn kept_retrieval(&self, run: &Run, split: Split) -> Option<Retrieval> {
        let bytes = std::fs::read(self.retrieval_file(run, split)).ok()?;
        let kept: KeptRetrieval = serde_json::from_slice(&bytes).ok()?;
        Some(kept.retrieval).filter(|_| run.weights.as_ref() == Some(&kept.weights))
    }

    /// Whether the embeddings of a split are kept, so that no network has to look at its images.
    #[must_use]
    pub fn has_embeddings(&self, run: &Run, split: Split, stage: Stage) -> bool {
        self.store.run_folder(&run.id).join(name(split, stage)).is_file()
    }

    /// How many images of the split the run has embeddings of, as its data set and its settings say. 0 where there is no such split.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when the run's data set is not known.
    pub fn count(run: &Run, split: Split) -> AppResult<usize> {
        Ok(count_of(run, dataset_of(&run.config)?, split))
    }

    fn retrieval_file(&self, run: &Run, split: Split) -> std::path::PathBuf {
        self.store.run_folder(&run.id).join(format!("retrieval-{}.json", split.name()))
    }

    /// The network of the run called `run`.
    ///
    /// # Errors
    /// As [`Self::embeddings`].
    pub fn trained(&self, run: &str, stage: Stage) -> AppResult<(Run, Arc<Trained>)> {
        let run = self.store.run(run)?;
        let trained = self.network(&run, stage)?;
        Ok((run, Arc::new(trained)))
    }

    /// The `k` training images nearest to an embedding by the trained network of the run called `run`: index, label, Euclidean distance, the
    /// nearest first. `without`: an image that is not its own neighbour.
    ///
    /// # Errors
    /// As [`Self::embeddings`].
    pub fn nearest(&self, run: &str, embedding: &[f32], k: usize, without: Option<usize>) -> AppResult<Vec<(usize, u8, f32)>> {
        let gallery = self.embeddings(run, Split::Train, Stage::After)?;
        let query = Points::new(embedding, gallery.dimension).map_err(|error| AppError::invalid("embedding", format!("{error}.")))?;
        let found = project::neighbours(gallery.points()?, query, k + 1).map_err(|error| AppError::Internal(error.into()))?;
        let found = found.of(0).filter(|(index, _)| Some(*index) != without).take(k);
        Ok(found.map(|(index, distance)| (index, gallery.labels[index], distance)).collect())
    }

    /// The network of `run`, which must be one that embeds.
    fn network(&self, run: &Run, stage: Stage) -> AppResult<Trained> {
        if !embeds(run) {
            return Err(AppError::Conflict(format!("The network of {} makes no embeddings: it tells classes apart.", run.id)));
        }
        match stage {
            Stage::Before => Ok(Trained::before(&self.store, run)),
            Stage::After => Trained::of(&self.store, run),
        }
    }

    fn embed(&self, run: Run, trained: Trained, split: Split) -> AppResult<Embeddings> {
        let (dataset, stage) = (dataset_of(&run.config)?, trained.stage);
        let path = trained.folder.join(name(split, stage));
        let kept = match Kept::read(&path, ARRAY, &trained.weights) {
            Some(kept) => kept,
            None => self.compute(&run, dataset, trained, split, &path)?,
        };
        let first = first_of(&run, dataset, split);
        Ok(Embeddings { run, dataset, split, stage, first, labels: kept.labels, values: kept.values, dimension: kept.columns })
    }

    fn compute(&self, run: &Run, dataset: &'static Dataset, trained: Trained, split: Split, path: &Path) -> AppResult<Kept> {
        let part = part_of(&self.datasets, run, dataset, split)?;
        let labels = part.labels().to_vec();
        let weights = trained.weights.clone();
        let values = self.inference.part(Arc::new(trained), part.examples, part.range)?;
        let columns = values.len() / labels.len().max(1);
        let kept = Kept { labels, values, columns, ..Kept::default() };
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(AppError::from);
        match written.and_then(|()| kept.write(path, ARRAY, &weights)) {
            Ok(()) => self.store.revise(),
            Err(error) => tracing::warn!(run = run.id, "its embeddings can't be kept: {error}"), // and are computed again when they are needed
        }
        Ok(kept)
    }

    fn retrieve(&self, own: &Embeddings) -> AppResult<Retrieval> {
        let path = self.retrieval_file(&own.run, own.split);
        let weights = own.run.weights.as_deref().unwrap_or_default();
        if let Some(kept) = self.kept_retrieval(&own.run, own.split).filter(|kept| kept.said.len() == own.labels.len()) {
            return Ok(kept);
        }
        let said = self.vote(own)?;
        let right = said.iter().zip(&own.labels).filter(|(said, label)| said == label).count();
        let count = own.labels.len().min(MOST_COMPARED);
        let part = Labelled::new(&own.values[..count * own.dimension], own.dimension, &own.labels[..count]).map_err(internal)?;
        let found = part.retrieval(&DEPTHS).map_err(internal)?;
        let retrieval = Retrieval {
            knn_accuracy: right as f64 / own.labels.len() as f64,
            recall: found.recall,
            map_at_r: found.map_at_r,
            triplet_loss: triplet_loss(own)?,
            silhouette: part.silhouette().map_err(internal)?,
            said,
        };
        let kept = KeptRetrieval { weights: weights.to_owned(), retrieval: retrieval.clone() };
        let written = serde_json::to_vec(&kept).map_err(|error| AppError::Internal(error.into()));
        match written.and_then(|bytes| crate::data::write_whole(&path, |file| std::io::Write::write_all(file, &bytes))) {
            Ok(()) => self.store.revise(),
            Err(error) => tracing::warn!(run = own.run.id, "what was found can't be kept: {error}"),
        }
        Ok(retrieval)
    }

    /// The label that most of the nearest training images have, for each image; a training image is not its own neighbour.
    fn vote(&self, own: &Embeddings) -> AppResult<Vec<u8>> {
        let gallery = self.embeddings(&own.run.id, Split::Train, Stage::After)?;
        let points = gallery.points()?;
        let found = if own.split == Split::Train {
            project::neighbours_within(points, VOTERS)
        } else {
            project::neighbours(points, own.points()?, VOTERS)
        };
        let found = found.map_err(|error| AppError::Internal(error.into()))?;
        knn_labels(&found.indices, found.per_query, found.per_query, &gallery.labels).map_err(internal)
    }
}

/// The label that most of the first [`VOTERS`] labels are; of several, the one that comes first. 0 without any.
pub fn vote(labels: impl Iterator<Item = u8>) -> u8 {
    let labels: Vec<u8> = labels.take(VOTERS).collect();
    let places: Vec<u32> = (0..labels.len() as u32).collect();
    knn_labels(&places, places.len(), places.len(), &labels).ok().and_then(|said| said.first().copied()).unwrap_or_default()
}

/// Whether the network of `run` makes embeddings, and tells no classes apart.
#[must_use]
pub fn embeds(run: &Run) -> bool {
    run.system == "triplet"
}

/// A retrieval, and of which weights.
#[derive(serde::Serialize, serde::Deserialize)]
struct KeptRetrieval {
    weights: String,
    retrieval: Retrieval,
}

impl Embeddings {
    /// As points to be searched or projected.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when the network gave a value that is not finite.
    pub fn points(&self) -> AppResult<Points<'_>> {
        Points::new(&self.values, self.dimension)
            .map_err(|error| AppError::Conflict(format!("The embeddings of {}: {error}.", self.run.id)))
    }

    /// In what space the run's network learned.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        let setting = |key: &str| self.run.config.get(key).cloned().unwrap_or_default();
        Geometry {
            distance: serde_json::from_value(setting("distance")).unwrap_or(Distance::Squared),
            normalise: setting("normalised").as_bool().unwrap_or_default(),
        }
    }

    /// One embedding, `[dimension]`.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dimension..][..self.dimension]
    }

    /// `index,label,e0,...`, one row for each image, in the data set's order.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let names = (0..self.dimension).map(|column| format!(",e{column}")).collect::<String>();
        let rows = self.labels.iter().enumerate().map(|(index, label)| {
            let values = self.row(index).iter().map(|value| format!(",{value}")).collect::<String>();
            format!("{index},{label}{values}\n")
        });
        format!("index,label{names}\n{}", rows.collect::<String>())
    }
}

/// What a split's embeddings are called in the run's folder.
#[must_use]
pub fn name(split: Split, stage: Stage) -> String {
    format!("embeddings-{}-{}.safetensors", stage.name(), split.name())
}

/// The mean over 225,000 triplets of a split with ten labels.
fn triplet_loss(own: &Embeddings) -> AppResult<f64> {
    let internal = |error: triplets::TripletError| AppError::Internal(error.into());
    let drawn = Offline { validation_share: 0.0, ..Offline::default() }.draw(&own.labels, own.run.seed).map_err(internal)?;
    let embeddings = triplets::Embeddings::new(&own.values, own.dimension, own.geometry()).map_err(internal)?;
    let margin = own.run.config.get("margin").and_then(serde_json::Value::as_f64).unwrap_or_default();
    Ok(triplets::losses::triplet_margin(&embeddings, &drawn.training, margin, Mean::All).map_err(internal)?.loss)
}

fn internal(error: crate::metrics::MetricsError) -> AppError {
    AppError::Internal(error.into())
}
