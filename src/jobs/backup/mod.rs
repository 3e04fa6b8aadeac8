//! The data folder as one file, taken while others work in it ([`back_up`]), and a data folder from such a file ([`restore`]).
//!
//! The store is copied in one snapshot; a run's files are not, since they lie beside it. What is copied before the snapshot and what after
//! it makes them agree, whoever trains meanwhile:
//!
//! 1. **Checkpoints first**, of every run that may go on. The snapshot then knows all that was said up to its run's checkpoint, and more: a
//!    resumed run says again what came after. The other way round a checkpoint could be of an epoch that the store has never heard of, and
//!    the curves would have a hole for good.
//! 2. **The snapshot.**
//! 3. **Everything else after it**: weights and predictions are on the disk before the store says so, hence whatever the snapshot names is
//!    there. The other way round a run that ends in between would be done without having weights.
//!
//! Each file is whole however late it is opened, since files are renamed into place and never changed. Only somebody who deletes a run
//! between 2 and 3 takes something away that the snapshot names: the run is then taken out of the copy too.

mod manifest;
mod restoring;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use self::manifest::{CHECKPOINTS, FileRecord, MANIFEST, Manifest, belongs};
pub use self::restoring::{Restored, restore};
use crate::{
    error::{AppError, AppResult},
    store::{FILE, StoreFile},
    train::State,
};

/// What was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    /// Runs of the store.
    pub runs: usize,
    /// Files, the store among them.
    pub files: usize,
    /// Their length together.
    pub bytes: u64,
}

/// Hears how many bytes of how many are done; `false` asks for the end.
pub type Watch<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// Writes the store of `data_dir`, the files of its runs and the vector sets that were imported into the file `output`, whole or not at all;
/// with `with_data_sets` also the data sets that were fetched. Locks, logs of workers, downloads under way and keys of certificates stay
/// behind. A file of that name is replaced. Only its owner may read it: it holds what passwords and tokens are checked by.
///
/// # Errors
/// [`AppError::Unavailable`], with what to do, when there is no store, something can't be read, or the file can't be written;
/// [`AppError::Conflict`] when `watch` asked for the end.
pub fn back_up(data_dir: &Path, output: &Path, with_data_sets: bool, watch: Watch<'_>) -> AppResult<BackedUp> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() || output.is_dir() {
        return Err(AppError::invalid("output", format!("{}: expected the name of a file in a folder that is there.", output.display())));
    }
    let source = StoreFile::of(data_dir)?;
    // Beside its place, so that the last step is a rename; nobody else may look into it.
    let private = fs::Permissions::from_mode(0o700);
    let staging = tempfile::Builder::new().prefix(".unfinished-backup-").permissions(private).tempdir_in(folder);
    let staging = staging.map_err(|error| unwritable(output, &error))?;
    let archive = staging.path().join("archive");
    let mut packer = Packer::new(&archive, output, watch)?;

    let mut unfinished: Vec<(String, State)> = source.runs()?.into_iter().filter(|(_, state)| *state != State::Done).collect();
    // Those that are trained last: the less time passes before the snapshot, the less they do again.
    unfinished.sort_by_key(|(_, state)| *state == State::Running);
    for (run, _) in &unfinished {
        // The newest first: when it becomes the previous one just now, it is found under that name.
        for name in CHECKPOINTS {
            packer.pack(&format!("runs/{run}/{name}"), &data_dir.join("runs").join(run).join(name))?;
        }
    }

    let copied = staging.path().join(FILE);
    source.copy_into(&copied)?;
    let mut copy = StoreFile::open(&copied)?;
    let runs = copy.runs()?;

    let mut planned = Vec::new();
    for (run, state) in &runs {
        // A checkpoint of a run that is not done may be newer than the snapshot by now.
        let fits = |name: &String| *state == State::Done || !CHECKPOINTS.contains(&name.as_str());
        let names = files_in(&data_dir.join("runs").join(run))?.into_iter().filter(fits);
        planned.push((Some(run.clone()), names.map(|name| format!("runs/{run}/{name}")).collect::<Vec<_>>()));
    }
    planned.push((None, files_in(&data_dir.join("words"))?.into_iter().map(|name| format!("words/{name}")).collect()));
    if with_data_sets {
        planned.push((None, data_sets(data_dir)?));
    }
    packer.announce(data_dir, planned.iter().flat_map(|(_, names)| names), &copied);
    let mut deleted = Vec::new();
    for (run, names) in planned {
        for name in names {
            packer.pack(&name, &data_dir.join(&name))?;
        }
        // A run leaves the store before its files go: as long as it is there, all of them were.
        if let Some(run) = run
            && !source.has_run(&run)?
        {
            deleted.push(run);
        }
    }
    copy.forget(&deleted)?;
    let version = copy.version();
    drop(copy);
    packer.pack(FILE, &copied)?;
    let packed = packer.finish(version)?;
    fs::rename(&archive, output).and_then(|()| sync(folder)).map_err(|error| unwritable(output, &error))?;
    Ok(BackedUp { runs: runs.len() - deleted.len(), ..packed })
}

/// Puts files into the archive and remembers what they were.
struct Packer<'a> {
    archive: ZipWriter<BufWriter<File>>,
    /// What the archive will be called.
    output: &'a Path,
    files: BTreeMap<String, FileRecord>,
    done: u64,
    expected: u64,
    watch: Watch<'a>,
}

impl<'a> Packer<'a> {
    fn new(archive: &Path, output: &'a Path, watch: Watch<'a>) -> AppResult<Self> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(archive).map_err(|error| unwritable(output, &error))?;
        let archive = ZipWriter::new(BufWriter::with_capacity(1 << 20, file));
        Ok(Self { archive, output, files: BTreeMap::new(), done: 0, expected: 0, watch })
    }

    /// What is still to come, for the bar.
    fn announce<'n>(&mut self, data_dir: &Path, names: impl Iterator<Item = &'n String>, store: &Path) {
        let length = |path: PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        let names = names.filter(|name| !self.files.contains_key(*name));
        self.expected = self.done + names.map(|name| length(data_dir.join(name))).sum::<u64>() + length(store.to_owned());
    }

    /// Packs a file, unless it is packed already, does not belong into a backup, or is not there (any more).
    fn pack(&mut self, name: &str, path: &Path) -> AppResult<()> {
        let unreadable = |error: &io::Error| {
            AppError::Unavailable(format!("{} can't be read: {error}. Call this as the user whose data folder it is.", path.display()))
        };
        if self.files.contains_key(name) || !belongs(name) {
            return Ok(());
        }
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(&error)),
        };
        let length = file.metadata().map_err(|error| unreadable(&error))?.len();
        self.archive.start_file(name, options(name).large_file(length >= LARGE)).map_err(|error| unwritable(self.output, &error))?;
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
        loop {
            let count = file.read(&mut buffer).map_err(|error| unreadable(&error))?;
            if count == 0 {
                break;
            }
            self.archive.write_all(&buffer[..count]).map_err(|error| unwritable(self.output, &error))?;
            hash.update(&buffer[..count]);
            bytes += count as u64;
            self.done += count as u64;
            if !(self.watch)(self.done, self.expected.max(self.done)) {
                return Err(AppError::Conflict("The backup was stopped; nothing was written.".into()));
            }
        }
        self.files.insert(name.to_owned(), FileRecord { bytes, sha256: hexadecimal(hash) });
        Ok(())
    }

    /// Adds the manifest, and waits until all of it is on the disk.
    fn finish(mut self, schema: usize) -> AppResult<BackedUp> {
        let packed = BackedUp { runs: 0, files: self.files.len(), bytes: self.done };
        let manifest = serde_json::to_vec_pretty(&Manifest::new(schema, self.files)).map_err(|error| AppError::Internal(error.into()))?;
        self.archive.start_file(MANIFEST, options(MANIFEST)).map_err(|error| unwritable(self.output, &error))?;
        self.archive.write_all(&manifest).map_err(|error| unwritable(self.output, &error))?;
        let file = self.archive.finish().map_err(|error| unwritable(self.output, &error))?;
        let file = file.into_inner().map_err(|error| unwritable(self.output, &error))?;
        file.sync_all().map_err(|error| unwritable(self.output, &error))?;
        Ok(packed)
    }
}

/// From this length on a member gets the long headers, with room for what packing may add.
const LARGE: u64 = 3 << 30;

/// Arrays of numbers hardly get smaller, and are most of a data folder: they go as they are.
fn options(name: &str) -> SimpleFileOptions {
    let is_numbers = [".safetensors", ".vectors", ".gz", ".npz"].iter().any(|ending| name.ends_with(ending));
    let method = if is_numbers { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    SimpleFileOptions::default().compression_method(method).last_modified_time(zip::DateTime::default())
}

/// The names of the plain files in a folder, in order; none where there is no folder.
fn files_in(folder: &Path) -> AppResult<Vec<String>> {
    names_in(folder, fs::FileType::is_file)
}

/// The paths of all files of data sets.
fn data_sets(data_dir: &Path) -> AppResult<Vec<String>> {
    let mut paths = Vec::new();
    for id in names_in(&data_dir.join("datasets"), fs::FileType::is_dir)? {
        let names = files_in(&data_dir.join("datasets").join(&id))?;
        paths.extend(names.into_iter().map(|name| format!("datasets/{id}/{name}")));
    }
    Ok(paths)
}

fn names_in(folder: &Path, fits: impl Fn(&fs::FileType) -> bool) -> AppResult<Vec<String>> {
    let unreadable = |error: io::Error| AppError::Unavailable(format!("{} can't be read: {error}.", folder.display()));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        // What went away in between, or has a name that is none of ours, is not looked at.
        if let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string())
            && fits(&kind)
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> AppError {
    AppError::Unavailable(format!("{} can't be written: {error}. Make room, or name another place; nothing is left of it.", path.display()))
}

/// Until this, a power cut may take back a rename within the folder.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
