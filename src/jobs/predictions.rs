//! What a run's network said of a split, kept in the run's folder: it is computed once, and stands also where the data set is not.

use std::{borrow::Cow, collections::HashMap, fs, io::Write as _, path::Path};

use anyhow::Context as _;
use safetensors::{Dtype, SafeTensors, View};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{
    data::{Split, write_whole},
    error::AppResult,
    metrics::Predictions,
};

/// What the file is called in the run's folder.
#[must_use]
pub fn name(split: Split) -> String {
    format!("predictions-{}.safetensors", split.name())
}

/// Keeps `predictions` of the network with these final weights: arrays `labels` (u8, `[n]`) and `probabilities` (f32, `[n, classes]`).
///
/// # Errors
/// What the disk says.
pub fn write(folder: &Path, split: Split, weights: &str, predictions: &Predictions) -> AppResult<()> {
    let (n, classes) = (predictions.len(), predictions.classes());
    let labels = Array { dtype: Dtype::U8, shape: vec![n], bytes: predictions.labels() };
    let probabilities = Array { dtype: Dtype::F32, shape: vec![n, classes], bytes: bytemuck::cast_slice(predictions.probabilities()) };
    let checksum = checksum(labels.bytes, probabilities.bytes);
    let metadata = HashMap::from([(WEIGHTS.to_owned(), weights.to_owned()), (CHECKSUM.to_owned(), checksum)]);
    let arrays = [("labels", &labels), ("probabilities", &probabilities)];
    let bytes = safetensors::serialize(arrays, Some(metadata)).context("predictions can't be written as safetensors")?;
    write_whole(&folder.join(name(split)), |file| file.write_all(&bytes))
}

/// What was kept of the network with these final weights; `None` where there is nothing, or it is another network's, or damaged.
#[must_use]
pub fn read(folder: &Path, split: Split, weights: &str) -> Option<Predictions> {
    let path = folder.join(name(split));
    let bytes = fs::read(&path).ok()?;
    match parse(&bytes, weights) {
        Ok(predictions) => predictions,
        Err(reason) => {
            tracing::warn!("{} is computed again: {reason}", path.display());
            None
        }
    }
}

/// The key of the final weights' hash in the file's metadata.
const WEIGHTS: &str = "weights";
/// The key of the checksum in the file's metadata.
const CHECKSUM: &str = "checksum";

fn parse(bytes: &[u8], weights: &str) -> Result<Option<Predictions>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let said = |key: &str| header.metadata().as_ref().and_then(|metadata| metadata.get(key)).map(String::as_str);
    if said(WEIGHTS) != Some(weights) {
        return Ok(None);
    }
    let array = |name: &str, dtype: Dtype| {
        let array = file.tensor(name).map_err(|error| error.to_string())?;
        if array.dtype() == dtype { Ok(array) } else { Err(format!("{name} holds {}", array.dtype())) }
    };
    let (labels, probabilities) = (array("labels", Dtype::U8)?, array("probabilities", Dtype::F32)?);
    if said(CHECKSUM) != Some(checksum(labels.data(), probabilities.data()).as_str()) {
        return Err("its checksum is not that of its contents".into());
    }
    let &[_, classes] = probabilities.shape() else { return Err("its probabilities are no table".into()) };
    // The file's bytes may lie at any address.
    let values = probabilities.data().chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
    Predictions::new(labels.data().to_vec(), values, classes).map(Some).map_err(|error| error.to_string())
}

/// XXH3 (128 bits, hexadecimal) of both arrays.
fn checksum(labels: &[u8], probabilities: &[u8]) -> String {
    let mut hash = Xxh3Default::new();
    hash.update(&(labels.len() as u64).to_le_bytes());
    hash.update(labels);
    hash.update(probabilities);
    format!("{:032x}", hash.digest128())
}

struct Array<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

impl View for &Array<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> Predictions {
        Predictions::new(vec![0, 1, 1], vec![0.75, 0.25, 0.1, 0.9, 1.0, 0.0], 2).unwrap()
    }

    #[test]
    fn what_is_kept_comes_back_to_the_last_bit_for_the_same_weights_alone() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), Split::Test, "abc", &predictions()).unwrap();
        assert_eq!(read(folder.path(), Split::Test, "abc"), Some(predictions()));
        assert_eq!(read(folder.path(), Split::Test, "other"), None, "the run was trained further");
        assert_eq!(read(folder.path(), Split::Train, "abc"), None);
    }

    #[test]
    fn a_damaged_file_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), Split::Test, "abc", &predictions()).unwrap();
        let path = folder.path().join(name(Split::Test));
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let found = read(folder.path(), Split::Test, "abc");
            assert!(found.is_none() || found == Some(predictions()), "byte {place}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(folder.path(), Split::Test, "abc"), None, "{length} bytes");
        }
    }
}
