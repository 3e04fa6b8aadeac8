//! Maps of embeddings: computed in the background, watched while they unfold, kept in the run's folder by what went into them.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    embeddings::{Embedder, Embeddings},
    inference::Stage,
    kept::Kept,
};
use crate::{
    data::Split,
    error::{AppError, AppResult},
    project::{self, Phase, Points, TsneOptions},
    store::Store,
};

/// Draws maps, one at a time, and remembers the last ones; shared by all who ask.
pub struct Maps {
    embedder: Arc<Embedder>,
    store: Store,
    /// The last used first.
    known: Mutex<VecDeque<(Wanted, Arc<Unfolding>)>>,
    /// Held by the one that is computed.
    turn: Arc<Mutex<()>>,
}

/// Everything that decides a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The run's id.
    pub run: String,
    /// Which images; `None`: those of the training split, then those of the test split.
    pub split: Option<Split>,
    /// By the network before or after its training.
    pub stage: Stage,
    /// How.
    pub method: Method,
    /// The first so many of the images.
    pub n: usize,
    /// Of t-SNE.
    pub seed: u64,
    /// Of t-SNE.
    pub perplexity: u32,
}

/// How points of many dimensions come on a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The first two principal components.
    Pca,
    /// t-distributed stochastic neighbour embedding.
    #[default]
    Tsne,
}

/// A finished map.
#[derive(Debug)]
pub struct Map {
    /// True labels, `[n]`.
    pub labels: Vec<u8>,
    /// Places on the plane, `[n]`.
    pub places: Vec<[f32; 2]>,
    /// KL divergence from the affinities, in nats; of t-SNE alone.
    pub kl_divergence: Option<f64>,
    /// How it unfolded: the places every now and then, the finished ones last.
    pub frames: Vec<Arc<Frame>>,
}

/// A map on its way.
#[derive(Debug)]
pub struct Frame {
    /// Iterations done.
    pub iteration: usize,
    /// `[n]`.
    pub places: Vec<[f32; 2]>,
}

/// How far a map is.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Standing {
    /// `waiting`, `neighbours`, `descent`, `done` or `failed`.
    pub phase: &'static str,
    /// Of this phase, from 0 to 1.
    pub share: f64,
    /// Iterations done.
    pub iteration: usize,
    /// Iterations at most.
    pub iterations: usize,
    /// When it was last computed, in nats.
    pub kl_divergence: Option<f64>,
    /// Seconds that the phase will take from here, by its pace so far.
    pub eta_s: Option<f64>,
    /// Frames that there are.
    pub frames: usize,
}

/// A map that is being computed, or is done.
pub struct Unfolding {
    /// True labels, `[n]`.
    pub labels: Vec<u8>,
    state: Mutex<State>,
    standing: watch::Sender<Standing>,
}

#[derive(Default)]
struct State {
    frames: Vec<Arc<Frame>>,
    outcome: Option<Result<Arc<Map>, Arc<AppError>>>,
}

/// Maps that are remembered.
const MOST_KNOWN: usize = 24;
/// Looks at a map while it unfolds: twice as many for few points, which cost less to keep.
const FRAMES: usize = 15;
const FEW_POINTS: usize = 20_000;
/// The array's name in the file that keeps a map: the places of all frames, side by side.
const ARRAY: &str = "places";

impl Maps {
    /// Draws nothing before it is asked.
    #[must_use]
    pub fn new(embedder: Arc<Embedder>, store: Store) -> Self {
        Self { embedder, store, known: Mutex::default(), turn: Arc::default() }
    }

    /// The map that is wanted: done, on its way, or begun now. Not for the threads that answer requests: the embeddings may have to be
    /// computed first.
    ///
    /// # Errors
    /// As [`Embedder::embeddings`]; [`AppError::Invalid`] for `n` or `perplexity` out of range; when the system gives no thread.
    pub fn open(&self, mut wanted: Wanted) -> AppResult<Arc<Unfolding>> {
        if !(1..=500).contains(&wanted.perplexity) {
            return Err(AppError::invalid("perplexity", "expected a whole number from 1 to 500."));
        }
        let parts = self.parts(&wanted)?;
        let count: usize = parts.iter().map(|part| part.labels.len()).sum();
        if wanted.n < 2 {
            return Err(AppError::invalid("n", "expected at least 2 images."));
        }
        wanted.settle(count);
        let mut known = lock(&self.known);
        if let Some(place) = known.iter().position(|(other, unfolding)| *other == wanted && !unfolding.has_failed()) {
            let found = Arc::clone(&known[place].1);
            known.swap(0, place);
            return Ok(found);
        }
        let labels = parts.iter().flat_map(|part| part.labels.iter().copied()).take(wanted.n).collect();
        let unfolding = Arc::new(Unfolding::new(labels));
        let weights = parts[0].run.weights.clone().unwrap_or_default();
        let path = self.store.run_folder(&wanted.run).join(wanted.name());
        if let Some(map) = Kept::read(&path, ARRAY, &weights).and_then(Map::from_kept) {
            unfolding.finish(Ok(map), || {});
        } else {
            let (unfolding, wanted, turn, store) = (Arc::clone(&unfolding), wanted.clone(), Arc::clone(&self.turn), self.store.clone());
            let compute = move || {
                let _turn = lock(&turn);
                let drawn = unfolding.compute(&parts, &wanted, &path, &weights);
                unfolding.finish(drawn, || store.revise());
            };
            std::thread::Builder::new().name("map".into()).spawn(compute)?;
        }
        known.retain(|(other, _)| *other != wanted);
        known.truncate(MOST_KNOWN - 1);
        known.push_front((wanted, Arc::clone(&unfolding)));
        Ok(unfolding)
    }

    /// The map that is wanted, if it is done: nothing is drawn, and no network looks at anything.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn done(&self, mut wanted: Wanted) -> AppResult<Option<Arc<Map>>> {
        let run = self.store.run(&wanted.run)?;
        let splits = wanted.splits().into_iter().map(|split| Embedder::count(&run, split)).sum::<AppResult<usize>>()?;
        wanted.settle(splits);
        let known = lock(&self.known).iter().find(|(other, _)| *other == wanted).map(|(_, unfolding)| unfolding.outcome());
        if let Some(outcome) = known {
            return Ok(outcome.and_then(Result::ok));
        }
        let path = self.store.run_folder(&run.id).join(wanted.name());
        let kept = run.weights.as_ref().and_then(|weights| Kept::read(&path, ARRAY, weights)).and_then(Map::from_kept);
        Ok(kept.map(Arc::new))
    }

    fn parts(&self, wanted: &Wanted) -> AppResult<Vec<Arc<Embeddings>>> {
        wanted.splits().into_iter().map(|split| self.embedder.embeddings(&wanted.run, split, wanted.stage)).collect()
    }
}

impl Wanted {
    /// The split's name, or `all`.
    #[must_use]
    pub fn split_name(&self) -> &'static str {
        self.split.map_or("all", Split::name)
    }

    /// Whose images these are, in their order.
    #[must_use]
    pub fn splits(&self) -> Vec<Split> {
        self.split.map_or_else(|| vec![Split::Train, Split::Test], |split| vec![split])
    }

    /// Brings what decides nothing to one value, so that equal maps are wanted alike; `count`: how many images there are.
    fn settle(&mut self, count: usize) {
        self.n = self.n.min(count).min(project::MAXIMUM_TSNE_POINTS);
        if self.method == Method::Pca {
            (self.seed, self.perplexity) = (0, 1);
        }
    }

    /// What the file is called in the run's folder.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { stage, n, seed, perplexity, .. } = self;
        let (split, stage) = (self.split_name(), stage.name());
        match self.method {
            Method::Pca => format!("map-pca-{stage}-{split}-{n}.safetensors"),
            Method::Tsne => format!("map-tsne-{stage}-{split}-{n}-{perplexity}-{seed}.safetensors"),
        }
    }
}

impl Map {
    fn to_kept(&self) -> Kept {
        let frames = self.frames.iter();
        let values = (0..self.labels.len()).flat_map(|point| frames.clone().flat_map(move |frame| frame.places[point])).collect();
        let iterations: Vec<String> = self.frames.iter().map(|frame| frame.iteration.to_string()).collect();
        let mut notes = HashMap::from([("iterations".to_owned(), iterations.join(" "))]);
        notes.extend(self.kl_divergence.map(|divergence| ("kl_divergence".to_owned(), divergence.to_string())));
        Kept { labels: self.labels.clone(), values, columns: 2 * self.frames.len(), groups: None, notes }
    }

    fn from_kept(kept: Kept) -> Option<Self> {
        let iterations: Vec<usize> = kept.notes.get("iterations")?.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        if iterations.is_empty() || kept.columns != 2 * iterations.len() {
            return None;
        }
        let place = |row: &[f32], frame: usize| [row[2 * frame], row[2 * frame + 1]];
        let frame = |(number, iteration): (usize, &usize)| {
            let places = kept.values.chunks_exact(kept.columns).map(|row| place(row, number)).collect();
            Arc::new(Frame { iteration: *iteration, places })
        };
        let frames: Vec<Arc<Frame>> = iterations.iter().enumerate().map(frame).collect();
        let kl_divergence = kept.notes.get("kl_divergence").and_then(|text| text.parse().ok());
        Some(Self { places: frames.last()?.places.clone(), labels: kept.labels, kl_divergence, frames })
    }
}

impl Unfolding {
    fn new(labels: Vec<u8>) -> Self {
        let standing = Standing { phase: "waiting", share: 0.0, iteration: 0, iterations: 0, kl_divergence: None, eta_s: None, frames: 0 };
        Self { labels, state: Mutex::default(), standing: watch::Sender::new(standing) }
    }

    /// Where it stands, and what wakes whoever waits for more.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// The frames from the one of this number on.
    #[must_use]
    pub fn frames_from(&self, number: usize) -> Vec<Arc<Frame>> {
        lock(&self.state).frames.get(number..).unwrap_or_default().to_vec()
    }

    /// The map, once it is done; why there is none, once it has failed.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Arc<Map>, Arc<AppError>>> {
        lock(&self.state).outcome.clone()
    }

    /// Waits for the map at most so long.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when it is not done by then, with how far it is; what made it fail.
    pub async fn wait(&self, patience: Duration) -> AppResult<Arc<Map>> {
        let mut standing = self.standing();
        let done = standing.wait_for(|standing| matches!(standing.phase, "done" | "failed"));
        let _ = tokio::time::timeout(patience, done).await;
        match self.outcome() {
            Some(Ok(map)) => Ok(map),
            Some(Err(error)) => Err(AppError::Conflict(error.to_string())),
            None => {
                let Standing { phase, share, .. } = self.standing.borrow().clone();
                let percent = (100.0 * share).floor();
                Err(AppError::Unavailable(format!(
                    "The map is on its way ({phase}, {percent} %). Ask again in 5 s, or follow it under projection/events."
                )))
            }
        }
    }

    fn has_failed(&self) -> bool {
        matches!(lock(&self.state).outcome, Some(Err(_)))
    }

    /// Tells whoever follows, after `noting` that it is there.
    fn finish(&self, outcome: AppResult<Map>, noting: impl FnOnce()) {
        let phase = if outcome.is_ok() { "done" } else { "failed" };
        let mut state = lock(&self.state);
        let outcome = outcome.map(Arc::new).map_err(Arc::new);
        let mut kl_divergence = None;
        if let Ok(map) = &outcome {
            state.frames.clone_from(&map.frames);
            kl_divergence = map.kl_divergence;
        }
        let (frames, iteration) = (state.frames.len(), state.frames.last().map_or(0, |frame| frame.iteration));
        state.outcome = Some(outcome);
        drop(state);
        noting();
        self.standing.send_replace(Standing { phase, share: 1.0, iteration, iterations: iteration, kl_divergence, eta_s: None, frames });
    }

    fn compute(&self, parts: &[Arc<Embeddings>], wanted: &Wanted, path: &Path, weights: &str) -> AppResult<Map> {
        let drawn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.draw(parts, wanted)));
        let drawn = drawn.unwrap_or_else(|_| Err(AppError::Internal(anyhow::anyhow!("the map {} panicked", path.display()))));
        if let Ok(map) = &drawn
            && let Err(error) = map.to_kept().write(path, ARRAY, weights)
        {
            tracing::warn!("{} can't be kept: {error}", path.display()); // and is drawn again when it is needed
        }
        drawn
    }

    fn draw(&self, parts: &[Arc<Embeddings>], wanted: &Wanted) -> AppResult<Map> {
        let dimension = parts[0].dimension;
        let mut values: Vec<f32> = parts.iter().flat_map(|part| part.values.iter().copied()).take(wanted.n * dimension).collect();
        values.shrink_to_fit();
        let labels = self.labels.clone();
        let failed = |error: project::ProjectError| AppError::Conflict(format!("The images can't be mapped: {error}."));
        let points = Points::new(&values, dimension).map_err(failed)?;
        if wanted.method == Method::Pca {
            let places = project::pca(points, 2).map_err(failed)?.plane();
            let frames = vec![Arc::new(Frame { iteration: 0, places: places.clone() })];
            return Ok(Map { labels, places, kl_divergence: None, frames });
        }
        let defaults = TsneOptions::default();
        let frames = if wanted.n <= FEW_POINTS { 2 * FRAMES } else { FRAMES };
        let options = TsneOptions {
            perplexity: f64::from(wanted.perplexity),
            seed: wanted.seed,
            snapshot_every: defaults.iterations.div_ceil(frames),
            ..defaults
        };
        let mut clock = (Phase::Neighbours, Instant::now());
        let done = project::tsne(points, &options, &mut |progress| {
            self.hear(&progress, &mut clock);
            ControlFlow::Continue(())
        });
        let done = done.map_err(failed)?;
        let mut frames = lock(&self.state).frames.clone();
        if frames.last().is_some_and(|frame| frame.iteration == done.iterations) {
            frames.pop();
        }
        frames.push(Arc::new(Frame { iteration: done.iterations, places: done.coordinates.clone() }));
        Ok(Map { labels, places: done.coordinates, kl_divergence: Some(done.kl_divergence), frames })
    }

    fn hear(&self, progress: &project::Progress<'_>, (phase, since): &mut (Phase, Instant)) {
        if progress.phase != *phase {
            (*phase, *since) = (progress.phase, Instant::now());
        }
        let mut state = lock(&self.state);
        if progress.phase == Phase::Descent {
            state.frames.push(Arc::new(Frame { iteration: progress.iteration, places: progress.coordinates.to_vec() }));
        }
        let frames = state.frames.len();
        drop(state);
        let left = since.elapsed().as_secs_f64() * (1.0 - progress.share) / progress.share;
        self.standing.send_replace(Standing {
            phase: if progress.phase == Phase::Descent { "descent" } else { "neighbours" },
            share: progress.share,
            iteration: progress.iteration,
            iterations: progress.iterations,
            kl_divergence: progress.kl_divergence,
            eta_s: Some(left).filter(|left| left.is_finite()),
            frames,
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
