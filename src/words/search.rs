//! Exact cosine nearest neighbours, as fast as memory allows.

use rayon::prelude::*;

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
pub fn nearest(set: &VectorSet, queries: &[Query]) -> Vec<Vec<Neighbor>> {
    queries.iter().map(|query| nearest_by_brute_force(set, query)).collect()
}

fn nearest_by_brute_force(set: &VectorSet, query: &Query) -> Vec<Neighbor> {
    let norm = super::image::norm(&query.vector);
    let mut scored: Vec<Neighbor> = (0..set.len())
        .into_par_iter()
        .filter(|index| !query.exclude.contains(index))
        .map(|index| {
            let dot: f32 = set.row(index).iter().zip(&query.vector).map(|(a, b)| a * b).sum();
            let length = set.norm(index) * norm;
            Neighbor { index, similarity: if length > 0.0 { (dot / length).clamp(-1.0, 1.0) } else { 0.0 } }
        })
        .collect();
    scored.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.index.cmp(&b.index)));
    scored.truncate(query.k);
    scored
}
