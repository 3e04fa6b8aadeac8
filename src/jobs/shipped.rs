//! The runs that come with the program: a fresh machine shows real results at once.

use std::io::Cursor;

use rust_embed::RustEmbed;

use super::portable::{import, sha256};
use crate::{
    error::{AppError, AppResult},
    store::{Origin, Store},
};

#[derive(RustEmbed)]
#[folder = "data/runs/"]
#[include = "*.torchboard"]
struct Files;

/// Imports what has not been imported yet. What people deleted since stays deleted.
///
/// # Errors
/// The store's own. A file that can't be imported, since there is a run of its id, is logged and left out.
pub fn import_shipped(store: &Store) -> AppResult<()> {
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let sha256 = sha256(&file.data);
        if store.has_shipped(&name, &sha256)? {
            continue;
        }
        match import(store, Cursor::new(&file.data), Origin::Shipped) {
            Ok(imported) => tracing::info!(file = %name, runs = imported.runs.len(), "imported runs that came with the program"),
            Err(AppError::Invalid { field, reason }) => tracing::warn!(file = %name, "not imported: {field}: {reason}"),
            Err(other) => return Err(other),
        }
        store.remember_shipped(&name, &sha256)?;
    }
    Ok(())
}
