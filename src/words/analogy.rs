//! Similarity, analogies (3CosAdd, 3CosMul), odd one out, centroid. Levy and Goldberg 2014.

use super::{Neighbor, VectorSet};

/// How an analogy combines its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Sum of unit vectors: 3CosAdd.
    #[default]
    Add,
    /// Product of shifted similarities: 3CosMul.
    Mul,
}

/// Cosine similarity of two words, in -1 to 1.
#[must_use]
pub fn similarity(_set: &VectorSet, _a: usize, _b: usize) -> f32 {
    todo!()
}

/// The `k` words nearest to the positives less the negatives; the words of the question are left out.
/// With one positive and nothing else this is that word's neighbours.
#[must_use]
pub fn solve(_set: &VectorSet, _positive: &[usize], _negative: &[usize], _k: usize, _method: Method) -> Vec<Neighbor> {
    todo!()
}

/// Each word with its cosine similarity to the centroid of all unit vectors, in the order given; the odd one out has the least.
#[must_use]
pub fn odd_one_out(_set: &VectorSet, _words: &[usize]) -> Vec<Neighbor> {
    todo!()
}
