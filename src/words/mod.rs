//! Word vectors: sets of them in memory-mapped files, exact search, analogies, and training them.
//!
//! A [`VectorSet`] is one file of vectors, opened; a [`Library`] is all the sets that this installation knows.

pub mod analogy;
pub mod bias;
pub mod compact;
pub mod evaluate;
pub mod format;
pub mod glove;
pub mod image;
pub mod import;
mod library;
mod mapped;
pub mod quantise;
pub mod report;
pub mod search;
mod set;

pub use image::Description;
pub use library::{DEFAULT, Library, SetInfo};
pub use quantise::QuantisedRows;
pub use search::{Neighbor, Query};
pub use set::VectorSet;
