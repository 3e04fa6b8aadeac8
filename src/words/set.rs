//! One set of word vectors, memory-mapped.

use super::{quantise::QuantisedRows, search::Rows};

/// Words and their vectors, most frequent first, in one memory-mapped image shared between processes.
#[derive(Debug)]
pub struct VectorSet {}

impl VectorSet {
    /// Values per vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        todo!()
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Never true of an opened set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The word at `index`, which must be below [`Self::len`].
    #[must_use]
    pub fn word(&self, _index: usize) -> &str {
        todo!()
    }

    /// Where `word` stands, exactly as written.
    #[must_use]
    pub fn index_of(&self, _word: &str) -> Option<usize> {
        todo!()
    }

    /// The vector of the word at `index`, as stored in its file: `[dimension]`, f32.
    #[must_use]
    pub fn row(&self, _index: usize) -> &[f32] {
        todo!()
    }

    /// Euclidean length of [`Self::row`]; zero only for an all-zero vector.
    #[must_use]
    pub fn norm(&self, _index: usize) -> f32 {
        todo!()
    }

    /// All rows, quantised for the first pass of a search.
    #[must_use]
    pub fn quantised(&self) -> QuantisedRows<'_> {
        todo!()
    }

    /// The whole set as a search sees it; row `i` of it is [`Self::row`] of `i`.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        todo!()
    }

    /// Indices of words that begin with `prefix`, most frequent first.
    #[must_use]
    pub fn completions(&self, _prefix: &str, _limit: usize) -> Vec<usize> {
        todo!()
    }

    /// Indices of the words spelt most like `word`, nearest first, then most frequent first.
    #[must_use]
    pub fn near_spellings(&self, _word: &str, _limit: usize) -> Vec<usize> {
        todo!()
    }

    /// Where `word` stands, or an error that offers near spellings.
    ///
    /// # Errors
    /// [`crate::error::AppError::NotFound`] with suggestions.
    pub fn find(&self, _word: &str) -> crate::error::AppResult<usize> {
        todo!()
    }
}
