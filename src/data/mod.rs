//! What can be fetched from its publisher, and fetching it: resumable, checksummed, atomic.

pub mod download;
pub mod manifest;

pub use download::{DownloadError, Downloader};
