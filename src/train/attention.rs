//! What a trained network looks at.

use anyhow::Context as _;
use tch::Kind;

use super::predictor::{Predictor, as_images};
use crate::{
    error::{AppError, AppResult},
    models::{Features, Weights},
};

/// Where in images a network speaks for each class, and what it makes of them before it decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attention {
    /// Grad-CAM, `[n, classes, height, width]`, at least 0, in parts of a logit.
    pub heat: Vec<f32>,
    /// Classes.
    pub classes: usize,
    /// Height and width of a map.
    pub side: [usize; 2],
    /// Means of the last maps over all places, `[n, channels]`.
    pub features: Vec<f32>,
    /// Numbers in a row of [`Self::features`].
    pub channels: usize,
}

/// Images to a forward pass.
const CHUNK: usize = 256;

impl Predictor {
    /// What the network looks at in images `[n, height, width, channels]`, 0 to 255, as they stand; `None` where its last layers do not tell.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `images` when there is none, or their values are not those of whole images.
    pub fn attention(&self, images: &[u8]) -> AppResult<Option<Attention>> {
        let shape = self.network().input();
        let size = shape.iter().product::<i64>() as usize;
        if images.is_empty() || !images.len().is_multiple_of(size) {
            return Err(AppError::invalid("images", format!("expected images of {} x {} x {}", shape[0], shape[1], shape[2])));
        }
        let mut found = Attention::default();
        for chunk in images.chunks(CHUNK * size) {
            let images = as_images(chunk, shape, self.weights.flat().device());
            let Some(features) = tch::no_grad(|| self.network().features(&self.weights, &images)) else { return Ok(None) };
            found.extend(&features).context("the network can't be used")?;
        }
        Ok(Some(found))
    }
}

impl Attention {
    /// Maps `[classes, height, width]` and features `[channels]` of one image; `None` beyond the last.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<(&[f32], &[f32])> {
        let (maps, channels) = (self.classes * self.places(), self.channels);
        Some((self.heat.get(index * maps..(index + 1) * maps)?, self.features.get(index * channels..(index + 1) * channels)?))
    }

    /// Of one image, the map of a class, `[height, width]`; `None` beyond the last.
    #[must_use]
    pub fn map(&self, index: usize, class: usize) -> Option<&[f32]> {
        self.row(index)?.0.get(class * self.places()..(class + 1) * self.places())
    }

    /// Of one image alone; `None` beyond the last.
    #[must_use]
    pub fn single(&self, index: usize) -> Option<Self> {
        let (heat, features) = self.row(index)?;
        let (heat, features) = (heat.to_vec(), features.to_vec());
        Some(Self { heat, classes: self.classes, side: self.side, features, channels: self.channels })
    }

    /// Places in a map.
    #[must_use]
    pub fn places(&self) -> usize {
        self.side[0] * self.side[1]
    }

    /// Adds what was found of more images of the same network.
    pub fn append(&mut self, more: Self) {
        if self.features.is_empty() {
            *self = more;
        } else {
            self.heat.extend(more.heat);
            self.features.extend(more.features);
        }
    }

    fn extend(&mut self, features: &Features) -> Result<(), crate::models::ModelError> {
        let heat = features.grad_cam();
        let size = heat.size();
        let more = Self {
            heat: Weights::values(&heat)?,
            classes: size[1] as usize,
            side: [size[2] as usize, size[3] as usize],
            features: Weights::values(&features.pooled.to_kind(Kind::Float))?,
            channels: features.pooled.size()[1] as usize,
        };
        self.append(more);
        Ok(())
    }
}
