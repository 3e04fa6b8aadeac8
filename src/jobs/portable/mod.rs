//! Runs and studies as one file: a zip archive that holds a manifest with checksums, and for each run what it said, its weights, its
//! predictions, embeddings and maps. Nothing in it is ever executed, and only files that the manifest names, under names that runs have, are read.

mod linked;
mod manifest;
mod preview;
mod within;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read, Seek, Write},
    path::Path,
};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

pub use self::{
    linked::fetch_linked,
    preview::{Preview, PreviewedRun, preview},
    within::export_within,
};

use self::manifest::{FileRecord, Manifest, RunRecord, StudyRecord};
use super::Stage;
use crate::{
    data::Split,
    error::{AppError, AppResult},
    store::{AdoptedRun, AdoptedStudy, Numbered, Origin, Query, Run, Store, Study, check_id},
    train::Event,
};

/// What such a file says that it is.
const FORMAT: &str = "torchboard-runs";
/// Of the format; a file of a newer one is refused.
const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";
const EVENTS: &str = "events.jsonl";
/// A manifest of ten thousand runs is smaller.
const MANIFEST_AT_MOST: u64 = 64 << 20;
/// No single file is larger: weights of two hundred million parameters.
const FILE_AT_MOST: u64 = 1 << 30;
/// Nor are all together.
const ALL_AT_MOST: u64 = 4 << 30;
/// The largest file that is sent by a browser, or fetched by a link, in bytes; `torchboard export` and `import` know no such bound.
pub const SENT_AT_MOST: u64 = 256 << 20;
/// Names of series stand in every list and legend; no training of this program has longer ones, in bytes.
const LONGEST_SERIES: usize = 100;

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The study, where the file holds one.
    pub study: Option<String>,
    /// The runs.
    pub runs: Vec<String>,
}

/// Writes runs into `output`, and the study whose trials they are, if `study` is one; `with_weights` false leaves
/// weights, embeddings and maps out.
///
/// # Errors
/// [`AppError::Conflict`] when a run has not ended; when a file can't be read or written.
pub fn export(store: &Store, study: Option<&Study>, runs: &[Run], with_weights: bool, output: impl Write + Seek) -> AppResult<()> {
    let mut archive = ZipWriter::new(output);
    let options =
        SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated).last_modified_time(zip::DateTime::default());
    let zip = |error: zip::result::ZipError| AppError::Internal(error.into());
    let mut records = Vec::new();
    for run in runs {
        if !run.state.is_final() {
            return Err(AppError::Conflict(format!("The run {} has not ended; cancel it or wait for its end.", run.id)));
        }
        let mut files = BTreeMap::new();
        let mut put = |name: &str, bytes: &[u8]| -> AppResult<()> {
            archive.start_file(format!("runs/{}/{name}", run.id), options).map_err(zip)?;
            archive.write_all(bytes)?;
            files.insert(name.to_owned(), FileRecord { bytes: bytes.len() as u64, sha256: sha256(bytes) });
            Ok(())
        };
        let mut lines = Vec::new();
        for event in store.events_after(&run.id, 0, usize::MAX >> 1)? {
            serde_json::to_writer(&mut lines, &event).map_err(|error| AppError::Internal(error.into()))?;
            lines.push(b'\n');
        }
        put(EVENTS, &lines)?;
        let names = results(&store.run_folder(&run.id))?;
        for name in names.into_iter().filter(|name| with_weights || is_light(name)) {
            put(&name, &fs::read(store.run_folder(&run.id).join(&name))?)?;
        }
        records.push(RunRecord::new(run, files));
    }
    let manifest = Manifest {
        format: FORMAT.into(),
        version: VERSION,
        torchboard: env!("CARGO_PKG_VERSION").into(),
        study: study.map(StudyRecord::new),
        runs: records,
    };
    archive.start_file(MANIFEST, options).map_err(zip)?;
    serde_json::to_writer_pretty(&mut archive, &manifest).map_err(|error| AppError::Internal(error.into()))?;
    archive.finish().map_err(zip)?;
    Ok(())
}

/// Whether a run's folder may hold a file of this name that belongs to its results: weights, and what is computed from them.
fn is_result(name: &str) -> bool {
    let Some((stem, extension)) = name.split_once('.') else { return false };
    let is_split = |name: &str| Split::named(name).is_some();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    match (stem.split_once('-'), extension) {
        (None, "safetensors") => stem == "weights",
        (Some(("predictions", split)), "safetensors") | (Some(("retrieval" | "attention", split)), "json") => is_split(split),
        (Some(("embeddings", rest)), "safetensors") => {
            rest.split_once('-').is_some_and(|(stage, split)| Stage::named(stage).is_some() && is_split(split))
        }
        (Some(("map", rest)), "safetensors") => plain(rest) && (1..=64).contains(&rest.len()),
        _ => false,
    }
}

/// Whether a result is a handful of figures.
fn is_measure(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "json")
}

/// Whether a result goes with a run that is exported without weights: measures, and what a classifier said, from which all of its figures come.
fn is_light(name: &str) -> bool {
    is_measure(name) || name.starts_with("predictions-")
}

/// Whether these bytes are what a result of this name should be.
fn check_result(name: &str, bytes: &[u8]) -> Result<(), String> {
    if is_measure(name) {
        return serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map(drop).map_err(|error| error.to_string());
    }
    safetensors::SafeTensors::deserialize(bytes).map(drop).map_err(|error| error.to_string())
}

/// The results in a run's folder, in the order of their names; a run that was cancelled before its first epoch has no folder.
fn results(folder: &Path) -> AppResult<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<std::io::Result<Vec<_>>>()?;
    let mut names: Vec<String> = names.into_iter().filter(|name| is_result(name)).collect();
    names.sort_unstable();
    Ok(names)
}

/// Writes the run or the study called `id` into the file `output`, whole or not at all.
///
/// # Errors
/// [`AppError::NotFound`] when there is neither; as [`export`].
pub fn export_file(store: &Store, id: &str, with_weights: bool, output: &Path) -> AppResult<()> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(AppError::invalid("output", format!("there is no folder {}.", folder.display())));
    }
    let (study, runs) = match store.run(id) {
        Ok(run) => (None, vec![run]),
        Err(AppError::NotFound { .. }) => {
            let study = store.study(id).map_err(|_| AppError::not_found(format!("There is no run and no study {id:?}.")))?;
            (Some(study), runs_of_study(store, id)?)
        }
        Err(other) => return Err(other),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    export(store, study.as_ref(), &runs, with_weights, &mut file)?;
    file.as_file().sync_all()?;
    file.persist(output).map_err(|error| error.error)?;
    Ok(())
}

/// The runs of the trials of the study called `id`, the oldest first.
///
/// # Errors
/// The store's own.
pub fn runs_of_study(store: &Store, id: &str) -> AppResult<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut query = Query { study: Some(id.to_owned()), order: crate::store::Order::Oldest, limit: 1000, ..Query::default() };
    loop {
        let page = store.runs(&query)?;
        runs.extend(page.runs);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(runs),
        }
    }
}

/// Takes in what a file of [`export`] holds, all of it or nothing.
///
/// # Errors
/// As [`unpack`] and [`Unpacked::take_in`].
pub fn import(store: &Store, input: impl Read + Seek, origin: Origin) -> AppResult<Imported> {
    unpack(store, input, origin)?.take_in(store)
}

/// What a file held, checked, and beside its place.
pub(super) struct Unpacked {
    staging: tempfile::TempDir,
    study: Option<AdoptedStudy>,
    /// With their ids.
    runs: Vec<(String, AdoptedRun)>,
}

/// Reads and checks what a file of [`export`] holds. Nobody sees it before it is taken in.
///
/// # Errors
/// [`AppError::Invalid`] for `file`, with what is wrong: it is no such file, of a newer version, damaged, or holds what does not belong there.
pub(super) fn unpack(store: &Store, input: impl Read + Seek, origin: Origin) -> AppResult<Unpacked> {
    let mut archive = ZipArchive::new(input).map_err(|error| wrong(format!("is no whole file of runs: {error}")))?;
    let manifest = read_manifest(&mut archive)?;
    let staging = tempfile::Builder::new().prefix("import-").tempdir_in(store.run_folder("").parent().unwrap_or(Path::new(".")))?;
    let mut room = ALL_AT_MOST;
    let mut runs = Vec::new();
    for run in &manifest.runs {
        let folder = staging.path().join(&run.id);
        fs::create_dir(&folder)?;
        let mut events = None;
        for (name, record) in &run.files {
            let bytes = member(&mut archive, &format!("runs/{}/{name}", run.id), record, &mut room)?;
            if name == EVENTS {
                events = Some(read_events(&bytes)?);
            } else {
                check_result(name, &bytes).map_err(|reason| wrong(format!("holds {name} that is none: {reason}")))?;
                write_synced(&folder.join(name), &bytes)?;
            }
        }
        let events = events.ok_or_else(|| wrong(format!("holds nothing that the run {} said", run.id)))?;
        runs.push((run.id.clone(), run.adopted(manifest.study.as_ref().map(|study| study.id.as_str()), origin, events)));
    }
    Ok(Unpacked { staging, study: manifest.study.as_ref().map(|study| study.adopted(origin)), runs })
}

impl Unpacked {
    /// Puts all of it into its place, or nothing.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `id` when there is such a run or study already.
    pub(super) fn take_in(self, store: &Store) -> AppResult<Imported> {
        let Self { staging, study, runs } = self;
        let (ids, runs): (Vec<String>, Vec<AdoptedRun>) = runs.into_iter().unzip();
        store.adopt(study.as_ref(), &runs, || {
            for run in &ids {
                let place = store.run_folder(run);
                // What a deleted run of this id may have left would mix with what comes now.
                if place.exists() {
                    fs::remove_dir_all(&place)?;
                }
                fs::rename(staging.path().join(run), place)?;
            }
            Ok(())
        })?;
        Ok(Imported { study: study.and_then(|study| study.new.id), runs: ids })
    }
}

/// As [`import`], from a file.
///
/// # Errors
/// As [`import`]; when the file can't be opened.
pub fn import_file(store: &Store, path: &Path, origin: Origin) -> AppResult<Imported> {
    let file = File::open(path).map_err(|error| AppError::invalid("file", format!("{} can't be opened: {error}.", path.display())))?;
    import(store, std::io::BufReader::new(file), origin)
}

fn read_manifest<R: Read + Seek>(archive: &mut ZipArchive<R>) -> AppResult<Manifest> {
    let mut bytes = Vec::new();
    let member = archive.by_name(MANIFEST).map_err(|_| wrong(format!("has no {MANIFEST}: it is no file of runs")))?;
    member.take(MANIFEST_AT_MOST + 1).read_to_end(&mut bytes).map_err(|error| wrong(format!("is damaged: {error}")))?;
    if bytes.len() as u64 > MANIFEST_AT_MOST {
        return Err(wrong(format!("has a {MANIFEST} of more than {MANIFEST_AT_MOST} bytes")));
    }
    // The version first: of a newer one, all else may have another shape.
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("has a {MANIFEST} that can't be read: {error}")))?;
    if value["format"] != FORMAT {
        return Err(wrong(format!("is a zip archive, but no file of runs ({FORMAT})")));
    }
    if value["version"].as_u64() != Some(u64::from(VERSION)) {
        return Err(wrong(format!(
            "is of version {} of its format, and this program reads version {VERSION}; use a newer torchboard",
            value["version"]
        )));
    }
    let manifest: Manifest =
        serde_json::from_value(value).map_err(|error| wrong(format!("has a {MANIFEST} that can't be read: {error}")))?;
    if let Some(study) = &manifest.study {
        check_id_of(&study.id)?;
        study.check().map_err(wrong)?;
    }
    let mut ids = BTreeSet::new();
    let mut members = BTreeSet::from([MANIFEST.to_owned().into_bytes()]);
    for run in &manifest.runs {
        check_id_of(&run.id)?;
        run.check().map_err(wrong)?;
        if !ids.insert(run.id.clone()) {
            return Err(wrong(format!("names the run {} twice", run.id)));
        }
        if let Some(name) = run.files.keys().find(|name| *name != EVENTS && !is_result(name)) {
            return Err(wrong(format!("names {name:?} of the run {}, which is no file of a run", run.id)));
        }
        members.extend(run.files.keys().map(|name| format!("runs/{}/{name}", run.id).into_bytes()));
    }
    if let Some(stranger) = archive.file_names_raw().find(|name| !members.contains(*name)) {
        return Err(wrong(format!("holds {:?}, which its manifest does not name", String::from_utf8_lossy(stranger))));
    }
    Ok(manifest)
}

fn check_id_of(id: &str) -> AppResult<()> {
    check_id(id).map_err(|_| wrong(format!("has {id:?} for an id; expected lower-case letters, digits or hyphens")))
}

/// A member as the manifest says it is: as long, and of the same content. `room` is what may still be unpacked.
fn member<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str, record: &FileRecord, room: &mut u64) -> AppResult<Vec<u8>> {
    if record.bytes > FILE_AT_MOST.min(*room) {
        return Err(wrong(format!("says that {name} has {} bytes; that is more than is read", record.bytes)));
    }
    *room -= record.bytes;
    let mut bytes = Vec::with_capacity(record.bytes.min(1 << 24) as usize); // a number alone must not take memory
    let member = archive.by_name(name).map_err(|error| wrong(format!("lacks {name}: {error}")))?;
    member.take(record.bytes + 1).read_to_end(&mut bytes).map_err(|error| wrong(format!("holds a damaged {name}: {error}")))?;
    if (FileRecord { bytes: bytes.len() as u64, sha256: sha256(&bytes) }) != *record {
        return Err(wrong(format!("holds another {name} than its manifest says")));
    }
    Ok(bytes)
}

fn read_events(bytes: &[u8]) -> AppResult<Vec<Numbered>> {
    let read = |line: &[u8]| {
        let numbered: Numbered = serde_json::from_slice(line).map_err(|error| wrong(format!("holds an event that is none: {error}")))?;
        match &numbered.event {
            Event::Metric(metric) if metric.name.len() > LONGEST_SERIES => Err(wrong("holds a series whose name is longer than any is")),
            _ => Ok(numbered),
        }
    };
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(read).collect()
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn wrong(what: impl std::fmt::Display) -> AppError {
    AppError::invalid("file", format!("{what}."))
}

/// In hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
