//! One set of word vectors, memory-mapped.

use std::{io::Cursor, path::Path};

use anyhow::Result;

use super::{
    builder,
    image::{Image, Metadata, Origin, Skipped},
    quantise::QuantisedRows,
    spelling,
};
use crate::error::{AppError, AppResult};

/// Words and their vectors, most frequent first, in one memory-mapped image shared between processes.
#[derive(Debug)]
pub struct VectorSet {
    image: Image,
}

/// What a list of sets says of one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
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

impl VectorSet {
    /// Opens the image at `path`, as an import left it, and verifies every byte of it.
    ///
    /// # Errors
    /// When it can't be read, comes from another version, or any bit of it has changed.
    pub fn open(path: &Path) -> Result<Self> {
        Image::open(path).map(Self::from)
    }

    /// A set that lives in memory alone. `info` gives names; dimension and vocabulary are counted. A word's later rows are left out.
    ///
    /// # Errors
    /// When there are no rows, rows differ in length, or a value is not finite.
    pub fn from_rows<W: AsRef<str>, V: AsRef<[f32]>>(info: SetInfo, rows: impl IntoIterator<Item = (W, V)>) -> Result<Self> {
        let (bytes, _) = builder::write_rows(Cursor::new(Vec::new()), Metadata { info, origin: None, skipped: Skipped::default() }, rows)?;
        Image::from_bytes(bytes.get_ref()).map(Self::from)
    }

    /// What a list of sets says of it.
    #[must_use]
    pub fn info(&self) -> &SetInfo {
        &self.image.metadata.info
    }

    /// The state of the file that it was made from; none for a set that was trained or embedded.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.image.metadata.origin.as_ref()
    }

    /// What was left out on reading its file.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.image.metadata.skipped
    }

    /// Values per vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.image.dimension()
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.image.count()
    }

    /// Never true of an opened set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The word at `index`, which must be below [`Self::len`].
    #[must_use]
    pub fn word(&self, index: usize) -> &str {
        // Checked as a whole on opening; a short word costs nothing to check again, and no `unsafe` is needed.
        std::str::from_utf8(self.word_bytes(index)).unwrap_or_default()
    }

    /// Where `word` stands, exactly as written.
    #[must_use]
    pub fn index_of(&self, word: &str) -> Option<usize> {
        let order = self.image.order();
        let place = order.binary_search_by(|&index| self.word_bytes(index as usize).cmp(word.as_bytes())).ok()?;
        Some(order[place] as usize)
    }

    /// The vector of the word at `index`, as stored in its file: `[dimension]`, f32.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.image.matrix()[index * self.dimension()..][..self.dimension()]
    }

    /// [`Self::row`] with length 1: `[dimension]`; all zero where the row is.
    #[must_use]
    pub fn unit(&self, index: usize) -> Vec<f32> {
        let norm = self.norm(index);
        self.row(index).iter().map(|value| if norm > 0.0 { value / norm } else { 0.0 }).collect()
    }

    /// All vectors: `[len, dimension]`, f32, row after row.
    #[must_use]
    pub fn matrix(&self) -> &[f32] {
        self.image.matrix()
    }

    /// Euclidean length of [`Self::row`]; zero only for an all-zero vector.
    #[must_use]
    pub fn norm(&self, index: usize) -> f32 {
        self.image.norms()[index]
    }

    /// Euclidean length of every row: `[len]`.
    #[must_use]
    pub fn norms(&self) -> &[f32] {
        self.image.norms()
    }

    /// All rows in few bits, for searching.
    #[must_use]
    pub fn quantised(&self) -> QuantisedRows<'_> {
        self.image.quantised()
    }

    /// Indices of words that begin with `prefix`, most frequent first.
    #[must_use]
    pub fn completions(&self, prefix: &str, limit: usize) -> Vec<usize> {
        let order = self.image.order();
        let prefix = prefix.as_bytes();
        let start = order.partition_point(|&index| self.word_bytes(index as usize) < prefix);
        let length = order[start..].partition_point(|&index| self.word_bytes(index as usize).starts_with(prefix));
        let mut found: Vec<u32> = order[start..start + length].to_vec();
        if limit < found.len() {
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        found.into_iter().map(|index| index as usize).collect()
    }

    /// Indices of the words spelt most like `word`, nearest first, then most frequent first.
    #[must_use]
    pub fn near_spellings(&self, word: &str, limit: usize) -> Vec<usize> {
        spelling::nearest(self, word, limit)
    }

    /// Where `word` stands: as written, else in lower case, as the vectors of most publishers are.
    #[must_use]
    pub fn look_up(&self, word: &str) -> Option<usize> {
        self.index_of(word).or_else(|| self.index_of(&word.to_lowercase()))
    }

    /// As [`Self::look_up`], with an error that offers near spellings, which take a moment to find.
    ///
    /// # Errors
    /// [`AppError::NotFound`] with suggestions.
    pub fn find(&self, word: &str) -> AppResult<usize> {
        self.look_up(word).ok_or_else(|| AppError::NotFound {
            what: format!("the word “{word}” is not among the {} words of {}", self.len(), self.info().name),
            suggestions: self.near_spellings(word, 5).into_iter().map(|index| self.word(index).to_owned()).collect(),
        })
    }

    fn word_bytes(&self, index: usize) -> &[u8] {
        let ends = self.image.word_ends();
        let start = if index == 0 { 0 } else { ends[index - 1] as usize };
        &self.image.word_bytes()[start..ends[index] as usize]
    }
}

impl From<Image> for VectorSet {
    fn from(image: Image) -> Self {
        Self { image }
    }
}
