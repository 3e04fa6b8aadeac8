//! The runs that come with the program: a fresh machine shows real results at once.

use std::io::Cursor;

use rayon::prelude::*;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::portable::{sha256, unpack};
use crate::{
    error::{AppError, AppResult},
    store::{Origin, Store},
};

#[derive(RustEmbed)]
#[folder = "data/runs/"]
#[include = "*.torchboard"]
struct Files;

/// Files that are unpacked at one time. More than there are cores: most of the time goes by until the disk has them.
const AT_ONCE: usize = 8;

/// Imports what has not been imported yet. What people deleted since stays deleted.
///
/// # Errors
/// The store's own. A file that can't be imported, since there is a run of its id, is logged and left out.
pub fn import_shipped(store: &Store) -> AppResult<()> {
    let mut missing: Vec<(String, String, EmbeddedFile)> = Vec::new();
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let sha256 = sha256(&file.data);
        if !store.has_shipped(&name, &sha256)? {
            missing.push((name.into_owned(), sha256, file));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(AT_ONCE).build().map_err(anyhow::Error::from)?;
    let unpacked: Vec<_> =
        pool.install(|| missing.par_iter().map(|(_, _, file)| unpack(store, Cursor::new(&file.data), Origin::Shipped)).collect());
    let mut runs = 0;
    // One after the other: the order in which runs come is told by lists.
    for ((name, sha256, _), unpacked) in missing.iter().zip(unpacked) {
        match unpacked.and_then(|unpacked| unpacked.take_in(store)) {
            Ok(imported) => {
                tracing::debug!(file = %name, runs = imported.runs.len(), "imported runs that came with the program");
                runs += imported.runs.len();
            }
            Err(AppError::Invalid { field, reason }) => tracing::warn!(file = %name, "not imported: {field}: {reason}"),
            Err(other) => return Err(other),
        }
        store.remember_shipped(name, sha256)?;
    }
    tracing::info!(runs, files = missing.len(), "imported runs that came with the program");
    Ok(())
}
