//! Files that appear whole or not at all.

use std::path::Path;

use anyhow::Context as _;

use crate::error::AppResult;

/// Makes a file by `write` under a temporary name beside `path`, then renames it.
///
/// # Errors
/// What the disk says.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> AppResult<()> {
    let problem = || format!("can't write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let mut file = builder.prefix(".unfinished-").permissions(permissions).tempfile_in(folder).with_context(problem)?;
    write(file.as_file_mut()).with_context(problem)?;
    file.as_file().sync_all().with_context(problem)?;
    file.persist(path).with_context(problem)?;
    Ok(())
}
