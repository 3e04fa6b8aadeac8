//! Where a run's network looked in images that it got wrong, kept in the run's folder, so that it can be shown where weights and images are not.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use super::explain::Explained;
use crate::{
    data::{Split, write_whole},
    error::{AppError, AppResult},
};

/// Maps of some images, and of which weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptAttention {
    weights: String,
    /// Height and width of a map.
    side: [usize; 2],
    /// By the image's number in its split; the class that was said comes first.
    images: BTreeMap<usize, Vec<KeptMap>>,
}

/// One map, its values rounded to a 255th of the greatest: as exact as it can be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptMap {
    class: usize,
    /// The greatest value.
    most: f32,
    /// A byte for each place, 255 for the greatest value; base64.
    heat: String,
}

/// What the file is called in the run's folder.
pub(super) fn name(split: Split) -> String {
    format!("attention-{}.json", split.name())
}

impl KeptAttention {
    pub(super) fn new(weights: &str, side: [usize; 2]) -> Self {
        Self { weights: weights.to_owned(), side, images: BTreeMap::new() }
    }

    /// Adds the map of a class, `[height, width]`, at least 0, unless it is there.
    pub(super) fn add(&mut self, index: usize, class: usize, map: &[f32]) {
        let maps = self.images.entry(index).or_default();
        if maps.iter().any(|kept| kept.class == class) {
            return;
        }
        let most = map.iter().copied().fold(0.0, f32::max);
        let byte = |value: &f32| if most > 0.0 { (255.0 * value / most).round() as u8 } else { 0 };
        maps.push(KeptMap { class, most, heat: BASE64.encode(map.iter().map(byte).collect::<Vec<u8>>()) });
    }

    /// Writes the file of a split, whole or not at all.
    pub(super) fn write(&self, folder: &Path, split: Split) -> AppResult<()> {
        let bytes = serde_json::to_vec(self).map_err(|error| AppError::Internal(error.into()))?;
        write_whole(&folder.join(name(split)), |file| file.write_all(&bytes))
    }

    /// What was kept of the weights of this hash; `None` where there is nothing, or it is of other weights, or damaged.
    pub(super) fn read(folder: &Path, split: Split, weights: &str) -> Option<Self> {
        let bytes = fs::read(folder.join(name(split))).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|kept: &Self| kept.weights == weights)
    }

    /// The maps of an image; `None` where none was kept, or they are damaged.
    pub(super) fn image(&self, index: usize) -> Option<Explained> {
        let map = |kept: &KeptMap| {
            let bytes = BASE64.decode(&kept.heat).ok().filter(|bytes| bytes.len() == self.side[0] * self.side[1])?;
            Some((kept.class, bytes.into_iter().map(|byte| f32::from(byte) / 255.0 * kept.most).collect()))
        };
        let heat = self.images.get(&index)?.iter().map(map).collect::<Option<Vec<_>>>()?;
        Some(Explained { probabilities: Vec::new(), heat, side: self.side, features: Vec::new(), pixels: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_back_to_a_255th_for_the_same_weights_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = KeptAttention::new("abc", [2, 2]);
        kept.add(12, 5, &[0.0, 0.5, 1.0, 2.0]);
        kept.add(12, 4, &[0.0; 4]);
        kept.add(12, 5, &[9.0; 4]);
        kept.write(folder.path(), Split::Test).unwrap();
        let found = KeptAttention::read(folder.path(), Split::Test, "abc").unwrap();
        let image = found.image(12).unwrap();
        assert_eq!((image.said(), image.side, image.map(4), image.map(3)), (5, [2, 2], Some(&[0.0; 4][..]), None));
        for (found, value) in image.map(5).unwrap().iter().zip([0.0, 0.5, 1.0, 2.0]) {
            assert!((found - value).abs() <= 2.0 / 255.0, "{found} {value}");
        }
        assert!(found.image(13).is_none());
        assert!(KeptAttention::read(folder.path(), Split::Test, "other").is_none());
        assert!(KeptAttention::read(folder.path(), Split::Validation, "abc").is_none());
        fs::write(folder.path().join(name(Split::Test)), "{}").unwrap();
        assert!(KeptAttention::read(folder.path(), Split::Test, "abc").is_none());
    }
}
