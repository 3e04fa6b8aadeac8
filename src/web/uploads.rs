//! Pictures that people send, and what a run's network says of them. They are never stored.

use std::sync::Arc;

use axum::extract::Multipart;

use super::AppState;
use crate::{
    data::{Dataset, upload},
    error::{AppError, AppResult},
    jobs::Trained,
    store::Run,
    train::dataset_of,
};

/// The largest body of a form with a picture: the picture and what surrounds it.
pub const BODY_LIMIT: usize = upload::MOST_BYTES + (64 << 10);

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
        let wrong = |error: axum::extract::multipart::MultipartError| {
            let too_large = error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE;
            let reason =
                if too_large { format!("is too large; at most {} MB are taken.", upload::MOST_BYTES >> 20) } else { format!("{error}.") };
            AppError::invalid("image", reason)
        };
        let mut form = Self::default();
        while let Some(part) = multipart.next_field().await.map_err(wrong)? {
            match part.name().unwrap_or_default().to_owned() {
                name if name == "image" => form.image = Some(part.bytes().await.map_err(wrong)?.to_vec()),
                name => form.fields.push((name, part.text().await.map_err(wrong)?)),
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
        state.compute(move |_| upload::read(&image, side)).await
    }

    /// The probability of each class for pixels `[height, width, channels]`, 0 to 255.
    ///
    /// # Errors
    /// [`AppError::Busy`] when too many wait; [`AppError::Unavailable`] when the run's weights are gone.
    pub async fn probabilities(&self, state: &AppState, pixels: Vec<u8>) -> AppResult<Vec<f32>> {
        state.inference.one(Arc::clone(&self.trained), pixels).await
    }
}
