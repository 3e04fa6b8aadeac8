//! Evaluations by the questions in the folder of data sets, each computed once; without the questions, those that ship with the program.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    DEFAULT, VectorSet,
    evaluate::{Evaluation, Questions, evaluate},
};
use crate::{
    config::Settings,
    error::{AppError, AppResult},
};

/// What sets get right of the analogy questions, remembered for each set and limit; shared by all who ask.
#[derive(Debug)]
pub struct Evaluations {
    folder: Option<PathBuf>,
    questions: OnceLock<Questions>,
    threads: usize,
    shared: Mutex<Shared>,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct Shared {
    /// Oldest first.
    known: VecDeque<(Arc<VectorSet>, Arc<Evaluation>)>,
    is_computing: bool,
    waiting: usize,
}

/// Where the questions lie in the folder of data sets.
pub const QUESTIONS_FOLDER: &str = "glove/questions";
/// Evaluations that are remembered: every set of a large installation at several limits, a few kilobytes each.
const MOST_KNOWN: usize = 64;
/// Who comes when so many wait is told to come back.
const MOST_WAITING: usize = 8;

impl Evaluations {
    /// Nothing is read or computed before it is asked for.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            folder: settings.datasets.as_ref().map(|datasets| datasets.join(QUESTIONS_FOLDER)),
            questions: OnceLock::new(),
            // Half of the processor is left to those who ask for less.
            threads: (settings.threads / 2).max(1),
            shared: Mutex::default(),
            finished: Condvar::new(),
        }
    }

    /// The questions, read when first asked for; brought in while the program runs, they are found without a new start.
    ///
    /// # Errors
    /// [`AppError::Unavailable`], saying what to do, when they are not there or can't be read.
    pub fn questions(&self) -> AppResult<&Questions> {
        if let Some(questions) = self.questions.get() {
            return Ok(questions);
        }
        let Some(folder) = &self.folder else { return Err(absent("no folder of data sets is named")) };
        if !folder.is_dir() {
            return Err(absent(&format!("there is no folder {QUESTIONS_FOLDER} in the folder of data sets")));
        }
        let questions = Questions::read(std::slice::from_ref(folder)).map_err(|error| match error {
            AppError::Invalid { reason, .. } => absent(&reason),
            other => other,
        })?;
        Ok(self.questions.get_or_init(|| questions))
    }

    /// What is known already of `set` among its first `limit` words; computes nothing and waits for nothing.
    #[must_use]
    pub fn known(&self, set: &Arc<VectorSet>, limit: usize) -> Option<Arc<Evaluation>> {
        self.lock().find(set, limit.min(set.len()))
    }

    /// What `set` gets right among its first `limit` words. The first call computes it, which may take a minute for a large set, one at a
    /// time and on half of the processor; who asks for the same meanwhile waits for it. Without questions, see [`Self::stored`].
    ///
    /// # Errors
    /// [`AppError::Unavailable`] without questions, [`AppError::Busy`] when too many wait already.
    pub fn get_or_compute(&self, set: &Arc<VectorSet>, limit: usize) -> AppResult<Arc<Evaluation>> {
        let limit = limit.min(set.len());
        let questions = match self.questions() {
            Ok(questions) => questions,
            Err(reason) => return Self::stored(set, limit).map(Arc::new).ok_or(reason),
        };
        let mut shared = self.lock();
        loop {
            if let Some(known) = shared.find(set, limit) {
                return Ok(known);
            }
            if !shared.is_computing {
                break;
            }
            if shared.waiting == MOST_WAITING {
                return Err(AppError::Busy { retry_after_seconds: 5 });
            }
            shared.waiting += 1;
            shared = self.finished.wait(shared).unwrap_or_else(PoisonError::into_inner);
            shared.waiting -= 1;
        }
        shared.is_computing = true;
        drop(shared);
        let turn = Turn(self);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().map_err(anyhow::Error::from)?;
        let evaluation = Arc::new(pool.install(|| evaluate(set, questions, limit)));
        self.lock().remember(set, &evaluation);
        drop(turn);
        Ok(evaluation)
    }

    /// The evaluation of the embedded set that ships with the program, at the limits it was made for; none of another set.
    #[must_use]
    pub fn stored(set: &VectorSet, limit: usize) -> Option<Evaluation> {
        let is_embedded = set.info().id == DEFAULT && STORED.iter().any(|stored| stored.limit == set.len());
        let stored = STORED.iter().find(|stored| is_embedded && stored.limit == limit.min(set.len()))?;
        Some(Evaluation { stored: true, ..stored.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn find(&self, set: &Arc<VectorSet>, limit: usize) -> Option<Arc<Evaluation>> {
        let known = self.known.iter().find(|(other, evaluation)| Arc::ptr_eq(other, set) && evaluation.limit == limit);
        known.map(|(_, evaluation)| Arc::clone(evaluation))
    }

    fn remember(&mut self, set: &Arc<VectorSet>, evaluation: &Arc<Evaluation>) {
        if self.known.len() == MOST_KNOWN {
            self.known.pop_front();
        }
        self.known.push_back((Arc::clone(set), Arc::clone(evaluation)));
    }
}

/// Lets the next one compute when this one is done, whether it succeeded or panicked.
struct Turn<'evaluations>(&'evaluations Evaluations);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().is_computing = false;
        self.0.finished.notify_all();
    }
}

/// What `torchboard words evaluate --set default --limit ... --json` printed; `data/words/README.md` has the command.
static STORED: LazyLock<Vec<Evaluation>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/words/default-evaluation.json"))
        .expect("data/words/default-evaluation.json is well formed")
});

fn absent(why: &str) -> AppError {
    AppError::Unavailable(format!(
        "The analogy questions can't be read: {}. Put the .txt files of https://github.com/stanfordnlp/GloVe, folder eval/question-data, \
         into DIR/{QUESTIONS_FOLDER} and name DIR by --datasets or TORCHBOARD_DATA.",
        why.trim_end_matches('.')
    ))
}
