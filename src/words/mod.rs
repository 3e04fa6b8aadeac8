//! Word vectors: sets of them in memory-mapped files, exact search, analogies, and training them.
//!
//! A [`VectorSet`] is one file of vectors, opened; a [`Library`] is all the sets that this installation knows.

pub mod analogy;
pub mod bias;
pub mod evaluate;
pub mod format;
pub mod glove;
mod library;
mod mapped;
mod quantise;
pub mod report;
pub mod search;
mod set;

pub use library::{Library, SetInfo};
pub use quantise::QuantisedRows;
pub use search::Neighbor;
pub use set::VectorSet;
