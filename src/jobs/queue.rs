//! A server's queue: runs that wait are trained in their order, a few at a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Halt, recover, supervise};
use crate::{
    config::Settings,
    error::AppResult,
    store::{Run, Store},
};

/// Takes runs that wait from the store and supervises them; cheap to clone.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

struct Shared {
    store: Store,
    settings: Settings,
    /// At most so many at one time.
    limit: usize,
    active: Mutex<Active>,
    changed: Condvar,
}

#[derive(Default)]
struct Active {
    runs: BTreeMap<String, Arc<Halt>>,
    stopping: bool,
}

/// Another process's runs are looked for this often; this process's own wake the queue at once.
const PAUSE: Duration = Duration::from_millis(500);
/// Runs whose worker is gone are looked for this often.
const RECOVERY: Duration = Duration::from_secs(3);

impl Queue {
    /// Marks what an earlier process left behind, then begins with what waits.
    ///
    /// # Errors
    /// The store's own; when the system gives no thread.
    pub fn start(store: Store, settings: Settings, limit: usize) -> AppResult<Self> {
        recover(&store)?;
        let queue = Self(Arc::new(Shared { store, settings, limit, active: Mutex::default(), changed: Condvar::new() }));
        let dispatcher = queue.clone();
        std::thread::Builder::new().name("queue".into()).spawn(move || dispatcher.dispatch())?;
        Ok(queue)
    }

    /// Something waits that did not before.
    pub fn wake(&self) {
        self.0.changed.notify_all();
    }

    /// Interrupts every run and waits until their workers have ended, for a while at most.
    pub fn stop(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut active = self.lock();
        active.stopping = true;
        active.runs.values().for_each(|halt| halt.interrupt());
        while !active.runs.is_empty() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            active = self.0.changed.wait_timeout(active, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn dispatch(&self) {
        let mut looked = Instant::now();
        loop {
            if looked.elapsed() > RECOVERY {
                looked = Instant::now();
                if let Err(error) = recover(&self.0.store) {
                    tracing::warn!("{error}");
                }
            }
            let active = self.lock();
            if active.stopping {
                return;
            }
            if active.runs.len() < self.0.limit {
                drop(active);
                match self.0.store.claim_queued() {
                    Ok(Some(run)) => {
                        self.begin(run);
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!("{error}"),
                }
                let active = self.lock();
                drop(self.0.changed.wait_timeout(active, PAUSE));
            } else {
                drop(self.0.changed.wait_timeout(active, PAUSE));
            }
        }
    }

    fn begin(&self, run: Run) {
        let halt = Arc::new(Halt::default());
        {
            let mut active = self.lock();
            if active.stopping {
                halt.interrupt();
            }
            active.runs.insert(run.id.clone(), Arc::clone(&halt));
        }
        let queue = self.clone();
        let id = run.id.clone();
        let supervisor = move || {
            let _place = Place { queue: queue.clone(), run: run.id.clone() };
            if let Err(error) = supervise(&queue.0.store, &queue.0.settings, &run, &halt, &mut |_, _| {}) {
                tracing::error!(run = run.id, "{error}"); // the run is found without its worker, and becomes interrupted
            }
        };
        if let Err(error) = std::thread::Builder::new().name("supervisor".into()).spawn(supervisor) {
            tracing::error!(run = id, "can't start a thread: {error}");
            self.lock().runs.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Active> {
        self.0.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run's place among the active ones; given up whatever happens to its supervisor.
struct Place {
    queue: Queue,
    run: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.lock().runs.remove(&self.run);
        self.queue.wake();
    }
}
