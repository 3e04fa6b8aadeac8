//! Data sets: what publishers offer, bringing it (resumable, checksummed, atomic), finding it, reading it.

pub mod checksum;
pub mod datasets;
pub mod download;
pub mod examples;
pub mod fetch;
mod groups;
pub mod idx;
pub mod manifest;
pub mod npz;
pub mod samples;
mod skin;
pub mod upload;
mod verdicts;
mod whole;

pub use datasets::{Datasets, State, Status};
pub use download::{DownloadError, Downloader};
pub use examples::{DataError, Examples, Split};
pub use groups::{Groups, Ungrouped};
pub use manifest::{Dataset, Question, datasets};
pub use whole::write_whole;
