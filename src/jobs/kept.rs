//! What a run's network said of many images, kept in the run's folder beside the hash of the weights that said it: it is computed once, and stands
//! also where the data set is not.

use std::{borrow::Cow, collections::HashMap, fs, io::Write as _, path::Path};

use anyhow::Context as _;
use safetensors::{Dtype, SafeTensors, View};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{data::write_whole, error::AppResult};

/// A label and some numbers for each image, and the group of each where that is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    /// True labels, `[n]`.
    pub labels: Vec<u8>,
    /// `[n, columns]`.
    pub values: Vec<f32>,
    /// Numbers for each image.
    pub columns: usize,
    /// `[n]`: images of one number show one and the same thing.
    pub groups: Option<Vec<u32>>,
    /// What else is to be known, as names and texts.
    pub notes: HashMap<String, String>,
}

impl Kept {
    /// Writes arrays `labels` (u8, `[n]`), `name` (f32, `[n, columns]`) and, where they are known, `groups` (u32, `[n]`), whole or not at all. `weights`: the hash of the weights that said it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, path: &Path, name: &str, weights: &str) -> AppResult<()> {
        let n = self.labels.len();
        let labels = Array { dtype: Dtype::U8, shape: vec![n], bytes: &self.labels };
        let values = Array { dtype: Dtype::F32, shape: vec![n, self.columns], bytes: bytemuck::cast_slice(&self.values) };
        let groups = self.groups.as_ref();
        let groups = groups.map(|groups| Array { dtype: Dtype::U32, shape: vec![n], bytes: bytemuck::cast_slice(groups) });
        let mut metadata = self.notes.clone();
        metadata.insert(WEIGHTS.to_owned(), weights.to_owned());
        let parts = [labels.bytes, values.bytes, groups.as_ref().map_or(&[], |groups| groups.bytes)];
        metadata.insert(CHECKSUM.to_owned(), checksum(parts, &self.notes));
        let arrays = [("labels", &labels), (name, &values)].into_iter().chain(groups.iter().map(|groups| (GROUPS, groups)));
        let bytes = safetensors::serialize(arrays, Some(metadata));
        let bytes = bytes.with_context(|| format!("{name} can't be written as safetensors"))?;
        write_whole(path, |file| file.write_all(&bytes))
    }

    /// What was kept of the weights of this hash; `None` where there is nothing, or it is of other weights, or damaged.
    #[must_use]
    pub fn read(path: &Path, name: &str, weights: &str) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        match parse(&bytes, name, weights) {
            Ok(kept) => kept,
            Err(reason) => {
                tracing::warn!("{} is computed again: {reason}", path.display());
                None
            }
        }
    }
}

/// The key of the final weights' hash in the file's metadata.
const WEIGHTS: &str = "weights";
/// The key of the checksum in the file's metadata.
const CHECKSUM: &str = "checksum";
/// The name of the array of groups.
const GROUPS: &str = "groups";

fn parse(bytes: &[u8], name: &str, weights: &str) -> Result<Option<Kept>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut notes = header.metadata().clone().unwrap_or_default();
    if notes.remove(WEIGHTS).as_deref() != Some(weights) {
        return Ok(None);
    }
    let array = |name: &str, dtype: Dtype| {
        let array = file.tensor(name).map_err(|error| error.to_string())?;
        if array.dtype() == dtype { Ok(array) } else { Err(format!("{name} holds {}", array.dtype())) }
    };
    let (labels, values) = (array("labels", Dtype::U8)?, array(name, Dtype::F32)?);
    let groups = if file.names().contains(&GROUPS) { Some(array(GROUPS, Dtype::U32)?) } else { None };
    let told = notes.remove(CHECKSUM);
    let parts = [labels.data(), values.data(), groups.as_ref().map_or(&[][..], safetensors::tensor::TensorView::data)];
    if told != Some(checksum(parts, &notes)) {
        return Err("its checksum is not that of its contents".into());
    }
    let &[rows, columns] = values.shape() else { return Err(format!("its {name} are no table")) };
    if rows != labels.data().len() {
        return Err(format!("it has {} labels for {rows} rows", labels.data().len()));
    }
    // The file's bytes may lie at any address.
    let values = values.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let groups = groups.map(|groups| groups.data().as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect::<Vec<_>>());
    if let Some(groups) = groups.as_ref().filter(|groups| groups.len() != rows) {
        return Err(format!("it has {} groups for {rows} rows", groups.len()));
    }
    Ok(Some(Kept { labels: labels.data().to_vec(), values, columns, groups, notes }))
}

/// XXH3 (128 bits, hexadecimal) of labels, values and groups, and of the notes.
fn checksum([labels, values, groups]: [&[u8]; 3], notes: &HashMap<String, String>) -> String {
    let mut hash = Xxh3Default::new();
    hash.update(&(labels.len() as u64).to_le_bytes());
    hash.update(labels);
    hash.update(values);
    hash.update(groups);
    let mut notes: Vec<_> = notes.iter().collect();
    notes.sort_unstable();
    for (name, text) in notes {
        for part in [name, text] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
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

    fn kept() -> Kept {
        let notes = HashMap::from([("seed".to_owned(), "7".to_owned())]);
        Kept { labels: vec![0, 1, 1], values: vec![0.75, 0.25, 0.1, 0.9, 1.0, 0.0], columns: 2, groups: Some(vec![7, 300, 7]), notes }
    }

    #[test]
    fn groups_may_be_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let unknown = Kept { groups: None, ..kept() };
        unknown.write(&path, "embeddings", "abc").unwrap();
        assert_eq!(Kept::read(&path, "embeddings", "abc"), Some(unknown));
    }

    #[test]
    fn what_is_kept_comes_back_to_the_last_bit_for_the_same_weights_and_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        kept().write(&path, "embeddings", "abc").unwrap();
        assert_eq!(Kept::read(&path, "embeddings", "abc"), Some(kept()));
        assert_eq!(Kept::read(&path, "embeddings", "other"), None, "the run was trained further");
        assert_eq!(Kept::read(&path, "probabilities", "abc"), None);
        assert_eq!(Kept::read(&folder.path().join("y"), "embeddings", "abc"), None);
    }

    #[test]
    fn a_damaged_file_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        kept().write(&path, "embeddings", "abc").unwrap();
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let found = Kept::read(&path, "embeddings", "abc");
            assert!(found.is_none() || found == Some(kept()), "byte {place}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(Kept::read(&path, "embeddings", "abc"), None, "{length} bytes");
        }
    }
}
