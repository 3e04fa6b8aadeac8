//! What a file of runs holds, before any of it is taken in.

use std::{fs::File, io::BufReader, path::Path};

use jiff::Timestamp;
use serde::Serialize;
use zip::ZipArchive;

use super::{EVENTS, read_manifest, wrong};
use crate::{
    error::{AppError, AppResult},
    store::Store,
    train::{State, checkpoint::WEIGHTS},
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// The version of the program that wrote it.
    pub torchboard: String,
    /// The study, where it holds one: its id and name.
    pub study: Option<(String, String)>,
    /// The runs.
    pub runs: Vec<PreviewedRun>,
    /// Which of the ids are taken here, so that it can't be taken in.
    pub known: Vec<String>,
}

/// A run of such a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreviewedRun {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Of which system.
    pub system: String,
    /// How it ended.
    pub state: State,
    /// The data set that it learned from.
    pub dataset: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What it is tagged with.
    pub tags: Vec<String>,
    /// Whether its weights are there.
    pub has_weights: bool,
    /// Its files but for what it said: name and bytes.
    pub files: Vec<(String, u64)>,
}

/// Reads what the file says of itself; nothing is unpacked.
///
/// # Errors
/// [`AppError::Invalid`] for `file`, as when it is taken in.
pub fn preview(store: &Store, path: &Path) -> AppResult<Preview> {
    let file = File::open(path).map_err(|error| AppError::invalid("file", format!("{} can't be opened: {error}.", path.display())))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| wrong(format!("is no whole file of runs: {error}")))?;
    let manifest = read_manifest(&mut archive)?;
    let mut known = Vec::new();
    for id in manifest.runs.iter().map(|run| &run.id) {
        match store.run(id) {
            Ok(_) => known.push(id.clone()),
            Err(AppError::NotFound { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    if let Some(study) = &manifest.study
        && store.study(&study.id).is_ok()
    {
        known.push(study.id.clone());
    }
    let runs = manifest.runs.into_iter().map(|run| PreviewedRun {
        has_weights: run.files.contains_key(WEIGHTS),
        files: run.files.iter().filter(|(name, _)| *name != EVENTS).map(|(name, record)| (name.clone(), record.bytes)).collect(),
        id: run.id,
        name: run.name,
        system: run.system,
        state: run.state,
        dataset: run.dataset.map(|used| used.id),
        seed: run.seed,
        created_at: run.created_at,
        tags: run.tags,
    });
    Ok(Preview { torchboard: manifest.torchboard, study: manifest.study.map(|study| (study.id, study.name)), runs: runs.collect(), known })
}
