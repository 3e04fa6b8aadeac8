//! What is asked of a run's classifier: on which images, and how it is to decide.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{data::Split, metrics::Costs};

/// A question on how good a classifier is.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// On this split.
    pub split: Split,
    /// On which of its images.
    pub lesions: Lesions,
    /// How it decides.
    pub decision: Decision,
}

/// Which images of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lesions {
    /// All of them.
    #[default]
    All,
    /// Those whose lesion is on no image that the network learned from or, of the test split, was chosen by.
    Unseen,
}

/// How a classifier decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Decision {
    /// For the most probable class.
    #[default]
    MostProbable,
    /// For the greatest ln p − exponent · ln prior: see [`crate::metrics::adjusted_decisions`].
    Prior(Setting),
    /// By a threshold on the answer to one of the data set's questions: see [`crate::metrics::threshold_decisions`].
    Threshold {
        /// The question's id.
        question: String,
        /// The threshold.
        setting: Setting,
        /// What the threshold is chosen by.
        costs: Costs,
    },
}

/// A number that is given, or to be chosen on the validation split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Setting {
    /// This one.
    Given(f64),
    /// The best one.
    Chosen,
}

/// What mistakes cost where nobody says: that a disease is missed is so many times as bad as a false alarm. A choice, not a finding.
pub const DEFAULT_COSTS: Costs = Costs { miss: 10.0, false_alarm: 1.0 };

/// How a classifier decided, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Settled {
    /// For the most probable class.
    MostProbable,
    /// For the greatest ln p − exponent · ln prior, the prior being the shares of the classes among the training examples.
    Prior {
        /// What the logarithm of the prior is multiplied by.
        #[schema(example = 0.9)]
        exponent: f64,
        /// Whether the validation split chose it, by balanced accuracy.
        chosen: bool,
    },
    /// By a threshold on the probability that the answer to a question is yes.
    Threshold {
        /// The question.
        #[schema(example = "melanoma")]
        of: String,
        /// From this probability on the answer is yes; null: never.
        threshold: Option<f64>,
        /// Whether the validation split chose it, by what mistakes cost.
        chosen: bool,
    },
}

impl Asked {
    /// All images of a split, the most probable class.
    #[must_use]
    pub fn of(split: Split) -> Self {
        Self { split, lesions: Lesions::All, decision: Decision::MostProbable }
    }

    pub(super) fn is_plain(&self) -> bool {
        *self == Self::of(self.split)
    }

    /// Whether the answer is worth being kept: thresholds are tried one after another.
    pub(super) fn is_remembered(&self) -> bool {
        !matches!(self.decision, Decision::Threshold { .. })
    }
}

impl Lesions {
    /// `all` or `unseen`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Unseen => "unseen",
        }
    }

    /// That of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::All, Self::Unseen].into_iter().find(|lesions| lesions.name() == name)
    }
}
