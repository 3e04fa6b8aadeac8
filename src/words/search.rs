//! Exact cosine nearest neighbours, as fast as memory allows.

use super::VectorSet;

/// One answer of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Index of the word in its set.
    pub index: usize,
    /// Cosine similarity, in -1 to 1 (for 3CosMul: its own score).
    pub similarity: f32,
}

/// One question to a search.
#[derive(Debug, Clone)]
pub struct Query {
    /// `[dimension]`; need not have unit length.
    pub vector: Vec<f32>,
    /// Indices of words that must not be among the answers.
    pub exclude: Vec<usize>,
    /// How many answers are wanted.
    pub k: usize,
}

/// The `k` words nearest to each query by cosine similarity, best first, ties by index: the same as brute force in f32.
#[must_use]
pub fn nearest(_set: &VectorSet, _queries: &[Query]) -> Vec<Vec<Neighbor>> {
    todo!()
}
