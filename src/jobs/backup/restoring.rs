//! A data folder from a backup: everything is unpacked beside its place and checked, then becomes visible by one rename.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Seek, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::{
    Watch, hexadecimal,
    manifest::{FileRecord, Manifest, wrong},
    sync, unwritable,
};
use crate::{
    error::{AppError, AppResult},
    store::{FILE, StoreFile},
};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made.
    pub created_at: Timestamp,
    /// By which version of the program.
    pub torchboard: String,
    /// Runs of the store.
    pub runs: usize,
    /// Files, the store among them.
    pub files: usize,
    /// Their length together.
    pub bytes: u64,
}

/// Makes the data folder `data_dir`, which must be absent or empty, from a file of [`super::back_up`]. Nothing of it is there before all of it
/// was checked; killed at any moment this leaves a folder `.unfinished-restore-...` beside at most.
///
/// Runs that were trained when the backup was made are found without their workers by the next server, and can be resumed.
///
/// # Errors
/// [`AppError::Conflict`] when there is something in the folder, or `watch` asked for the end; [`AppError::Invalid`] for `file`, with what
/// is wrong: it is no backup, of a newer version, damaged, or holds what does not belong there; [`AppError::Unavailable`] when the disk has
/// no room or can't be written.
pub fn restore(file: &Path, data_dir: &Path, watch: Watch<'_>) -> AppResult<Restored> {
    let place = Place::of(data_dir)?;
    let opened = File::open(file).map_err(|error| wrong(format!("{} can't be opened: {error}", file.display())))?;
    let mut archive = ZipArchive::new(BufReader::new(opened)).map_err(|error| wrong(format!("is no whole backup: {error}")))?;
    let manifest = Manifest::of(&mut archive)?;
    let bytes = manifest.bytes();
    place.has_room(bytes)?;

    let staging = tempfile::Builder::new()
        .prefix(".unfinished-restore-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&place.parent)
        .map_err(|error| place.unwritable(&error))?;
    let mut done = 0;
    let mut step = |count: u64| {
        done += count;
        if watch(done, bytes) { Ok(()) } else { Err(AppError::Conflict("The restore was stopped; nothing was changed.".into())) }
    };
    // A folder with no run's files in it is one too.
    fs::create_dir(staging.path().join("runs")).map_err(|error| place.unwritable(&error))?;
    for (name, record) in &manifest.files {
        let path = staging.path().join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|error| place.unwritable(&error))?;
        unpack(&mut archive, name, record, &path, &mut step)?;
    }
    let store = StoreFile::open(&staging.path().join(FILE))?;
    if store.version() != manifest.schema {
        return Err(wrong(format!("has a store of version {}, and says that it is {}", store.version(), manifest.schema)));
    }
    let runs = store.runs()?.len();
    drop(store);
    fs::set_permissions(staging.path(), place.permissions.clone()).map_err(|error| place.unwritable(&error))?;
    sync_folders(staging.path()).map_err(|error| place.unwritable(&error))?;
    // The system replaces an empty folder, and refuses to replace one into which somebody has put something since.
    fs::rename(staging.path(), &place.target).map_err(|error| place.unwritable(&error))?;
    drop(staging.keep()); // there is nothing under its old name to be removed
    sync(&place.parent).map_err(|error| place.unwritable(&error))?;
    Ok(Restored { created_at: manifest.created_at, torchboard: manifest.torchboard, runs, files: manifest.files.len(), bytes })
}

/// Where a data folder is to be.
struct Place {
    target: PathBuf,
    /// Where it is made: on the same disk, so that it can be renamed.
    parent: PathBuf,
    /// Those of the empty folder that is there, else nobody else's: it holds what passwords and tokens are checked by.
    permissions: fs::Permissions,
}

impl Place {
    fn of(data_dir: &Path) -> AppResult<Self> {
        let failed = |error: io::Error| {
            AppError::Unavailable(format!("The folder {} can't be used: {error}. Name another with --data-dir DIR.", data_dir.display()))
        };
        let (target, permissions) = match fs::canonicalize(data_dir) {
            Ok(target) => {
                let permissions = fs::metadata(&target).map_err(failed)?.permissions();
                if fs::read_dir(&target).map_err(failed)?.next().is_some() {
                    return Err(AppError::Conflict(format!(
                        "The folder {} is not empty, and nothing is ever overwritten. Name a new folder with --data-dir DIR, or move this one away first.",
                        data_dir.display()
                    )));
                }
                (target, permissions)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (std::path::absolute(data_dir).map_err(failed)?, fs::Permissions::from_mode(0o700))
            }
            Err(error) => return Err(failed(error)),
        };
        let Some(parent) = target.parent().map(Path::to_owned) else {
            return Err(AppError::invalid("data-dir", format!("{}: name a folder within it.", data_dir.display())));
        };
        fs::create_dir_all(&parent).map_err(failed)?;
        Ok(Self { target, parent, permissions })
    }

    /// A manifest that promises more than the disk holds is refused before a byte of it is written.
    fn has_room(&self, bytes: u64) -> AppResult<()> {
        let disk = rustix::fs::statvfs(self.parent.as_path()).map_err(|error| self.unwritable(&error))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if bytes > free {
            return Err(AppError::Unavailable(format!(
                "The backup needs {bytes} bytes, and the disk of {} has {free} left. Make room, or name a folder on another disk with --data-dir DIR.",
                self.parent.display()
            )));
        }
        Ok(())
    }

    fn unwritable(&self, error: &dyn std::fmt::Display) -> AppError {
        unwritable(&self.target, error)
    }
}

/// Writes a member to `path`, and holds it against the manifest as it comes: it is never longer than that says.
fn unpack<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    name: &str,
    record: &FileRecord,
    path: &Path,
    step: &mut dyn FnMut(u64) -> AppResult<()>,
) -> AppResult<()> {
    let member = archive.by_name(name).map_err(|error| wrong(format!("lacks {name}: {error}")))?;
    let mut member = member.take(record.bytes.saturating_add(1));
    let mut file = File::options().write(true).create_new(true).open(path).map_err(|error| unwritable(path, &error))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        let count = member.read(&mut buffer).map_err(|error| wrong(format!("holds a damaged {name}: {error}")))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(|error| unwritable(path, &error))?;
        hash.update(&buffer[..count]);
        bytes += count as u64;
        step(count as u64)?;
    }
    if (FileRecord { bytes, sha256: hexadecimal(hash) }) != *record {
        return Err(wrong(format!("holds another {name} than its manifest says: it is damaged")));
    }
    file.sync_all().map_err(|error| unwritable(path, &error))
}

/// The names of files reach the disk with their folders.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync(folder)
}
