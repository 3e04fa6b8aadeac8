//! Hyperparameter studies: the space that is searched, what to try next, when to give up on a trial, and what mattered.

mod bayesian;
mod dimension;
mod notation;
mod parameters;
mod process;
mod prune;
mod sampler;
mod space;
mod study;
mod surrogate;

pub use dimension::{Dimension, Scale};
pub use parameters::{Parameters, plain};
pub use prune::MedianPruning;
pub use sampler::{Direction, Outcome, Sampler, Trial, ask};
pub use space::Space;
pub use study::{MOST_PARALLEL, MOST_TRIALS, Plan, REPORTED_SPACE};
pub use surrogate::{Importance, Surrogate};
