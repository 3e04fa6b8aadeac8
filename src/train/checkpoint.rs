//! Weights and all else that a training needs to go on, as safetensors files that appear whole or not at all.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, View};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{
    data::write_whole,
    error::{AppError, AppResult},
    models::{ModelError, Weights},
};

/// What a run's weights are called in its folder, when it is done.
pub const WEIGHTS: &str = "weights.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
const PREVIOUS: &str = "checkpoint-previous.safetensors";
/// The key of the checksum in the file's metadata.
const CHECKSUM: &str = "checksum";

/// Named arrays of f32 and what is to be known about them.
#[derive(Debug, Default)]
pub struct Arrays {
    arrays: Vec<(String, Array)>,
    /// Names and values, kept as text.
    pub metadata: HashMap<String, String>,
}

#[derive(Debug)]
struct Array {
    shape: Vec<usize>,
    /// Little-endian f32.
    bytes: Vec<u8>,
}

impl View for &Array {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Arrays {
    /// Adds all parameters, their names behind `prefix`.
    ///
    /// # Errors
    /// When libtorch can't copy them.
    pub fn add(&mut self, prefix: &str, weights: &Weights) -> Result<(), ModelError> {
        for (name, view) in weights.named() {
            let shape = view.size().into_iter().map(|side| side as usize).collect();
            let bytes = bytemuck::cast_slice(&Weights::values(view)?).to_vec();
            self.arrays.push((format!("{prefix}{name}"), Array { shape, bytes }));
        }
        Ok(())
    }

    /// Sets `weights` from the arrays whose names begin with `prefix`.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn set(&self, prefix: &str, weights: &Weights) -> Result<(), ModelError> {
        weights.set(|name| {
            let (_, array) = self.arrays.iter().find(|(other, _)| other.strip_prefix(prefix) == Some(name))?;
            Some((array.shape.iter().map(|side| *side as i64).collect(), &array.bytes[..]))
        })
    }

    /// Writes the file at `path`, with a checksum of its contents among the metadata.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] with what the disk says.
    pub fn write(&self, path: &Path) -> AppResult<()> {
        let failed = |cause: &dyn std::fmt::Display| AppError::Unavailable(format!("{} can't be written: {cause}.", path.display()));
        let mut metadata = self.metadata.clone();
        metadata.insert(CHECKSUM.into(), self.checksum());
        let views = self.arrays.iter().map(|(name, array)| (name, array));
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| failed(&error))?;
        write_whole(path, |file| file.write_all(&bytes)).map_err(|error| match error {
            AppError::Internal(cause) => failed(&cause.root_cause()),
            other => other,
        })
    }

    /// Reads the file at `path`; `None` where there is none.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let wrong = |reason: &dyn std::fmt::Display| format!("{} is damaged: {reason}", path.display());
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} can't be read: {error}", path.display())),
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| wrong(&error))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(&error))?;
        let mut arrays = Vec::with_capacity(tensors.len());
        for (name, tensor) in tensors.tensors() {
            if tensor.dtype() != Dtype::F32 {
                return Err(wrong(&format!("{name} holds {}; expected F32", tensor.dtype())));
            }
            arrays.push((name, Array { shape: tensor.shape().to_vec(), bytes: tensor.data().to_vec() }));
        }
        let mut read = Self { arrays, metadata: header.metadata().clone().unwrap_or_default() };
        match read.metadata.remove(CHECKSUM) {
            Some(checksum) if checksum == read.checksum() => Ok(Some(read)),
            Some(_) => Err(wrong(&"its checksum is not that of its contents")),
            None => Err(wrong(&"it has no checksum")),
        }
    }

    /// XXH3 (128 bits, hexadecimal) of everything, in the order of names.
    fn checksum(&self) -> String {
        let mut hash = Xxh3Default::new();
        // A length before each part, so that no two contents give the same bytes.
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let mut metadata: Vec<_> = self.metadata.iter().collect();
        metadata.sort_unstable();
        for (key, value) in metadata {
            part(key.as_bytes());
            part(value.as_bytes());
        }
        let mut arrays: Vec<_> = self.arrays.iter().collect();
        arrays.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        for (name, array) in arrays {
            part(name.as_bytes());
            part(bytemuck::cast_slice(&array.shape));
            part(&array.bytes);
        }
        format!("{:032x}", hash.digest128())
    }
}

/// The two last checkpoints of a run's folder.
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// In this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Keeps `arrays` as the newest checkpoint, and the one before as the previous: killed at any moment, one of them is whole.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] with what the disk says.
    pub fn keep(&self, arrays: &Arrays) -> AppResult<()> {
        let (newest, previous) = (self.folder.join(CHECKPOINT), self.folder.join(PREVIOUS));
        // The newest becomes the previous one only when the next is on the disk; without either name a crash in between is harmless.
        let next = self.folder.join("checkpoint-next.safetensors");
        arrays.write(&next)?;
        let failed = |error: std::io::Error| AppError::Unavailable(format!("{} can't be renamed: {error}.", newest.display()));
        match fs::rename(&newest, &previous) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
            _ => fs::rename(&next, &newest).map_err(failed),
        }
    }

    /// The newest whole checkpoint, and a sentence on each damaged one that was passed over.
    #[must_use]
    pub fn newest(&self) -> (Option<Arrays>, Vec<String>) {
        let mut damaged = Vec::new();
        for name in [CHECKPOINT, PREVIOUS] {
            match Arrays::read(&self.folder.join(name)) {
                Ok(Some(arrays)) => return (Some(arrays), damaged),
                Ok(None) => {}
                Err(reason) => damaged.push(reason),
            }
        }
        (None, damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Initial, Parameter};
    use tch::Device;

    fn weights(seed: u64) -> Weights {
        let initial = Initial::GlorotUniform { fan_in: 5, fan_out: 3 };
        Weights::initial(&[Parameter { name: "a.weight", shape: vec![3, 5], initial }], seed, Device::Cpu)
    }

    fn arrays(seed: u64) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.add("", &weights(seed)).unwrap();
        arrays.add("moment.", &weights(seed + 100)).unwrap();
        arrays.metadata.insert("epoch".into(), seed.to_string());
        arrays
    }

    #[test]
    fn what_is_written_is_read_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        arrays(1).write(&path).unwrap();
        let read = Arrays::read(&path).unwrap().unwrap();
        let (first, second) = (weights(7), weights(7));
        read.set("", &first).unwrap();
        read.set("moment.", &second).unwrap();
        assert_eq!((first.hash().unwrap(), second.hash().unwrap()), (weights(1).hash().unwrap(), weights(101).hash().unwrap()));
        assert_eq!(read.metadata, HashMap::from([("epoch".into(), "1".into())]));
        assert!(read.set("average.", &first).unwrap_err().to_string().contains("there is no array"));
    }

    #[test]
    fn one_changed_byte_anywhere_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        arrays(1).write(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let reason = Arrays::read(&path).unwrap_err();
            assert!(reason.contains("x.safetensors is damaged"), "{place}: {reason}");
        }
        for length in [0, 7, 8, 40, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(Arrays::read(&path).is_err(), "{length}");
        }
    }

    #[test]
    fn the_newest_whole_checkpoint_is_found_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path());
        let epoch = |arrays: Option<Arrays>| arrays.map(|arrays| arrays.metadata["epoch"].clone());
        assert!(epoch(checkpoints.newest().0).is_none());
        for number in 1..=3 {
            checkpoints.keep(&arrays(number)).unwrap();
        }
        assert_eq!(epoch(checkpoints.newest().0).as_deref(), Some("3"));
        fs::write(folder.path().join(CHECKPOINT), b"rubbish").unwrap();
        let (found, damaged) = checkpoints.newest();
        assert_eq!((epoch(found).as_deref(), damaged.len()), (Some("2"), 1));
        fs::write(folder.path().join(PREVIOUS), b"").unwrap();
        let (found, damaged) = checkpoints.newest();
        assert_eq!((epoch(found), damaged.len()), (None, 2));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_with_the_file() {
        let error = arrays(1).write(Path::new("/nowhere/x.safetensors")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/x.safetensors can't be written: ") && error.contains("No such file"), "{error}");
    }
}
