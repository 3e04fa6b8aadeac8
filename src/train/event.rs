//! What a training says while it runs: a worker writes these as JSON lines, the store numbers and keeps them, readers replay them.

use crate::data::Split;

/// One thing said. As JSON it has `event` for its kind, as in `{"event":"metric","name":"loss",...}`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The run's state changed.
    State {
        /// The new state.
        state: State,
        /// Why, where there is something to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// How far the training is. Sent a few times a second at most, and at the end of each epoch.
    Progress(Progress),
    /// A number about an epoch.
    Metric(Metric),
    /// A sentence for people.
    Log {
        /// The sentence.
        message: String,
    },
    /// All that is needed to go on from here is on the disk.
    Checkpoint {
        /// Whole epochs that it holds.
        epoch: u64,
    },
    /// The last event.
    End {
        /// `done`, `failed`, `cancelled` or `interrupted`.
        state: State,
        /// Why it is not `done`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What the training leaves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
    },
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// A worker trains it.
    Running,
    /// It came to its end.
    Done,
    /// It can't go on; the reason says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// Its worker is gone; it can be resumed from its last checkpoint.
    Interrupted,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled, Self::Interrupted];

    /// `queued`, `running`, `done`, `failed`, `cancelled` or `interrupted`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more will be said unless somebody resumes the run.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// The epoch under way, from 1; 0 before the first.
    pub epoch: u64,
    /// Epochs in all.
    pub epochs: u64,
    /// Steps done, over all epochs.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Seconds trained so far, those before a resume counted.
    pub elapsed_s: f64,
    /// Seconds that remain, by the pace so far; `None` before there is a pace.
    pub eta_s: Option<f64>,
    /// Training examples a second.
    pub examples_per_s: f64,
}

/// A number about an epoch.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Metric {
    /// `loss`, `accuracy`, `learning_rate` and the like.
    pub name: String,
    /// Of which examples.
    pub split: Split,
    /// Whole epochs done.
    pub epoch: u64,
    /// Steps done, over all epochs.
    pub step: u64,
    /// Always finite: a training whose loss is not finite fails and says so.
    pub value: f64,
}

/// What a finished training leaves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// Hash (XXH3, 128 bits, hexadecimal) of the final weights: equal for two runs exactly when their weights are, to the last bit.
    pub weights: String,
}
