//! Pictures that people send, and what a run's network says of them. They are never stored.

use std::sync::Arc;

use axum::extract::{Multipart, multipart::Field};

use super::AppState;
use crate::{
    data::{
        Dataset,
        upload::{self, Framing},
    },
    error::{AppError, AppResult},
    jobs::{self, Near, Said, Trained},
    store::Run,
    train::dataset_of,
};

/// The largest body of a form with a picture that is read to its end. Pictures that are too large have a place in it, since a sender who is
/// cut off sees a broken connection instead of the reason; more than [`upload::MOST_BYTES`] of one is not kept.
pub const BODY_LIMIT: usize = 64 << 20;
/// The largest of the other fields, in bytes: an id.
const MOST_FIELD_BYTES: usize = 1 << 10;

/// A form that sends a picture.
#[derive(Debug, Default)]
pub struct Form {
    /// The file called `image`, where there is one.
    pub image: Option<Vec<u8>>,
    /// The other fields, by name.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Reads the parts of `multipart`.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when it is damaged or too large.
    pub async fn read(mut multipart: Multipart) -> AppResult<Self> {
        let mut form = Self::default();
        while let Some(mut field) = multipart.next_field().await.map_err(|error| wrong("image", &error))? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "image" {
                form.image = Some(bytes_of(&mut field, "image", upload::MOST_BYTES).await?);
            } else {
                let bytes = bytes_of(&mut field, &name, MOST_FIELD_BYTES).await?;
                form.fields.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        Ok(form)
    }

    /// The picture.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when there is none.
    pub fn image(self) -> AppResult<Vec<u8>> {
        self.image.ok_or_else(|| AppError::invalid("image", "is missing; expected a picture in PNG, JPEG or WebP as the field `image`."))
    }
}

/// What stands in a field; one with more than `most` bytes is read to its end, kept nowhere and refused.
async fn bytes_of(field: &mut Field<'_>, name: &str, most: usize) -> AppResult<Vec<u8>> {
    let (mut bytes, mut count) = (Vec::new(), 0);
    while let Some(chunk) = field.chunk().await.map_err(|error| wrong(name, &error))? {
        count += chunk.len();
        if count <= most {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = Vec::new();
        }
    }
    if count > most {
        return Err(AppError::invalid(name, format!("has {count} bytes; at most {most} are taken.")));
    }
    Ok(bytes)
}

fn wrong(name: &str, error: &axum::extract::multipart::MultipartError) -> AppError {
    AppError::invalid(name, format!("can't be read: {error}."))
}

/// A run's network, and what it tells apart.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// The run.
    pub run: Run,
    /// Its classes and the shape of its images.
    pub dataset: &'static Dataset,
    trained: Arc<Trained>,
}

impl Classifier {
    /// The network of the run called `id`.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run, [`AppError::Conflict`] when it is not done.
    pub async fn of(state: &AppState, id: String) -> AppResult<Self> {
        let (run, trained) = state.compute(move |state| state.judge.trained(&id)).await?;
        Ok(Self { dataset: dataset_of(&run.config)?, run, trained })
    }

    /// Makes a picture as the network's own images are.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when it is none, damaged or too large.
    pub async fn prepare(&self, state: &AppState, image: Vec<u8>) -> AppResult<upload::Upload> {
        let side = self.dataset.shape[0];
        let framing = match self.dataset.shape[2] {
            3 => Framing::Middle,
            _ if self.dataset.id().starts_with("mnist") => Framing::Weighted,
            _ => Framing::Whole,
        };
        state.compute(move |_| upload::read(&image, side, framing)).await
    }

    /// Whether the network makes embeddings, and tells no classes apart.
    pub fn embeds(&self) -> bool {
        jobs::embeds(&self.run)
    }

    /// The probability of each class, or the embedding, for pixels `[height, width, channels]`, 0 to 255.
    ///
    /// # Errors
    /// [`AppError::Busy`] when too many wait; [`AppError::Unavailable`] when the run's weights are gone.
    pub async fn answer(&self, state: &AppState, pixels: Vec<u8>) -> AppResult<Vec<f32>> {
        state.inference.one(Arc::clone(&self.trained), pixels).await
    }

    /// As [`Self::answer`], and where the network looked, if its last layers tell.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub async fn answer_closely(&self, state: &AppState, pixels: Vec<u8>) -> AppResult<Said> {
        state.inference.closely(Arc::clone(&self.trained), pixels).await
    }

    /// The `k` training images that the network finds most like one with these features; `None` where they can't be had.
    ///
    /// # Errors
    /// [`AppError::Busy`] when too much is computed already.
    pub async fn nearest(&self, state: &AppState, features: Vec<f32>, k: usize) -> AppResult<Option<Vec<Near>>> {
        let run = self.run.clone();
        let found = state.compute(move |state| state.explainer.nearest(&run, &features, k, None)).await;
        match found {
            Ok(found) => Ok(Some(found)),
            Err(AppError::Unavailable(_)) => Ok(None), // the training images are not here
            Err(error) => Err(error),
        }
    }
}
