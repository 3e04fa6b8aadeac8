//! What a trained network looks at.

use anyhow::Context as _;
use tch::{Kind, Tensor};

use super::predictor::{Predictor, Views, as_images};
use crate::{
    error::{AppError, AppResult},
    models::{ModelError, Weights},
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
    /// What the network looks at in images `[n, height, width, channels]`, 0 to 255; `None` where its last layers do not tell. Of one that looks at
    /// an image in several views, the mean over the views, each map turned back.
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
            let Some((heat, features)) = tch::no_grad(|| self.looked_at(&images)) else { return Ok(None) };
            found.extend(&heat, &features).context("the network can't be used")?;
        }
        Ok(Some(found))
    }

    /// Grad-CAM `[n, classes, height, width]` and features `[n, channels]` of images `[n, height, width, channels]` from 0 to 1.
    fn looked_at(&self, images: &Tensor) -> Option<(Tensor, Tensor)> {
        let views = match self.views {
            Views::One => 1,
            Views::FlipsAndTurns => 8,
        };
        let mut sums: Option<(Tensor, Tensor)> = None;
        for (mirrored, quarters) in (0..views).map(|view| (view >= 4, view % 4)) {
            let view = if mirrored { images.flip([2]) } else { images.shallow_clone() }.rot90(quarters, [1, 2]).contiguous();
            let features = self.network().features(&self.weights, &view)?;
            let heat = features.grad_cam().rot90(-quarters, [2, 3]);
            let heat = if mirrored { heat.flip([3]) } else { heat };
            sums = Some(match sums {
                None => (heat, features.pooled),
                Some((sum, pooled)) => (sum + heat, pooled + features.pooled),
            });
        }
        sums.map(|(heat, pooled)| (heat / views as f64, pooled / views as f64))
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

    fn extend(&mut self, heat: &Tensor, features: &Tensor) -> Result<(), ModelError> {
        let size = heat.size();
        let more = Self {
            heat: Weights::values(heat)?,
            classes: size[1] as usize,
            side: [size[2] as usize, size[3] as usize],
            features: Weights::values(&features.to_kind(Kind::Float))?,
            channels: features.size()[1] as usize,
        };
        self.append(more);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tch::Device;

    use super::*;
    use crate::train::configuration;

    fn untrained(views: &str) -> Predictor {
        let given = json!({"dataset": "skin-sample", "filters": 2, "views": views});
        let config = configuration::resolve("resnet14", given.as_object().unwrap()).unwrap();
        Predictor::untrained("resnet14", &config, 5, Device::Cpu).unwrap()
    }

    /// A picture without any symmetry, and the same turned clockwise by a quarter.
    fn pictures() -> [Vec<u8>; 2] {
        let value = |row: usize, column: usize, channel: usize| ((row * row * 3 + column * 7 + channel * 50) % 256) as u8;
        let places = || (0..28).flat_map(|row| (0..28).flat_map(move |column| (0..3).map(move |channel| (row, column, channel))));
        [
            places().map(|(row, column, channel)| value(row, column, channel)).collect(),
            places().map(|(row, column, channel)| value(27 - column, row, channel)).collect(),
        ]
    }

    #[test]
    fn who_looks_in_all_views_sees_the_same_in_a_picture_that_is_turned() {
        let [upright, turned] = pictures();
        let look = |predictor: &Predictor, picture: &[u8]| predictor.attention(picture).unwrap().unwrap();
        let close = |one: &[f32], other: &[f32]| one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-5);
        for (views, same) in [("flips_and_turns", true), ("one", false)] {
            let predictor = untrained(views);
            let (upright, turned) = (look(&predictor, &upright), look(&predictor, &turned));
            assert_eq!((upright.classes, upright.side, upright.channels, upright.heat.len()), (7, [7, 7], 8, 7 * 49));
            assert!(upright.heat.iter().any(|value| *value > 1e-4));
            let back: Vec<f32> = (0..7)
                .flat_map(|class| (0..49).map(move |place| (class, place / 7, place % 7)))
                .map(|(class, row, column)| turned.heat[class * 49 + column * 7 + 6 - row])
                .collect();
            assert_eq!((close(&upright.heat, &back), close(&upright.features, &turned.features)), (same, same), "{views}");
        }
    }

    #[test]
    fn an_image_among_others_is_looked_at_as_alone() {
        let [one, other] = pictures();
        let predictor = untrained("one");
        let both = predictor.attention(&[one.clone(), other].concat()).unwrap().unwrap();
        let alone = predictor.attention(&one).unwrap().unwrap();
        let first = both.single(0).unwrap();
        assert!(
            first
                .heat
                .iter()
                .zip(&alone.heat)
                .chain(first.features.iter().zip(&alone.features))
                .all(|(one, other)| (one - other).abs() < 1e-6)
        );
        assert_ne!(both.single(1).unwrap(), first);
        assert!(both.single(2).is_none() && both.map(0, 7).is_none());
        assert!(predictor.attention(&one[1..]).is_err() && predictor.attention(&[]).is_err());
    }
}
