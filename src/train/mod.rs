//! Training of networks: what is asked for, the fit loop, what it says, checkpoints.

pub mod event;
pub mod spec;

pub use event::{Event, Metric, Outcome, Progress, State};
pub use spec::Spec;
