//! What is kept of the rows seen so far: those that can still be among the best.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::{
    Neighbor, Query,
    coarse::Coarse,
    exact::{best_first, score, unit},
    fine::Fine,
    kernel::Kernel,
};
use crate::words::{VectorSet, quantise::QuantisedRows, simd::vectorised};

/// A query made ready, with the best lower limit of its k-th score that any thread knows.
#[derive(Debug)]
pub(super) struct Prepared {
    k: usize,
    pub coarse: Coarse,
    pub fine: Fine,
    unit: Vec<f32>,
    /// Sorted.
    exclude: Vec<usize>,
    /// Bits of the threshold, in an order that unsigned integers share.
    threshold: AtomicU32,
}

impl Prepared {
    pub fn new(query: &Query) -> Self {
        let unit = unit(&query.vector);
        let mut exclude = query.exclude.clone();
        exclude.sort_unstable();
        // Nothing is good enough for a question without answers.
        let threshold = if query.k == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self {
            k: query.k,
            coarse: Coarse::new(&unit),
            fine: Fine::new(&unit),
            unit,
            exclude,
            threshold: AtomicU32::new(ordered_bits(threshold)),
        }
    }

    /// No row whose score is below this can be among the best k: k rows score at least this.
    pub fn threshold(&self) -> f32 {
        from_ordered_bits(self.threshold.load(Ordering::Relaxed))
    }

    fn raise_threshold(&self, threshold: f32) {
        self.threshold.fetch_max(ordered_bits(threshold), Ordering::Relaxed);
    }

    /// The best k of `candidates` by exact score.
    pub fn rank(&self, set: &VectorSet, mut candidates: Vec<Candidate>) -> Vec<Neighbor> {
        // In the order of memory.
        candidates.sort_unstable_by_key(|candidate| candidate.index);
        let scored = candidates.par_chunks(ROWS_PER_TASK).map(|rows| self.score(set, rows));
        let mut best: Vec<Neighbor> = scored.flatten_iter().collect();
        if self.k < best.len() {
            best.select_nth_unstable_by(self.k, best_first);
            best.truncate(self.k);
        }
        best.sort_unstable_by(best_first);
        best
    }

    fn score(&self, set: &VectorSet, rows: &[Candidate]) -> Vec<Neighbor> {
        let mut scored = Vec::with_capacity(rows.len());
        // A plain loop: an iterator's own functions would be compiled without the instructions dispatched to.
        vectorised(
            #[inline(always)]
            || {
                for row in rows {
                    let index = row.index as usize;
                    scored.push(Neighbor { index, similarity: score(set, index, &self.unit) });
                }
            },
        );
        scored
    }
}

/// Rows scored by one thread before another may join.
const ROWS_PER_TASK: usize = 512;

/// A row whose exact score lies between two bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    index: u32,
    lower: f32,
    upper: f32,
}

/// The candidates of one query among the rows seen so far.
#[derive(Debug)]
pub(super) struct Collector {
    candidates: Vec<Candidate>,
    /// So many candidates make a sifting worth its while.
    limit: usize,
    /// Rows that the first pass left and that are still to be looked at.
    survivors: Vec<u32>,
}

impl Collector {
    pub fn new(query: &Prepared) -> Self {
        Self { candidates: Vec::new(), limit: (2 * query.k).max(512), survivors: Vec::new() }
    }

    /// Notes the rows of a block, beginning at `first`, whose bound reaches `threshold`.
    #[inline(always)]
    pub fn offer(&mut self, first: usize, bounds: &[f32], threshold: f32) {
        for (index, &bound) in (first as u32..).zip(bounds) {
            if bound >= threshold {
                self.survivors.push(index);
            }
        }
    }

    /// Looks at the rows that were offered: those that can be among the best become candidates.
    #[inline(always)]
    pub fn look(&mut self, kernel: impl Kernel, rows: &QuantisedRows<'_>, query: &Prepared) {
        let threshold = query.threshold();
        query.fine.fetch(rows, &self.survivors);
        for &index in &self.survivors {
            let (lower, upper) = query.fine.bounds(kernel, rows, index as usize);
            if upper >= threshold && query.exclude.binary_search(&(index as usize)).is_err() {
                self.candidates.push(Candidate { index, lower, upper });
            }
        }
        self.survivors.clear();
        if self.candidates.len() >= self.limit {
            self.sift(query);
        }
    }

    /// The k-th best of the candidates' lower bounds raises the threshold; those that can't reach it are dropped.
    fn sift(&mut self, query: &Prepared) {
        if let Some(last) = query.k.checked_sub(1).filter(|&last| last < self.candidates.len()) {
            let (_, kth, _) = self.candidates.select_nth_unstable_by(last, |a, b| b.lower.total_cmp(&a.lower));
            query.raise_threshold(kth.lower);
        }
        let threshold = query.threshold();
        self.candidates.retain(|candidate| candidate.upper >= threshold);
        self.limit = self.limit.max(2 * self.candidates.len());
    }

    /// One collector for the rows of both.
    pub fn merge(mut self, mut other: Self) -> Self {
        self.candidates.append(&mut other.candidates);
        self
    }

    /// What is left when all rows have been looked at.
    pub fn finish(mut self, query: &Prepared) -> Vec<Candidate> {
        self.sift(query);
        self.candidates
    }
}

fn ordered_bits(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

fn from_ordered_bits(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_bits_order_floats_and_come_back() {
        let values = [f32::NEG_INFINITY, -1.0, -1e-40, 0.0, 1e-40, 0.5, 1.0, f32::INFINITY];
        assert!(values.windows(2).all(|pair| ordered_bits(pair[0]) < ordered_bits(pair[1])));
        assert!(values.iter().all(|&value| from_ordered_bits(ordered_bits(value)).to_bits() == value.to_bits()));
    }
}
