//! Training `GloVe` vectors. Pennington et al. 2014.
//!
//! Corpora are read once ([`Vocabulary`]), co-occurrences counted in bounded memory ([`cooccurrence`]), dealt into cells that fit the
//! processor's cache ([`cells`]), and vectors fitted to them ([`Factors`]). The seed decides every bit of the result; threads don't.

mod cells;
mod cooccurrence;
mod corpus;
mod event;
mod factors;
mod output;
mod settings;
mod tokeniser;
mod vocabulary;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use anyhow::Context as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use self::{
    cells::{Arrangement, Cells, CellsBuilder},
    factors::Factors,
    vocabulary::Vocabulary,
};
pub use self::{
    corpus::for_each_line,
    event::{Event, Phase},
    output::write_text,
    settings::GloveSettings,
    tokeniser::tokenise,
};
use crate::error::{AppError, AppResult};

/// A training to be run.
#[derive(Debug)]
pub struct Training<'a> {
    /// Text files, plain or gzipped, one after the other.
    pub corpora: &'a [PathBuf],
    /// What it was told.
    pub settings: GloveSettings,
    /// Decides every random choice.
    pub seed: u64,
    /// How many threads work; the result doesn't depend on it.
    pub threads: usize,
    /// Set from elsewhere to stop soon.
    pub cancelled: &'a AtomicBool,
}

/// Trained vectors.
#[derive(Debug)]
pub struct Trained {
    /// Most frequent first.
    pub words: Vec<String>,
    /// One per word: `[dimension]`.
    pub vectors: Vec<Vec<f32>>,
    /// How they came about.
    pub record: Record,
}

/// How vectors came about: enough to make them again.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// What the training was told.
    pub settings: GloveSettings,
    /// Its seed.
    pub seed: u64,
    /// The files it read.
    pub corpora: Vec<Corpus>,
    /// Tokens in them.
    pub tokens: u64,
    /// Words that have vectors.
    pub vocabulary: usize,
    /// Entries of the co-occurrence matrix.
    pub cooccurrences: u64,
    /// Mean loss of each complete pass.
    pub losses: Vec<f64>,
    /// Whether it was stopped before its last pass was complete.
    pub cancelled: bool,
    /// Threads that worked.
    pub threads: usize,
    /// Seconds that reading took.
    pub vocabulary_s: f64,
    /// Seconds that counting took.
    pub cooccurrence_s: f64,
    /// Seconds that dealing and shuffling took.
    pub shuffle_s: f64,
    /// Seconds that fitting took.
    pub training_s: f64,
}

/// One file of a training.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Corpus {
    /// Its name, without folders.
    pub file: String,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Training<'_> {
    /// Trains; `listen` hears of it. None when it was stopped before there were vectors; vectors of an unfinished training otherwise.
    ///
    /// # Errors
    /// [`AppError::Invalid`] naming the setting or `corpus` when one can't be used; otherwise what the disk says.
    pub fn run(&self, listen: &mut (dyn FnMut(Event) + Send)) -> AppResult<Option<Trained>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().context("can't start threads")?;
        pool.install(|| self.run_here(listen))
    }

    fn run_here(&self, listen: &mut (dyn FnMut(Event) + Send)) -> AppResult<Option<Trained>> {
        let settings = &self.settings;
        listen(Event::State { state: "running" });
        let mut clock = Clock::new(self, listen);
        let Some(mut vocabulary) = self.read(&mut clock)? else { return Ok(None) };
        let vocabulary_s = clock.lap();
        let words = vocabulary.words.len();
        clock.say(format!("{} tokens, {words} words that appear {} times or more", vocabulary.tokens, settings.minimum_count));

        let mut builder = CellsBuilder::new(words, settings.memory / 2);
        let counted: u64 = vocabulary.counts.iter().sum();
        let completed = cooccurrence::count(&mut vocabulary, settings.window, settings.memory / 2, &mut builder, |tokens| {
            clock.tell(Phase::Cooccurrence, tokens, counted, 0)
        })?;
        if !completed {
            return Ok(None);
        }
        let cooccurrence_s = clock.lap();
        if builder.has_spilled() {
            clock.say("co-occurrences don't fit in the memory allowed; they are kept on disk".into());
        }
        let blocks = cells::blocks_for(words) as u64;
        let arrangement = Arrangement {
            x_max: settings.x_max,
            alpha: settings.alpha,
            tile: (TILE_BYTES / factors::bytes_per_row(settings.dimension)).max(1),
            seed: self.seed,
        };
        let Some(cells) = builder.finish(arrangement, |cells| clock.tell(Phase::Shuffle, cells, blocks * blocks, 0))? else {
            return Ok(None);
        };
        let shuffle_s = clock.lap();
        clock.say(format!("{} co-occurrences within {} tokens", cells.pairs(), settings.window));

        let mut factors = Factors::random(words, settings.dimension, cells.blocks(), self.seed);
        let losses = self.fit(&cells, &mut factors, &mut clock)?;
        let training_s = clock.lap();
        let corpora = self.corpora.iter().zip(std::mem::take(&mut vocabulary.checksums));
        let record = Record {
            settings: settings.clone(),
            seed: self.seed,
            corpora: corpora.map(|(file, sha256)| Corpus { file: file_name(file), sha256 }).collect(),
            tokens: vocabulary.tokens,
            vocabulary: words,
            cooccurrences: cells.pairs(),
            cancelled: losses.len() < settings.epochs,
            losses,
            threads: self.threads,
            vocabulary_s,
            cooccurrence_s,
            shuffle_s,
            training_s,
        };
        let vectors = (0..words).into_par_iter().map(|word| factors.vector(word)).collect();
        Ok(Some(Trained { words: vocabulary.words, vectors, record }))
    }

    fn read(&self, clock: &mut Clock) -> AppResult<Option<Vocabulary>> {
        if self.corpora.is_empty() {
            return Err(AppError::invalid("corpus", "expected at least one file of text"));
        }
        let bytes = self.corpora.iter().map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len())).sum();
        let (least, most) = (self.settings.minimum_count, self.settings.vocabulary_limit);
        Vocabulary::count(self.corpora, least, most, |read| clock.tell(Phase::Vocabulary, read, bytes, 0))
    }

    /// Passes over all cells, in each a new order of the diagonals. Returns the mean loss of each complete pass.
    fn fit(&self, cells: &Cells, factors: &mut Factors, clock: &mut Clock) -> AppResult<Vec<f64>> {
        let (blocks, epochs, dimension) = (cells.blocks(), self.settings.epochs, factors.dimension);
        let learning_rate = self.settings.learning_rate as f32;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ 0x5eed_0f0d_e501_d1a9);
        let mut diagonals: Vec<usize> = (0..blocks).collect();
        let (mut losses, mut done, mut turned) = (Vec::new(), 0, 0);
        'training: for epoch in 1..=epochs {
            for last in (1..blocks).rev() {
                diagonals.swap(last, random.random_range(0..=last));
            }
            let mut loss = 0.0;
            for &diagonal in &diagonals {
                // The context block that meets word block i is i + diagonal: no two threads share a row, and none waits for another.
                factors.contexts.rotate_left((diagonal + blocks - turned) % blocks);
                turned = diagonal;
                let trained: Vec<(f64, usize)> = factors
                    .words
                    .par_iter_mut()
                    .zip(&mut factors.contexts)
                    .enumerate()
                    .with_max_len(1)
                    .map_init(Vec::new, |buffer, (block, (words, contexts))| {
                        let pairs = cells.cell(block, (block + diagonal) % blocks, buffer)?;
                        Ok((factors::train_cell(pairs, words, contexts, dimension, learning_rate), pairs.len()))
                    })
                    .collect::<AppResult<_>>()?;
                loss += trained.iter().map(|(loss, _)| loss).sum::<f64>();
                done += trained.iter().map(|(_, pairs)| *pairs as u64).sum::<u64>();
                if !clock.tell(Phase::Training, done, cells.pairs() * epochs as u64, epoch) {
                    break 'training;
                }
            }
            loss /= cells.pairs() as f64;
            if !loss.is_finite() {
                return Err(AppError::invalid(
                    "learning_rate",
                    format!("the loss is {loss} in pass {epoch}; a lower learning rate is needed"),
                ));
            }
            losses.push(loss);
            (clock.listen)(Event::Metric { name: "loss", split: "train", epoch, value: loss });
        }
        factors.contexts.rotate_left((blocks - turned) % blocks);
        Ok(losses)
    }
}

/// A tile's words and its contexts take this each; both and the pairs fit in the second cache level of common processors (1 MiB).
const TILE_BYTES: usize = 384 << 10;

fn file_name(file: &std::path::Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// Keeps the time and passes on how far things are.
struct Clock<'a> {
    listen: &'a mut (dyn FnMut(Event) + Send),
    cancelled: &'a AtomicBool,
    epochs: usize,
    started: Instant,
    phase_started: Instant,
    told: Option<Instant>,
}

impl<'a> Clock<'a> {
    fn new(training: &Training<'a>, listen: &'a mut (dyn FnMut(Event) + Send)) -> Self {
        let now = Instant::now();
        Self { listen, cancelled: training.cancelled, epochs: training.settings.epochs, started: now, phase_started: now, told: None }
    }

    fn lap(&mut self) -> f64 {
        let elapsed = self.phase_started.elapsed().as_secs_f64();
        self.phase_started = Instant::now();
        self.told = None;
        elapsed
    }

    fn say(&mut self, message: String) {
        (self.listen)(Event::Log { message });
    }

    /// Says how far the phase is, not more often than people can read; false when it is time to stop.
    fn tell(&mut self, phase: Phase, step: u64, steps: u64, epoch: usize) -> bool {
        if step >= steps || self.told.is_none_or(|told| told.elapsed().as_millis() >= 200) {
            self.told = Some(Instant::now());
            let pace = self.phase_started.elapsed().as_secs_f64() / step.max(1) as f64;
            let eta_s = pace * steps.saturating_sub(step) as f64;
            let elapsed_s = self.started.elapsed().as_secs_f64();
            (self.listen)(Event::Progress { phase, step, steps, epoch, epochs: self.epochs, elapsed_s, eta_s });
        }
        !self.cancelled.load(Ordering::Relaxed)
    }
}
