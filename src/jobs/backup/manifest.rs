//! What a backup says of itself: by which program, when, of which version, and which files with which checksums.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zip::ZipArchive;

use crate::{
    error::{AppError, AppResult},
    store::{FILE, SCHEMA, check_id},
    words::import::is_id,
};

/// What such a file says that it is.
const FORMAT: &str = "torchboard-backup";
/// Of the format; a file of a newer one is refused.
const VERSION: u32 = 1;
/// The manifest's own name.
pub(super) const MANIFEST: &str = "manifest.json";
/// A manifest of half a million files is smaller.
const MANIFEST_AT_MOST: u64 = 128 << 20;
/// Where the two last checkpoints of a run lie in its folder, the newest first.
pub(super) const CHECKPOINTS: [&str; 2] = ["checkpoint.safetensors", "checkpoint-previous.safetensors"];

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    pub format: String,
    pub version: u32,
    pub torchboard: String,
    /// The version of the store's tables.
    pub schema: usize,
    pub created_at: Timestamp,
    /// Length and SHA-256 of each file, by its path within the data folder.
    pub files: BTreeMap<String, FileRecord>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct FileRecord {
    pub bytes: u64,
    pub sha256: String,
}

impl Manifest {
    pub fn new(schema: usize, files: BTreeMap<String, FileRecord>) -> Self {
        let torchboard = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT.into(), version: VERSION, torchboard, schema, created_at: Timestamp::now(), files }
    }

    /// Reads it, and holds the names of all members against it.
    pub fn of<R: Read + Seek>(archive: &mut ZipArchive<R>) -> AppResult<Self> {
        let mut bytes = Vec::new();
        let member = archive.by_name(MANIFEST).map_err(|_| wrong(format!("has no {MANIFEST} that can be read: it is no backup")))?;
        member.take(MANIFEST_AT_MOST + 1).read_to_end(&mut bytes).map_err(|error| wrong(format!("is damaged: {error}")))?;
        if bytes.len() as u64 > MANIFEST_AT_MOST {
            return Err(wrong(format!("has a {MANIFEST} of more than {MANIFEST_AT_MOST} bytes")));
        }
        let unreadable = |error: serde_json::Error| wrong(format!("has a {MANIFEST} that can't be read: {error}"));
        // The versions first: of newer ones, all else may have another shape.
        let value: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
        if value["format"] != FORMAT {
            return Err(wrong(format!("is a zip archive, but no backup ({FORMAT}); files of runs are taken in by `torchboard import`")));
        }
        for (what, found, known) in
            [("its format", &value["version"], u64::from(VERSION)), ("the tables of its store", &value["schema"], SCHEMA as u64)]
        {
            if !found.as_u64().is_some_and(|found| (1..=known).contains(&found)) {
                return Err(wrong(format!(
                    "has version {found} of {what}, and this program knows versions up to {known}; restore it with a newer torchboard"
                )));
            }
        }
        let manifest: Self = serde_json::from_value(value).map_err(unreadable)?;
        manifest.check_names(archive)?;
        Ok(manifest)
    }

    /// The length of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.values().fold(0_u64, |sum, record| sum.saturating_add(record.bytes))
    }

    fn check_names<R: Read + Seek>(&self, archive: &ZipArchive<R>) -> AppResult<()> {
        if let Some(name) = self.files.keys().find(|name| !belongs(name)) {
            return Err(wrong(format!("names {name:?}, which is no file of a data folder")));
        }
        if !self.files.contains_key(FILE) {
            return Err(wrong(format!("has no store ({FILE})")));
        }
        let named: BTreeSet<&[u8]> = self.files.keys().map(String::as_bytes).chain([MANIFEST.as_bytes()]).collect();
        if let Some(stranger) = archive.file_names_raw().find(|name| !named.contains(*name)) {
            return Err(wrong(format!("holds {:?}, which its manifest does not name", String::from_utf8_lossy(stranger))));
        }
        if archive.has_duplicate_names() {
            return Err(wrong("holds two files of one name"));
        }
        Ok(())
    }
}

/// Whether a backup may hold a file of this path: the same is asked of what is packed and of what is unpacked, so that nothing leaves the
/// data folder, and nothing gets into it that this program does not put there.
pub(super) fn belongs(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        [FILE] => true,
        ["words", name] => is_of_set(name),
        ["runs", run, name] => check_id(run).is_ok() && is_of_run(name),
        ["datasets", dataset, name] => is_id(dataset) && is_of_dataset(name),
        _ => false,
    }
}

/// Images of vectors and what they were made from; not those of the embedded set, which the program brings.
fn is_of_set(name: &str) -> bool {
    let id = name.strip_suffix(".vectors").or_else(|| name.strip_suffix(".json"));
    id.is_some_and(|id| is_id(id) && id != crate::words::DEFAULT)
}

/// Everything but the lock, which is the log of the last worker too, and what is being written.
fn is_of_run(name: &str) -> bool {
    is_plain(name) && !["worker.log", "checkpoint-next.safetensors"].contains(&name)
}

/// Everything but locks and what is being fetched.
fn is_of_dataset(name: &str) -> bool {
    is_plain(name) && ![".part", ".part.etag"].iter().any(|ending| name.ends_with(ending))
}

/// One part of a path that stays where it is; files that are being written begin with a dot.
fn is_plain(name: &str) -> bool {
    (1..=255).contains(&name.len()) && !name.starts_with('.') && !name.contains(|letter: char| letter == '\\' || letter.is_control())
}

/// What is wrong with a file that is to be restored.
pub(super) fn wrong(what: impl std::fmt::Display) -> AppError {
    AppError::invalid("file", format!("{what}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_program_keeps_belongs_into_a_backup() {
        for path in [
            "torchboard.sqlite",
            "runs/mlp-k3f9x2a/weights.safetensors",
            "runs/mlp-k3f9x2a/checkpoint.safetensors",
            "runs/mlp-k3f9x2a/map-tsne-after-test-512-30-0.safetensors",
            "words/mine.vectors",
            "words/glove-6b-200d.json",
            "datasets/mnist/train-images-idx3-ubyte.gz",
        ] {
            assert!(belongs(path), "{path}");
        }
        for path in [
            "",
            "manifest.json",
            "torchboard.sqlite-wal",
            "/torchboard.sqlite",
            "../torchboard.sqlite",
            "runs/mlp-k3f9x2a",
            "runs/mlp-k3f9x2a/",
            "runs/mlp-k3f9x2a/worker.log",
            "runs/mlp-k3f9x2a/checkpoint-next.safetensors",
            "runs/mlp-k3f9x2a/.unfinished-x",
            "runs/mlp-k3f9x2a/..",
            "runs/mlp-k3f9x2a/../weights.safetensors",
            "runs/mlp-k3f9x2a/a\\b",
            "runs/mlp-k3f9x2a/a\0b",
            "runs/../weights.safetensors",
            "runs/a/b/c",
            "words/default.vectors",
            "words/default.json",
            "words/.unfinished-x.vectors",
            "words/../x.vectors",
            "words/mine.txt",
            "datasets/verdicts.json",
            "datasets/mnist/.fetching",
            "datasets/mnist/images.gz.part",
            "datasets/mnist/images.gz.part.etag",
            "downloads/glove.6B.zip",
            "tls/key.pem",
            "/etc/passwd",
        ] {
            assert!(!belongs(path), "{path}");
        }
    }
}
