//! Word vectors: sets of them in memory-mapped files, exact search, analogies, and training them.
//!
//! A [`VectorSet`] is one file of vectors, opened; a [`Library`] is all the sets that this installation knows.

pub mod analogy;
pub mod answers;
pub mod bias;
mod builder;
pub mod compact;
pub mod evaluate;
pub mod evaluations;
pub mod format;
pub mod glove;
mod image;
pub mod import;
mod library;
mod mapped;
mod quantise;
pub mod report;
pub mod search;
mod set;
mod simd;
mod spelling;

pub use evaluations::Evaluations;
pub use image::{Origin, Skipped};
pub use library::{DEFAULT, Library, SetState};
pub use quantise::QuantisedRows;
pub use search::{Neighbor, Query};
pub use set::{SetInfo, VectorSet};
