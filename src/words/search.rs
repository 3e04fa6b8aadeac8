//! Exact cosine nearest neighbours, as fast as memory allows.

use super::{QuantisedRows, VectorSet};

/// The numbers of a vector set, borrowed: what a search works on.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'set> {
    /// Values per vector.
    pub dimension: usize,
    /// `[rows, dimension]`, f32, as stored.
    pub values: &'set [f32],
    /// Euclidean length of each row: `[rows]`.
    pub norms: &'set [f32],
    /// The same rows in four bits.
    pub quantised: QuantisedRows<'set>,
}

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
    queries.iter().map(|query| brute_force(&set.rows(), query)).collect()
}

/// What [`nearest`] must equal: every row scored in f32, sorted.
#[must_use]
pub fn brute_force(rows: &Rows, query: &Query) -> Vec<Neighbor> {
    let norm = query.vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let unit: Vec<f32> = query.vector.iter().map(|&value| if norm > 0.0 { (f64::from(value) / norm) as f32 } else { 0.0 }).collect();
    let mut all: Vec<Neighbor> = (0..rows.norms.len())
        .filter(|index| !query.exclude.contains(index))
        .map(|index| {
            let row = &rows.values[index * rows.dimension..(index + 1) * rows.dimension];
            let dot: f32 = row.iter().zip(&unit).map(|(a, b)| a * b).sum();
            Neighbor { index, similarity: if rows.norms[index] > 0.0 { dot / rows.norms[index] } else { 0.0 } }
        })
        .collect();
    all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.index.cmp(&b.index)));
    all.truncate(query.k);
    all
}
