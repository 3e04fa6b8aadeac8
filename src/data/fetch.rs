//! Bringing a publication of one or several files.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::{DownloadError, Downloader, manifest::Publication};

/// How far a fetch is.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = FetchProgress)] // a run has progress too
pub struct Progress {
    /// The file that is being brought.
    #[schema(example = "train-images-idx3-ubyte.gz")]
    pub file: String,
    /// Bytes that are here, of all files.
    #[schema(example = 4_194_304)]
    pub bytes: u64,
    /// Bytes of all files.
    #[schema(example = 30_878_645)]
    pub total: u64,
}

/// Why a publication could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It has no address.
    #[error("{0} can't be fetched: it has no publisher's address")]
    NotPublished(String),
    /// Somebody else is at it.
    #[error("{0} is being fetched by another process")]
    Underway(String),
    /// A file could not be brought; those before it are here.
    #[error(transparent)]
    Download(#[from] DownloadError),
}

/// Brings every file of `about` into `folder` and returns their paths. What is there and whole is left as it is; what was cut is gone on with.
///
/// With `mirror` each file comes from `MIRROR/ID/FILE` instead of from its publisher.
///
/// # Errors
/// [`FetchError`]; files that are not whole do not stand under their names then.
pub fn fetch(
    about: &Publication,
    folder: &Path,
    mirror: Option<&str>,
    downloader: &Downloader,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<PathBuf>, FetchError> {
    if !about.can_be_fetched() {
        return Err(FetchError::NotPublished(about.name.clone()));
    }
    let _lock = lock(about, folder)?;
    let mut paths = Vec::with_capacity(about.files.len());
    let (mut before, mut total) = (0, about.bytes());
    for file in &about.files {
        let mut file = file.clone();
        if let Some(mirror) = mirror {
            file.addresses = vec![format!("{}/{}/{}", mirror.trim_end_matches('/'), about.id, file.file_name)];
        }
        let announced = file.size.bytes();
        let mut length = announced;
        paths.push(downloader.fetch(&file, folder, &mut |bytes, of| {
            length = of;
            progress(&Progress { file: file.file_name.clone(), bytes: before + bytes, total: total - announced + of });
        })?);
        (before, total) = (before + length, total - announced + length);
        progress(&Progress { file: file.file_name.clone(), bytes: before, total });
    }
    Ok(paths)
}

/// Held while `folder` is written to: two writers would spoil each other's parts. The system lets go of it should the process die.
fn lock(about: &Publication, folder: &Path) -> Result<File, FetchError> {
    let path = folder.join(".fetching");
    let disk = |cause| FetchError::Download(DownloadError::Disk { path: path.clone(), cause });
    fs::create_dir_all(folder).map_err(disk)?;
    let file = File::create(&path).map_err(disk)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FetchError::Underway(about.name.clone())),
        Err(TryLockError::Error(cause)) => Err(disk(cause)),
    }
}
