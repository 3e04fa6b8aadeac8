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
    /// So far.
    computed: u64,
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

    /// How many were computed so far: another number when something new is known.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.lock().computed
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
        self.computed += 1;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{models::DeviceChoice, words::SetInfo};

    fn set(id: &str, words: usize) -> Arc<VectorSet> {
        let text = || "test".to_owned();
        let info = SetInfo { id: id.to_owned(), name: text(), dimension: 0, vocabulary: 0, source: text(), licence: text() };
        let rows = (0..words).map(|word| (format!("word{word}"), [1.0 + word as f32, 1.0]));
        Arc::new(VectorSet::from_rows(info, rows).unwrap())
    }

    /// In a folder of data sets with `questions`.
    fn evaluations(questions: &str) -> (tempfile::TempDir, Evaluations) {
        let datasets = tempfile::tempdir().unwrap();
        let folder = datasets.path().join(QUESTIONS_FOLDER);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("some.txt"), questions).unwrap();
        let settings = Settings {
            data_dir: datasets.path().join("data"),
            datasets: Some(datasets.path().into()),
            device: DeviceChoice::default(),
            mirror: None,
            threads: 2,
        };
        let evaluations = Evaluations::new(&settings);
        (datasets, evaluations)
    }

    #[test]
    fn an_evaluation_is_computed_once_for_each_set_and_limit() {
        let (_datasets, evaluations) = evaluations("word0 word1 word2 word3\n");
        let (first, second) = (set("same", 10), set("same", 12));
        assert!(evaluations.known(&first, 10).is_none());
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..MOST_WAITING).map(|_| scope.spawn(|| evaluations.get_or_compute(&first, 1000).unwrap())).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| Arc::ptr_eq(answer, &answers[0])));
        assert!(Arc::ptr_eq(&evaluations.known(&first, 10).unwrap(), &answers[0]), "1000 of 10 words are 10");
        assert!(evaluations.known(&first, 9).is_none());
        assert_eq!(evaluations.get_or_compute(&second, 1000).unwrap().limit, 12, "another set of the same name");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (_datasets, evaluations) = evaluations("word0 word1 word2 word3\n");
        let set = set("large", MOST_KNOWN + 2);
        for limit in 1..=MOST_KNOWN + 2 {
            evaluations.get_or_compute(&set, limit).unwrap();
        }
        let known: Vec<bool> = [1, 2, 3, MOST_KNOWN + 2].map(|limit| evaluations.known(&set, limit).is_some()).into();
        assert_eq!(known, [false, false, true, true]);
    }

    #[test]
    fn too_many_who_wait_are_told_to_come_back() {
        let (_datasets, evaluations) = evaluations("word0 word1 word2 word3\n");
        let set = set("some", 10);
        evaluations.lock().is_computing = true;
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..MOST_WAITING).map(|_| scope.spawn(|| evaluations.get_or_compute(&set, 10))).collect();
            while evaluations.lock().waiting < MOST_WAITING {
                std::thread::yield_now();
            }
            assert!(matches!(evaluations.get_or_compute(&set, 10), Err(AppError::Busy { .. })));
            drop(Turn(&evaluations));
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap().is_ok()));
        });
        assert_eq!(evaluations.lock().waiting, 0);
    }

    #[test]
    fn bad_question_files_are_no_fault_of_the_asker() {
        let (_datasets, evaluations) = evaluations("three words only\n");
        let Err(AppError::Unavailable(reason)) = evaluations.get_or_compute(&set("some", 10), 10) else { panic!("without a question") };
        assert!(reason.contains("no question of four words") && reason.contains(QUESTIONS_FOLDER), "{reason}");
    }

    #[test]
    fn only_the_embedded_set_has_a_stored_evaluation() {
        assert!(Evaluations::stored(&set("some", 10), 10).is_none());
        assert!(Evaluations::stored(&set(DEFAULT, 10), 10).is_none(), "another set of its name");
        assert!(STORED.iter().all(|evaluation| evaluation.set == DEFAULT && !evaluation.stored && evaluation.total.covered > 0));
        assert_eq!(STORED.len(), 2);
    }
}
