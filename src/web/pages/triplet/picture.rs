//! Where a network puts somebody's picture, and what lies near it.

use std::sync::Arc;

use super::{
    super::{
        networks::{address, story},
        words::Voice,
    },
    view::View,
};
use crate::{
    data::{
        Dataset, Split,
        upload::{Step, Upload},
    },
    error::{AppError, AppResult},
    jobs::{self, Map, Stage},
    metrics::retrieval::VOTERS,
    project::{self, Points},
    store::Run,
    web::AppState,
};

/// Nearest images that are shown.
const NEAREST: usize = 10;
/// Nearest images of the map that hold the picture in its place.
const HOLDING: usize = 15;

/// A picture and where it lies.
pub struct Picture {
    /// Whose network it is.
    pub run: Run,
    /// The picture as the network saw it, as the address of an image.
    pub address: String,
    /// What was done to it.
    pub steps: Vec<Step>,
    /// What most of the nearest images are.
    pub said: String,
    /// How many of those that vote agree.
    pub votes: usize,
    /// How many vote.
    pub voters: usize,
    /// The nearest training images.
    pub nearest: Vec<Near>,
    /// The embedding.
    pub embedding: Vec<f32>,
    /// Its place on the map after the training, where that is done.
    pub place: Option<[f32; 2]>,
}

/// A training image near a picture.
pub struct Near {
    /// Its number in the training split.
    pub index: usize,
    /// Its label.
    pub label: String,
    /// Euclidean.
    pub distance: f32,
    /// Where the image is to be had.
    pub address: String,
}

impl Picture {
    /// `embedding`: what the network of `run` makes of the picture; `view`: the map it is to be placed on.
    ///
    /// # Errors
    /// As [`jobs::Embedder::embeddings`].
    pub fn new(app: &AppState, run: Run, dataset: &Dataset, upload: &Upload, embedding: Vec<f32>, view: &View) -> AppResult<Self> {
        let found = app.embedder.nearest(&run.id, &embedding, NEAREST, None)?;
        let label = jobs::vote(found.iter().map(|(_, label, _)| *label));
        let voters = found.len().min(VOTERS);
        let near = |&(index, label, distance): &(usize, u8, f32)| Near {
            index,
            label: name(dataset, label),
            distance,
            address: format!("/api/v1/datasets/{}/images/train/{index}.png", dataset.id()),
        };
        Ok(Self {
            address: address(upload)?,
            steps: upload.steps.clone(),
            said: name(dataset, label),
            votes: found[..voters].iter().filter(|(_, other, _)| *other == label).count(),
            voters,
            nearest: found.iter().map(near).collect(),
            place: place(app, view, &embedding)?,
            embedding,
            run,
        })
    }

    /// What was done, sentence by sentence.
    pub fn story(&self, voice: Voice) -> Vec<String> {
        story(voice, "triplet", &self.steps)
    }
}

/// A class as people call it.
pub fn name(dataset: &Dataset, label: u8) -> String {
    dataset.classes.get(usize::from(label)).cloned().unwrap_or_else(|| label.to_string())
}

/// Refuses a picture on which nothing is to be seen.
///
/// # Errors
/// [`AppError::Invalid`] for `image`.
pub fn require_something(upload: &Upload) -> AppResult<()> {
    let first = upload.pixels.first();
    if upload.pixels.iter().all(|shade| Some(shade) == first) {
        return Err(AppError::invalid("image", "is blank: all its pixels have one shade. Draw a digit, or choose a picture of one."));
    }
    Ok(())
}

fn place(app: &AppState, view: &View, embedding: &[f32]) -> AppResult<Option<[f32; 2]>> {
    let wanted = view.wanted(Stage::After);
    let Some(map) = app.maps.done(wanted)? else { return Ok(None) };
    let own = |split: Split| app.embedder.embeddings(view.run(), split, Stage::After);
    let parts: Vec<Arc<jobs::Embeddings>> = view.splits().into_iter().map(own).collect::<AppResult<_>>()?;
    Ok(place_on(&map, &parts, embedding))
}

/// `None` where the map is none of these embeddings.
fn place_on(map: &Map, parts: &[Arc<jobs::Embeddings>], embedding: &[f32]) -> Option<[f32; 2]> {
    let dimension = embedding.len();
    let values: Vec<f32> = parts.iter().flat_map(|part| part.values.iter().copied()).take(map.places.len() * dimension).collect();
    let query = Points::new(embedding, dimension).ok()?;
    let found = project::neighbours(Points::new(&values, dimension).ok()?, query, HOLDING).ok()?;
    project::place(&map.places, &found).ok()?.first().copied()
}
