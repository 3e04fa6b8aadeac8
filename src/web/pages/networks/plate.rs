//! A figure within its frame.

use super::super::words::Drawing;
use crate::{error::AppResult, figure::Figure};

/// A figure within its frame.
pub struct Plate {
    /// Names it within its page.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// How to read it.
    pub reading: String,
    /// Its faces.
    pub drawing: Drawing,
}

impl Plate {
    /// `query` is that of the figure's files, with its question mark. Within its page it is called what follows the first hyphen of its id.
    ///
    /// # Errors
    /// Never for finite numbers.
    pub fn new(figure: &Figure, query: &str) -> AppResult<Self> {
        let drawing = Drawing::new(figure, &figure.id, query)?;
        let id = figure.id.split_once('-').map_or(figure.id.as_str(), |(_, id)| id).to_owned();
        Ok(Self { id, title: figure.title.clone(), reading: figure.reading.clone(), drawing })
    }
}
