//! A training in this very process, kept as a run like those of workers.

use std::fs::{self, File};

use super::recovery::lock_path;
use crate::{
    error::{AppError, AppResult},
    store::{NewRun, Store},
    train::{Event, State},
};

/// Keeps the run of a training that has no worker: word vectors, which are trained in a terminal. As long as it lives it holds the run's lock,
/// so that a server sees whether the training is still there.
pub struct Witness {
    store: Store,
    run: String,
    _lock: File,
}

impl Witness {
    /// Makes the run, `running`.
    ///
    /// # Errors
    /// The store's own; [`AppError::Unavailable`] when the run's folder can't be written.
    pub fn begin(store: Store, new: &NewRun) -> AppResult<Self> {
        let run = store.create_run(&NewRun { state: State::Running, ..new.clone() })?.id;
        let folder = store.run_folder(&run);
        let lock = fs::create_dir_all(&folder).and_then(|()| File::create(lock_path(&folder))).and_then(|file| {
            file.try_lock()?;
            Ok(file)
        });
        match lock {
            Ok(lock) => Ok(Self { store, run, _lock: lock }),
            Err(error) => {
                let reason = format!("the run's folder {} can't be written: {error}", folder.display());
                store.append(&run, &[Event::End { state: State::Failed, reason: Some(reason.clone()), outcome: None }])?;
                Err(AppError::Unavailable(reason))
            }
        }
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Stores what the training says. What can't be stored is logged and not the training's fault: its vectors are worth more.
    pub fn tell(&self, event: Event) {
        if let Err(error) = self.store.append(&self.run, &[event]) {
            tracing::warn!(run = self.run, "{error}");
        }
    }

    /// Whether somebody asked the run to stop, on a page or through the API.
    #[must_use]
    pub fn is_stop_requested(&self) -> bool {
        self.store.is_stop_requested(&self.run).unwrap_or(false)
    }
}
