//! How good a classifier's answers are: plain slices in, numbers out.
//!
//! [`Predictions`] holds what a classifier said about a split and what was true; everything else is computed from it. Where
//! scikit-learn has a function of the same purpose, its numbers are ours (`tests/fixtures/metrics`); where it warns and gives NaN,
//! the value is absent or 0, and the docstring says which. A ratio with a zero denominator is 0.

mod answers;
mod bootstrap;
mod calibration;
mod classification;
mod columns;
mod confusion;
mod curves;
mod operating;
mod predictions;
mod probabilities;
pub mod retrieval;
mod thin;

pub use answers::{AreaUnderCurve, Average, AveragePrecision, ClassScore, Curves, Evaluation, NamedCurve};
pub use bootstrap::{Interval, Resampling};
pub use calibration::{Calibration, ReliabilityBin, calibration};
pub use classification::text_report;
pub use columns::{Columns, LANES, total};
pub use confusion::{Confusion, Scores};
pub use curves::{Curve, Ranking, macro_pr, macro_roc};
pub use operating::{
    Adjusted, Costs, OperatingPoint, adjusted_decisions, at_threshold, cheapest, most_balanced, operating_points, sweep, thinned_points,
    threshold_decisions,
};
pub use predictions::Predictions;
pub use probabilities::{brier, log_loss, top_k_accuracy};
pub use thin::thin;

/// Why predictions can't be judged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricsError {
    /// There is no example.
    #[error("there are no examples to judge by")]
    Empty,
    /// Not as many of one as of the other.
    #[error("{what}: {found} were given, {expected} belong there")]
    Length {
        /// Of what there are too many or too few.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A label that names no class.
    #[error("example {index} has label {label}, and there are {classes} classes from 0")]
    Label {
        /// The example, from 0.
        index: usize,
        /// Its label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// A number that is no probability: NaN, below 0 or above 1.
    #[error("example {index} has {value} where a probability in 0 to 1 belongs")]
    Probability {
        /// The example, from 0.
        index: usize,
        /// What stands there.
        value: f32,
    },
    /// Probabilities that do not add up.
    #[error("the probabilities of example {index} add up to {sum}, not to 1")]
    Sum {
        /// The example, from 0.
        index: usize,
        /// What they add up to.
        sum: f64,
    },
    /// An embedding that is none.
    #[error("the embedding of example {index} has a value that is not finite")]
    Embedding {
        /// The example, from 0.
        index: usize,
    },
    /// A place that is none.
    #[error("place {place} is named, and there are {examples} examples from 0")]
    Place {
        /// The place.
        place: u32,
        /// How many examples there are.
        examples: usize,
    },
    /// Labels that leave nothing to compare.
    #[error("{needed}; there are {labels} labels among {examples} examples")]
    Labels {
        /// What is needed.
        needed: &'static str,
        /// How many labels there are.
        labels: usize,
        /// How many examples there are.
        examples: usize,
    },
}

/// `numerator / denominator`, and 0 where the denominator is 0.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { 0.0 } else { numerator / denominator }
}
