//! Scores in f32: what every answer is ranked by, and what the fast search is held to.

use std::cmp::Ordering;

use super::{Neighbor, Query};
use crate::words::{VectorSet, quantise::ORDINARY_NORMS};

/// Every row scored, sorted, cut at `k`: slow, and plainly right.
#[must_use]
pub fn brute_force(set: &VectorSet, query: &Query) -> Vec<Neighbor> {
    let unit = unit(&query.vector);
    let candidates = (0..set.len()).filter(|index| !query.exclude.contains(index));
    let mut all: Vec<Neighbor> = candidates.map(|index| Neighbor { index, similarity: score(set, index, &unit) }).collect();
    all.sort_unstable_by(best_first);
    all.truncate(query.k);
    all
}

/// Higher similarity first, then lower index.
pub(in crate::words) fn best_first(a: &Neighbor, b: &Neighbor) -> Ordering {
    b.similarity.total_cmp(&a.similarity).then(a.index.cmp(&b.index))
}

/// Cosine similarity of row `index` and a unit vector; 0 for a zero row. The same to the last bit on every machine.
#[inline(always)]
pub(in crate::words) fn score(set: &VectorSet, index: usize, unit: &[f32]) -> f32 {
    let (row, norm) = (set.row(index), set.norm(index));
    let similarity = if ORDINARY_NORMS.contains(&norm) { dot(row, unit) / norm } else { extreme_score(row, unit) };
    // Adding zero turns -0 into 0, so that the two tie.
    similarity.clamp(-1.0, 1.0) + 0.0
}

/// `vector` scaled to length 1; zeros where it has no direction.
pub(in crate::words) fn unit(vector: &[f32]) -> Vec<f32> {
    let norm = norm(vector);
    vector.iter().map(|&value| if norm > 0.0 && norm.is_finite() { (f64::from(value) / norm) as f32 } else { 0.0 }).collect()
}

/// Summed in 16 lanes, which vectorise, in a fixed order and without fused operations: the same to the last bit everywhere.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (sum, (a, b)) in sums.iter_mut().zip(a_chunks.remainder().iter().zip(b_chunks.remainder())) {
        *sum = a * b;
    }
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// The same in f64, for rows whose values are too near the ends of f32.
#[cold]
fn extreme_score(row: &[f32], unit: &[f32]) -> f32 {
    let norm = norm(row);
    let dot: f64 = row.iter().zip(unit).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    if norm > 0.0 { (dot / norm) as f32 } else { 0.0 }
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}
