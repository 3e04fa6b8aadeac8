//! Similarity, analogies (3CosAdd, 3CosMul), odd one out, centroid. Levy and Goldberg 2014.

use super::{Neighbor, Query, VectorSet, search};

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
pub fn similarity(set: &VectorSet, a: usize, b: usize) -> f32 {
    let dot: f32 = set.unit(a).iter().zip(&set.unit(b)).map(|(a, b)| a * b).sum();
    dot.clamp(-1.0, 1.0)
}

/// The `k` words nearest to the positives less the negatives; the words of the question are left out.
/// With one positive and nothing else this is that word's neighbours.
#[must_use]
pub fn solve(set: &VectorSet, positive: &[usize], negative: &[usize], k: usize, _method: Method) -> Vec<Neighbor> {
    search::nearest(set, &[combine(set, positive, negative, k)]).pop().unwrap_or_default()
}

/// The sum of the positives' unit vectors less the negatives', as a question that leaves the words themselves out.
#[must_use]
pub fn combine(set: &VectorSet, positive: &[usize], negative: &[usize], k: usize) -> Query {
    let mut vector = vec![0_f32; set.dimension()];
    for (words, sign) in [(positive, 1.0), (negative, -1.0)] {
        for &word in words {
            for (sum, value) in vector.iter_mut().zip(set.unit(word)) {
                *sum += sign * value;
            }
        }
    }
    Query { vector, exclude: [positive, negative].concat(), k }
}

/// Each word with its cosine similarity to the centroid of all unit vectors, in the order given; the odd one out has the least.
#[must_use]
pub fn odd_one_out(set: &VectorSet, words: &[usize]) -> Vec<Neighbor> {
    let centroid = combine(set, words, &[], 1).vector;
    let norm = centroid.iter().map(|value| value * value).sum::<f32>().sqrt();
    let similarity = |&index: &usize| {
        let dot: f32 = set.unit(index).iter().zip(&centroid).map(|(a, b)| a * b).sum();
        Neighbor { index, similarity: if norm > 0.0 { dot / norm } else { 0.0 } }
    };
    words.iter().map(similarity).collect()
}
