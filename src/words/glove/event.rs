//! What a training says while it runs.

/// One thing said. As JSON it has `event` for its kind, as in `{"event":"metric","name":"loss",...}`.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The training's state changed.
    State {
        /// `running`.
        state: &'static str,
    },
    /// How far a phase has come.
    Progress {
        /// Which part of the work.
        phase: Phase,
        /// Units done.
        step: u64,
        /// Units in all.
        steps: u64,
        /// Passes begun, from 1; 0 outside training.
        epoch: usize,
        /// Passes in all.
        epochs: usize,
        /// Seconds since the training began.
        elapsed_s: f64,
        /// Seconds that this phase will take from here, by its pace so far.
        eta_s: f64,
    },
    /// A number about one pass.
    Metric {
        /// `loss`: weighted least squares, the mean over all co-occurrences.
        name: &'static str,
        /// `train`.
        split: &'static str,
        /// From 1.
        epoch: usize,
        /// The number.
        value: f64,
    },
    /// A sentence for people.
    Log {
        /// The sentence.
        message: String,
    },
    /// The last event.
    End {
        /// `done`, `failed` or `cancelled`.
        state: &'static str,
        /// Why it failed or was cancelled.
        reason: Option<String>,
        /// The record of the training, when there are vectors.
        record: Option<Box<super::Record>>,
    },
}

/// The parts of a training, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reading the corpora; in bytes.
    Vocabulary,
    /// Counting co-occurrences; in tokens.
    Cooccurrence,
    /// Bringing co-occurrences in order; in cells.
    Shuffle,
    /// Fitting vectors; in co-occurrences.
    Training,
}
