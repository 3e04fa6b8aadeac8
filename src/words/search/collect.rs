//! What is kept of a first pass: the rows that can still be among the best.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Neighbor, Query,
    approximate::Coarse,
    exact::{best_first, score, unit},
};
use crate::words::{VectorSet, simd::vectorised};

/// A query made ready, with the best lower limit of its k-th score that any thread knows.
#[derive(Debug)]
pub(super) struct Prepared {
    pub k: usize,
    pub coarse: Coarse,
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
        Self { k: query.k, coarse: Coarse::new(&unit), unit, exclude, threshold: AtomicU32::new(ordered_bits(f32::NEG_INFINITY)) }
    }

    /// No row below this can be among the best k: k rows have at least this exact score.
    pub fn threshold(&self) -> f32 {
        from_ordered_bits(self.threshold.load(Ordering::Relaxed))
    }

    fn raise_threshold(&self, threshold: f32) {
        self.threshold.fetch_max(ordered_bits(threshold), Ordering::Relaxed);
    }

    /// Exact scores of some rows, on this thread.
    pub fn score(&self, set: &VectorSet, rows: &[Candidate], into: &mut Vec<Neighbor>) {
        into.reserve(rows.len());
        // A plain loop: an iterator's own functions would be compiled without the instructions dispatched to.
        vectorised(
            #[inline(always)]
            || {
                for row in rows {
                    let index = row.index as usize;
                    into.push(Neighbor { index, similarity: score(set, index, &self.unit) });
                }
            },
        );
    }
}

/// A row whose exact score is at most `bound`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub index: u32,
    pub bound: f32,
}

/// The candidates of one query among the rows seen so far.
#[derive(Debug)]
pub(super) struct Collector {
    /// Exactly scored rows; once sifted, the best k of them.
    pub best: Vec<Neighbor>,
    pub candidates: Vec<Candidate>,
    /// So many candidates make a sifting worth its while.
    limit: usize,
}

impl Collector {
    pub fn new(k: usize) -> Self {
        Self { best: Vec::new(), candidates: Vec::new(), limit: (4 * k).max(1024) }
    }

    /// Notes the rows of a block, beginning at `first`, whose bound reaches the query's threshold.
    pub fn offer(&mut self, query: &Prepared, first: usize, bounds: &[f32], threshold: f32) {
        for (index, &bound) in (first..).zip(bounds) {
            if bound >= threshold && query.exclude.binary_search(&index).is_err() {
                self.candidates.push(Candidate { index: index as u32, bound });
            }
        }
    }

    pub fn is_full(&self) -> bool {
        self.candidates.len() >= self.limit
    }

    /// Scores the k most promising candidates exactly, which raises the threshold, and drops those that fall below it.
    pub fn sift(&mut self, set: &VectorSet, query: &Prepared) {
        let promising = query.k.min(self.candidates.len());
        if promising > 0 && promising < self.candidates.len() {
            self.candidates.select_nth_unstable_by(promising - 1, |a, b| b.bound.total_cmp(&a.bound));
        }
        query.score(set, &self.candidates[..promising], &mut self.best);
        self.candidates.drain(..promising);
        self.keep_best(query);
        let threshold = query.threshold();
        self.candidates.retain(|candidate| candidate.bound >= threshold);
        self.limit = self.limit.max(2 * self.candidates.len());
    }

    /// Cuts what is scored to the best k; their last raises the threshold.
    pub fn keep_best(&mut self, query: &Prepared) {
        if self.best.len() > query.k {
            self.best.select_nth_unstable_by(query.k - 1, best_first);
            self.best.truncate(query.k);
        }
        if self.best.len() == query.k
            && let Some(last) = self.best.iter().map(|neighbor| neighbor.similarity).min_by(f32::total_cmp)
        {
            query.raise_threshold(last);
        }
    }

    /// One collector for the rows of both.
    pub fn merge(mut self, mut other: Self) -> Self {
        self.best.append(&mut other.best);
        self.candidates.append(&mut other.candidates);
        self
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
