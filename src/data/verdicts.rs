//! Which files have been checked, so that starting again costs a glance at each and not a second of hashing.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{
    checksum::Checksum,
    examples::MOST_BYTES,
    groups::Table,
    idx,
    manifest::{Dataset, Download, Format},
    npz,
};

/// Verdicts on files, kept in a file of their own where that can be written.
#[derive(Debug)]
pub struct Verdicts {
    path: PathBuf,
    known: BTreeMap<String, Verdict>,
}

/// What was found, and the file as it was then: one that has changed is checked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    bytes: u64,
    modified_ns: u64,
    expected: String,
    /// `None`: it is the published file.
    fault: Option<String>,
}

impl Verdicts {
    /// Reads what is known from `path`; nothing where it can't be read, for all can be found out again.
    pub fn open(path: PathBuf) -> Self {
        let known = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, known }
    }

    /// What is wrong with the file at `path`, which should be `download` of `dataset`; `None` when it is. Reads it only if it is new or changed.
    pub fn fault(&mut self, path: &Path, dataset: &Dataset, download: &Download) -> Option<String> {
        let unreadable = |error: io::Error| Some(format!("{}: can't be read: {error}", path.display()));
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return unreadable(error),
        };
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let expected = download.contents.as_ref().unwrap_or(&download.checksum);
        let key = path.display().to_string();
        let (bytes, modified_ns, expected_text) = (metadata.len(), modified.as_nanos() as u64, expected.to_string());
        if let Some(known) = self.known.get(&key)
            && (known.bytes, known.modified_ns, &known.expected) == (bytes, modified_ns, &expected_text)
        {
            return known.fault.clone();
        }
        let fault = match check(path, dataset, download, expected) {
            Ok(fault) => fault,
            // Not remembered: a disk that fails now may not fail next time.
            Err(error) => return unreadable(error),
        };
        self.known.insert(key, Verdict { bytes, modified_ns, expected: expected_text, fault: fault.clone() });
        if let Err(error) = self.save() {
            tracing::debug!(path = %self.path.display(), %error, "verdicts on data sets are not kept");
        }
        fault
    }

    fn save(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, &self.known)?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// What is wrong with a file: first what its format says, since that tells more than a checksum.
fn check(path: &Path, dataset: &Dataset, download: &Download, expected: &Checksum) -> io::Result<Option<String>> {
    let found =
        if download.contents.is_some() { expected.of(&mut idx::contents(path)?.take(MOST_BYTES + 1)) } else { expected.of_file(path) };
    if found.as_ref().is_ok_and(|found| found == expected) {
        return Ok(None);
    }
    // Of a damaged gzip stream the reader of the format says where; of another error nothing more is to be learnt.
    if found.as_ref().is_err_and(|error| download.contents.is_none() || !is_damage(error)) {
        return found.map(|_| None);
    }
    if let Some(reason) = damage(path, dataset, download) {
        return Ok(Some(reason));
    }
    let found = found?;
    Ok(Some(format!("{}: is not the published file: its {} is {}, expected {}", path.display(), found.kind(), found.hex(), expected.hex())))
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

/// What the reader of the format says against a file.
fn damage(path: &Path, dataset: &Dataset, download: &Download) -> Option<String> {
    let outcome = match dataset.format {
        Format::Idx if download.file_name.contains("labels") => idx::read_labels(path).map(drop),
        Format::Idx => idx::read_images(path).map(drop),
        _ if dataset.groups.as_ref().is_some_and(|table| table.file_name == download.file_name) => Table::read(path, dataset).map(drop),
        Format::Npz | Format::Dealt => {
            dataset.splits.iter().try_for_each(|(split, _)| npz::read(path, *split, dataset.classes.len()).map(drop))
        }
        Format::Drawn(_) => Ok(()),
    };
    outcome.err().map(|error| error.to_string())
}
