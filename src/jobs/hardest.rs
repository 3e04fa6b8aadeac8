//! The triplets that a network still gets wrong, or nearly.

use super::embeddings::Embeddings;
use crate::{
    error::{AppError, AppResult},
    train::triplets::{self, Batch, Geometry, TripletError, mining},
};

/// An anchor with its farthest positive and its nearest negative among some images.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct HardTriplet {
    /// The image's number.
    pub anchor: usize,
    /// The farthest image of the same label.
    pub positive: usize,
    /// The nearest image of another label.
    pub negative: usize,
    /// From anchor to positive, in the distance that the network learned with.
    pub to_positive: f32,
    /// From anchor to negative.
    pub to_negative: f32,
}

impl HardTriplet {
    /// By how much the positive is farther than the negative; the loss is this and the margin, where that is above 0.
    #[must_use]
    pub fn excess(&self) -> f32 {
        self.to_positive - self.to_negative
    }
}

/// Of the triplets that are the hardest for each of the first `among` images, the `count` with the greatest excess, the greatest first.
///
/// # Errors
/// [`AppError::Conflict`] when the images give no triplet: all have one label, or none has a second image.
pub fn hardest_triplets(own: &Embeddings, among: usize, count: usize) -> AppResult<Vec<HardTriplet>> {
    let images = own.labels.len().min(among);
    let values = &own.values[..images * own.dimension];
    let found = hardest(values, own.dimension, &own.labels[..images], own.geometry(), count);
    found.map_err(|error| AppError::Conflict(format!("The hardest triplets can't be told: {error}.")))
}

/// `values`: `[labels, dimension]`. Time and memory grow with the square of the number of images: 2,000 take 16 MB.
fn hardest(values: &[f32], dimension: usize, labels: &[u8], geometry: Geometry, count: usize) -> Result<Vec<HardTriplet>, TripletError> {
    let batch = Batch::new(triplets::Embeddings::new(values, dimension, geometry)?, labels)?;
    let measured = |[anchor, positive, negative]: [u32; 3]| {
        let [anchor, positive, negative] = [anchor, positive, negative].map(|place| place as usize);
        let distances = batch.distances(anchor);
        HardTriplet { anchor, positive, negative, to_positive: distances[positive], to_negative: distances[negative] }
    };
    let mut found: Vec<HardTriplet> = mining::hard(&batch).into_iter().map(measured).collect();
    found.sort_by(|one, other| other.excess().total_cmp(&one.excess()));
    found.truncate(count);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::triplets::Distance;

    #[test]
    fn the_anchor_that_lies_among_the_others_comes_first() {
        // On a line: 0 at 0 and 1, and one that strayed to 9; 1 at 8 and 10.
        let (values, labels) = ([0.0, 1.0, 9.0, 8.0, 10.0], [0, 0, 0, 1, 1]);
        let geometry = Geometry { distance: Distance::Squared, normalise: false };
        let found = hardest(&values, 1, &labels, geometry, 2).unwrap();
        let first = HardTriplet { anchor: 2, positive: 0, negative: 3, to_positive: 81.0, to_negative: 1.0 };
        // By hand, the others: 0 has 81 - 64, 1 has 64 - 49, 8 has 4 - 1, 10 has 4 - 1.
        let second = HardTriplet { anchor: 0, positive: 2, negative: 3, to_positive: 81.0, to_negative: 64.0 };
        assert_eq!(found, [first, second]);
        assert!((first.excess() - 80.0).abs() < 1e-6);
    }

    #[test]
    fn images_of_one_label_give_none() {
        let geometry = Geometry { distance: Distance::Euclidean, normalise: false };
        assert!(hardest(&[0.0, 1.0], 1, &[3, 3], geometry, 2).is_err());
    }
}
