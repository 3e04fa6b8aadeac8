//! All the vector sets that this installation knows.

use std::sync::Arc;

use super::VectorSet;
use crate::{config::Settings, error::AppResult};

/// What a list of sets says of one.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SetInfo {
    /// What the API and the command line call it.
    pub id: String,
    /// What a page calls it.
    pub name: String,
    /// Values per vector.
    pub dimension: usize,
    /// Number of words.
    pub vocabulary: usize,
    /// Where the vectors come from, in a sentence.
    pub source: String,
    /// Under which terms they may be used.
    pub licence: String,
}

/// The embedded set, the imported ones, and those found in the folder of data sets.
#[derive(Debug)]
pub struct Library {}

impl Library {
    /// Opens what is there: the embedded `default`, what was imported into the data folder, what lies in `datasets/glove/`.
    ///
    /// # Errors
    /// When the data folder can't be made. A set that can't be read is left out and logged, never fatal.
    pub fn open(_settings: &Settings) -> AppResult<Self> {
        todo!()
    }

    /// Every set, `default` first.
    #[must_use]
    pub fn list(&self) -> Vec<SetInfo> {
        todo!()
    }

    /// The set called `id`.
    ///
    /// # Errors
    /// [`crate::error::AppError::NotFound`], naming the sets there are.
    pub fn get(&self, _id: &str) -> AppResult<Arc<VectorSet>> {
        todo!()
    }
}
