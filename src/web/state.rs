//! What every handler can reach.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{
    access::{Limits, Reach},
    follow::Feeds,
    monitor::Monitor,
    unchanged::Unchanged,
};
use crate::{
    accounts::Accounts,
    config::Settings,
    data::Datasets,
    error::{AppError, AppResult},
    jobs::{self, Embedder, Explainer, Inference, Judge, Maps, Queue, Studies},
    store::Store,
    words::{Evaluations, Library, search::Batcher},
};

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// See [`AppState`].
pub struct Shared {
    /// The vector sets.
    pub library: Arc<Library>,
    /// What the sets get right of the analogy questions.
    pub evaluations: Evaluations,
    /// The data sets of labelled images.
    pub datasets: Datasets,
    /// Runs, what they said, studies.
    pub store: Store,
    /// Runs that wait for their turn, and those that are trained.
    pub queue: Queue,
    /// Studies that wait for their turn, and those that are conducted.
    pub studies: Studies,
    /// Trained networks, on a thread of their own.
    pub inference: Inference,
    /// How good runs' networks are.
    pub judge: Judge,
    /// Why runs' classifiers say what they say.
    pub explainer: Explainer,
    /// Where runs' networks put images.
    pub embedder: Arc<Embedder>,
    /// Maps of that.
    pub maps: Maps,
    /// Who can sign in.
    pub accounts: Accounts,
    /// How many requests one address may send.
    pub limits: Limits,
    /// How people reach this server.
    pub reach: Reach,
    /// How the program was started.
    pub settings: Settings,
    /// Where tensors live: `cpu` or `cuda:N`.
    pub device: String,
    /// Searches, several questions in one pass.
    pub searches: Batcher,
    /// Counts and times of requests.
    pub monitor: Monitor,
    /// What is followed.
    pub(super) feeds: Feeds,
    /// Pages that would be made the same again.
    pub(super) unchanged: Unchanged,
    computations: Semaphore,
}

impl std::ops::Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl AppState {
    /// Opens what the server shows, and begins with the runs that wait, `workers` at a time. The runs that come with the program are imported
    /// once, unless `shipped_runs` is false.
    ///
    /// # Errors
    /// When the data folder can't be written, or the device that was asked for is not there.
    pub fn open(settings: Settings, reach: Reach, workers: usize, shipped_runs: bool) -> anyhow::Result<Self> {
        let device = settings.device.name()?;
        let library = Arc::new(Library::open(&settings)?);
        let evaluations = Evaluations::new(&settings);
        let datasets = Datasets::open(&settings);
        datasets.check_beforehand()?;
        let store = Store::open(&settings.data_dir)?;
        if shipped_runs {
            jobs::import_shipped(&store)?;
        }
        let queue = Queue::start(store.clone(), settings.clone(), workers)?;
        let studies = Studies::start(store.clone(), settings.clone(), datasets.clone(), queue.clone())?;
        let inference = Inference::start(settings.device, WAITING_PREDICTIONS)?;
        let judge = Judge::new(store.clone(), datasets.clone(), inference.clone());
        let explainer = Explainer::new(store.clone(), datasets.clone(), inference.clone());
        let embedder = Arc::new(Embedder::new(store.clone(), datasets.clone(), inference.clone()));
        let maps = Maps::new(Arc::clone(&embedder), store.clone());
        let searches = Batcher::start(WAITING_SEARCHES)?;
        let computations = Semaphore::new(settings.threads * COMPUTATIONS_PER_THREAD);
        Ok(Self(Arc::new(Shared {
            library,
            evaluations,
            datasets,
            queue,
            studies,
            inference,
            judge,
            explainer,
            embedder,
            maps,
            accounts: Accounts::new(store.clone()),
            limits: Limits::new(&reach),
            reach,
            store,
            settings,
            device,
            searches,
            monitor: Monitor::new()?,
            feeds: Feeds::default(),
            unchanged: Unchanged::default(),
            computations,
        })))
    }

    /// Runs `work` off the threads that answer requests.
    ///
    /// # Errors
    /// [`AppError::Busy`] when too much is computed already; what `work` returns.
    pub async fn compute<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> AppResult<T> + Send + 'static) -> AppResult<T> {
        let Ok(_permit) = tokio::time::timeout(LONGEST_WAIT, self.computations.acquire()).await else {
            return Err(AppError::Busy { retry_after_seconds: 1 });
        };
        let state = self.clone();
        tokio::task::spawn_blocking(move || work(&state)).await.map_err(|panic| AppError::Internal(panic.into()))?
    }
}

/// More than one per thread, since a page waits for memory as well as for arithmetic.
const COMPUTATIONS_PER_THREAD: usize = 2;
/// More questions than this are told to come back: a few times the connections of a full lecture room.
const WAITING_SEARCHES: usize = 4096;
/// More pictures than this are told to come back: a second's work or two.
const WAITING_PREDICTIONS: usize = 1024;
/// After this long in the queue a request is told to come back.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
