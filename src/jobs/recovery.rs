//! Runs whose worker is gone.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    error::AppResult,
    store::Store,
    train::{Event, State},
};

/// The file that the worker and the supervisor of a run hold a lock on; it also takes what the worker writes on standard error.
pub fn lock_path(folder: &Path) -> PathBuf {
    folder.join("worker.log")
}

/// Who has just made a run `running` takes its lock within this time.
const GRACE: Duration = Duration::from_secs(2);

/// Makes every run `interrupted` that is said to be running and isn't: neither its worker nor its supervisor lives. Says which. One that
/// has said something within two seconds is left for the next time.
///
/// # Errors
/// The store's own.
pub fn recover(store: &Store) -> AppResult<Vec<String>> {
    let mut recovered = Vec::new();
    for run in store.runs_in_state(State::Running)? {
        if is_fresh(store, &run)? {
            continue;
        }
        let lock = File::open(lock_path(&store.run_folder(&run)));
        // Held until the new state is stored, so that nobody begins with the run meanwhile.
        let _lock = match lock {
            Ok(file) => match file.try_lock() {
                Ok(()) => Some(file),
                Err(_) => continue,
            },
            Err(_) => None, // its supervisor was gone before it had made the folder
        };
        if store.run(&run)?.state != State::Running || is_fresh(store, &run)? {
            continue; // it ended between the list and the lock, or was taken up again
        }
        let reason = Some("its worker is gone; it can be resumed from its last checkpoint".to_owned());
        store.append(&run, &[Event::End { state: State::Interrupted, reason, outcome: None }])?;
        recovered.push(run);
    }
    Ok(recovered)
}

fn is_fresh(store: &Store, run: &str) -> AppResult<bool> {
    let last = store.last_event(run)?;
    let said = store.events_after(run, last.saturating_sub(1), 1)?;
    let age = |at: jiff::Timestamp| jiff::Timestamp::now().duration_since(at).unsigned_abs();
    Ok(said.first().is_some_and(|event| age(event.at) < GRACE))
}
