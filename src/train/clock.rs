//! How long a training takes.

use std::time::{Duration, Instant};

/// Times a training, over interruptions.
pub(super) struct Clock {
    start: Instant,
    before_s: f64,
    examples: u64,
    done: u64,
    done_here: u64,
    said: Instant,
}

pub(super) struct Pace {
    pub(super) elapsed_s: f64,
    pub(super) eta_s: Option<f64>,
    pub(super) examples_per_s: f64,
}

impl Clock {
    pub(super) fn new(examples: u64) -> Self {
        let now = Instant::now();
        Self { start: now, before_s: 0.0, examples, done: 0, done_here: 0, said: now }
    }

    pub(super) fn resume(&mut self, before_s: f64, done: u64) {
        (self.before_s, self.done) = (before_s, done);
    }

    pub(super) fn elapsed(&self) -> f64 {
        self.before_s + self.start.elapsed().as_secs_f64()
    }

    /// Counts a step; gives the pace at most four times a second.
    pub(super) fn tick(&mut self, examples: u64) -> Option<Pace> {
        self.done += examples;
        self.done_here += examples;
        (self.said.elapsed() >= Duration::from_millis(250)).then(|| self.pace())
    }

    pub(super) fn pace(&mut self) -> Pace {
        self.said = Instant::now();
        let here = self.start.elapsed().as_secs_f64();
        let examples_per_s = self.done_here as f64 / here.max(1e-9);
        let left = self.examples.saturating_sub(self.done) as f64;
        Pace { elapsed_s: self.elapsed(), eta_s: (self.done_here > 0).then(|| left / examples_per_s), examples_per_s }
    }
}
