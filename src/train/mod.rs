//! Training of networks: what is asked for, the fit loop, what it says, checkpoints, and a trained network in use.

mod attention;
pub mod checkpoint;
mod classification;
mod clock;
mod colour;
pub mod configuration;
mod course;
mod distortion;
mod embedding;
pub mod event;
mod examples;
mod fit;
mod mixing;
mod optimizer;
mod predictor;
mod schedule;
pub mod spec;
mod teacher;
mod temperature;
pub mod triplets;
mod views;

pub use attention::Attention;
pub use event::{Event, Metric, Outcome, Progress, State};
pub use examples::Part;
pub use fit::{Ended, run};
pub use predictor::{Predictor, dataset_of};
pub use spec::Spec;
