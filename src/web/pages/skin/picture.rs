//! What a network says of somebody's picture, where it looked, and what it finds alike.

use std::fmt::Write as _;

use super::super::networks;
use crate::{
    data::{self, Split, upload::Step},
    error::AppResult,
    store::Run,
    web::{
        AppState,
        heat::{Enlarged, Heat, overlay},
        uploads::Classifier,
    },
};

/// Nearest training images that are shown.
const NEAREST: usize = 10;
/// The picture with what was looked at is drawn so many times as large as the network saw it.
const SCALE: usize = 7;

/// A picture and what a network said of it.
pub struct Picture {
    /// Whose network it is.
    pub run: Run,
    /// The picture as the network saw it, as the address of an image.
    pub address: String,
    /// The same with what the network looked at, where it tells.
    pub attention: Option<String>,
    /// What was done to it.
    pub steps: Vec<Step>,
    /// Classes with their probabilities, the most probable first.
    pub classes: Vec<(usize, f32)>,
    /// Whether a temperature that the validation images chose makes them right as often as they say.
    pub is_calibrated: bool,
    /// Training images that the network finds alike, the most alike first.
    pub nearest: Vec<Near>,
}

/// A training image like a picture.
pub struct Near {
    /// Its number in the training split.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The name of that.
    pub name: String,
    /// Cosine.
    pub similarity: f32,
    /// The address of the image, where it is here.
    pub address: Option<String>,
}

impl Picture {
    /// Has the network look at an image, whatever it is. Nothing of it is kept.
    ///
    /// # Errors
    /// [`crate::error::AppError::Invalid`] for `image` when it is none that can be used; as [`Classifier::answer`].
    pub async fn look(state: &AppState, classifier: Classifier, image: Vec<u8>) -> AppResult<Self> {
        let upload = classifier.prepare(state, image).await?;
        let said = classifier.answer_closely(state, upload.pixels.clone()).await?;
        let mut classes: Vec<(usize, f32)> = said.answers.iter().copied().enumerate().collect();
        classes.sort_by(|one, other| other.1.total_cmp(&one.1));
        let (mut attention, mut nearest) = (None, Vec::new());
        if let Some(found) = said.attention {
            let best = classes.first().map_or(0, |class| class.0);
            let draw =
                |values| overlay(&upload.pixels, classifier.dataset.shape, Heat { values, side: found.side }, SCALE, Enlarged::Nearest);
            attention = found.map(0, best).map(|values| within_address(&draw(values)));
            let has_images = state.datasets.status(classifier.dataset).state == data::State::Ready;
            let address = |index: usize| format!("/api/v1/datasets/{}/images/{}/{index}.png", classifier.dataset.id(), Split::Train.name());
            nearest = classifier
                .nearest(state, found.features, NEAREST)
                .await?
                .unwrap_or_default()
                .into_iter()
                .map(|near| Near {
                    index: near.index,
                    label: near.label,
                    name: near.name,
                    similarity: near.similarity,
                    address: has_images.then(|| address(near.index)),
                })
                .collect();
        }
        let is_calibrated = classifier.run.config.get("calibrated") == Some(&true.into());
        Ok(Self {
            address: networks::address(&upload)?,
            attention,
            steps: upload.steps,
            classes,
            is_calibrated,
            nearest,
            run: classifier.run,
        })
    }
}

/// A PNG as the address of an image.
fn within_address(png: &[u8]) -> String {
    let mut address = String::from("data:image/png,");
    for byte in png {
        let _ = write!(address, "%{byte:02x}");
    }
    address
}
