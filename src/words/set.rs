//! One set of word vectors, memory-mapped.

use std::path::Path;

use rayon::prelude::*;

use super::{
    image::{Description, Image},
    quantise::QuantisedRows,
};
use crate::error::{AppError, AppResult};

/// Words and their vectors, most frequent first, in one memory-mapped image shared between processes.
#[derive(Debug)]
pub struct VectorSet {
    image: Image,
}

impl From<Image> for VectorSet {
    fn from(image: Image) -> Self {
        Self { image }
    }
}

impl VectorSet {
    /// Opens the image at `path` and checks every byte of it.
    ///
    /// # Errors
    /// When it can't be read, is of another version, or has changed since it was written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Image::open(path).map(Self::from)
    }

    /// What the set says of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        self.image.description()
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
        self.image.word(index)
    }

    /// Where `word` stands, exactly as written.
    #[must_use]
    pub fn index_of(&self, word: &str) -> Option<usize> {
        let sorted = self.image.sorted();
        sorted.binary_search_by(|&index| self.word(index as usize).cmp(word)).ok().map(|place| sorted[place] as usize)
    }

    /// Where `word` stands: as written, else in lower case (GloVe's vectors are lower-cased).
    ///
    /// # Errors
    /// [`AppError::NotFound`] with near spellings.
    pub fn find(&self, word: &str) -> AppResult<usize> {
        let word = word.trim();
        self.index_of(word).or_else(|| self.index_of(&word.to_lowercase())).ok_or_else(|| AppError::NotFound {
            what: format!("The word {word:?} is not among the {} words of this set.", self.len()),
            suggestions: self.near_spellings(word, 5).into_iter().map(|index| self.word(index).to_owned()).collect(),
        })
    }

    /// The vector of the word at `index`, as stored in its file: `[dimension]`, f32.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        let dimension = self.dimension();
        &self.image.matrix()[index * dimension..][..dimension]
    }

    /// All rows: `[len, dimension]`, f32.
    #[must_use]
    pub fn matrix(&self) -> &[f32] {
        self.image.matrix()
    }

    /// Euclidean lengths of all rows: `[len]`.
    #[must_use]
    pub fn norms(&self) -> &[f32] {
        self.image.norms()
    }

    /// Euclidean length of [`Self::row`]; zero only for an all-zero vector.
    #[must_use]
    pub fn norm(&self, index: usize) -> f32 {
        self.image.norms()[index]
    }

    /// [`Self::row`] scaled to unit length; a zero row stays zero.
    #[must_use]
    pub fn unit(&self, index: usize) -> Vec<f32> {
        let norm = self.norm(index);
        let scale = if norm > 0.0 { norm.recip() } else { 0.0 };
        self.row(index).iter().map(|value| value * scale).collect()
    }

    /// All rows, quantised for the first pass of a search.
    #[must_use]
    pub fn quantised(&self) -> QuantisedRows<'_> {
        QuantisedRows { codes: self.image.codes(), bounds: self.image.bounds() }
    }

    /// Indices of words that begin with `prefix`, most frequent first.
    #[must_use]
    pub fn completions(&self, prefix: &str, limit: usize) -> Vec<usize> {
        let sorted = self.image.sorted();
        let start = sorted.partition_point(|&index| self.word(index as usize) < prefix);
        let length = sorted[start..].partition_point(|&index| self.word(index as usize).starts_with(prefix));
        let mut matches: Vec<u32> = sorted[start..start + length].to_vec();
        if matches.len() > limit && limit > 0 {
            matches.select_nth_unstable(limit - 1);
        }
        matches.truncate(limit);
        matches.sort_unstable();
        matches.into_iter().map(|index| index as usize).collect()
    }

    /// Indices of the words spelt most like `word`, nearest first, then most frequent first.
    ///
    /// Distance: optimal string alignment (a transposition of neighbours counts as one), at most a third of the letters.
    #[must_use]
    pub fn near_spellings(&self, word: &str, limit: usize) -> Vec<usize> {
        let word = word.to_lowercase();
        let letters = word.chars().count();
        // Past 64 letters it is no word, and the search would be slow.
        if letters == 0 || letters > 64 {
            return Vec::new();
        }
        let farthest = (letters / 3).clamp(1, 3);
        let comparator = rapidfuzz::distance::osa::BatchComparator::new(word.chars());
        let arguments = rapidfuzz::distance::osa::Args::default().score_cutoff(farthest);
        let mut near: Vec<(usize, usize)> = (0..self.len())
            .into_par_iter()
            .with_min_len(4096)
            .filter_map(|index| {
                let candidate = self.word(index);
                // A letter takes one to four bytes, so this can only rule out what is too far.
                if candidate.len() + farthest < letters || candidate.len() > (letters + farthest) * 4 {
                    return None;
                }
                comparator.distance_with_args(candidate.chars(), &arguments).map(|distance| (distance, index))
            })
            .collect();
        near.sort_unstable();
        near.truncate(limit);
        near.into_iter().map(|(_, index)| index).collect()
    }
}
