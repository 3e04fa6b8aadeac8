//! Exact cosine nearest neighbours, as fast as memory allows.
//!
//! A plain pass is bound by reading the f32 matrix. Here a first pass reads four bits a value (see [`super::quantise`]) and
//! computes an upper bound of each row's score; rows whose bound reaches the k-th best score known are looked at again in
//! eight bits, which bound their scores closely from both sides; only those that can still be among the best are
//! read in f32 and scored. The answer is that of [`brute_force`], to the last bit:
//!
//! Let `u` be a row over its norm, `r` its decoded codes, `q` the unit query and `p` its decoded eight-bit codes. Then
//! `q.u - p.r = q.(u - r) + (q - p).r`, so by Cauchy-Schwarz `|q.u - p.r| <= |u - r| |q| + |q - p| |r|`, with `|r| <= |u| + |u - r|`.
//! `|u - r|` and `|q - p|` are measured when the codes are made and rounded up; `p.r` is a product of integers, hence
//! exact, times two scales; a slack covers the rounding of the bounds themselves and of the exact score in f32. So every row's exact
//! score lies between its bounds. The threshold `t` is at any time the k-th best of some rows' lower bounds, so at
//! least k rows score `t` or more, and a row whose upper bound is below `t` can neither beat nor tie with the k-th best. Every other row
//! is scored exactly, by the same function as in brute force, and ranked by the same order. Where the data defeat the bounds
//! (rows that few bits tell little of), more rows are scored exactly, in the extreme all of them: slower, never different.
//!
//! A batch is searched a group of queries at a time over spans of rows that stay in the cache, so that memory is read once
//! for each group.

mod batcher;
mod coarse;
mod collect;
mod exact;
mod fine;
mod kernel;
mod margin;

pub use batcher::Batcher;
pub use exact::brute_force;
pub(super) use exact::{best_first, score, unit};

use rayon::prelude::*;

use self::{
    collect::{Collector, Prepared},
    kernel::{Kernel, Portable},
};
use super::{
    VectorSet,
    quantise::{BLOCK_ROWS, RowBound, coarse::row_bytes},
};

/// One answer of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Index of the word in its set.
    pub index: usize,
    /// Cosine similarity, in -1 to 1 (for 3CosMul: its own score).
    pub similarity: f32,
}

/// One question to a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// `[dimension]`; need not have unit length. Without a direction (all zeros) every word scores 0.
    pub vector: Vec<f32>,
    /// Indices of words that must not be among the answers.
    pub exclude: Vec<usize>,
    /// How many answers are wanted.
    pub k: usize,
}

/// The `k` words nearest to each query by cosine similarity, best first, ties by index: the same as brute force in f32.
///
/// # Panics
/// When a query has another dimension than the set.
#[must_use]
pub fn nearest(set: &VectorSet, queries: &[Query]) -> Vec<Vec<Neighbor>> {
    nearest_among(set, queries, set.len())
}

/// As [`nearest`], among the first `limit` words only: in a set sorted by frequency, the most frequent.
///
/// # Panics
/// When a query has another dimension than the set.
#[must_use]
pub fn nearest_among(set: &VectorSet, queries: &[Query], limit: usize) -> Vec<Vec<Neighbor>> {
    assert!(queries.iter().all(|query| query.vector.len() == set.dimension()), "queries have the dimension of the set");
    queries.par_chunks(QUERIES_PER_GROUP).flat_map_iter(|group| search_group(set, group, limit.min(set.len()))).collect()
}

/// Queries that share one reading of the rows: enough to be bound by arithmetic, few enough for their state to stay in the cache.
const QUERIES_PER_GROUP: usize = 32;
/// Queries whose dot products are computed together, so that unpacking the rows' nibbles is shared.
const QUERIES_AT_ONCE: usize = 4;
/// Blocks of rows that all queries of a group go through before the next are read: 100 kB at 200 dimensions.
const BLOCKS_PER_SPAN: usize = 64;
fn search_group(set: &VectorSet, queries: &[Query], limit: usize) -> Vec<Vec<Neighbor>> {
    let queries: Vec<Prepared> = queries.iter().map(Prepared::new).collect();
    let empty = || queries.iter().map(Collector::new).collect::<Vec<_>>();
    let spans = limit.div_ceil(BLOCK_ROWS * BLOCKS_PER_SPAN);
    let collectors = (0..spans)
        .into_par_iter()
        .with_min_len(16)
        .fold(empty, |mut collectors, span| {
            scan(set, &queries, span, limit, &mut collectors);
            collectors
        })
        .reduce(empty, |a, b| a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect());
    queries.par_iter().zip(collectors).map(|(query, collector)| query.rank(set, collector.finish(query))).collect()
}

/// The first pass over one span of rows, compiled for what the machine has.
fn scan(set: &VectorSet, queries: &[Prepared], span: usize, limit: usize, collectors: &mut [Collector]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(
            #[inline(always)]
            || scan_with(kernel::Avx2(simd), set, queries, span, limit, collectors),
        );
    }
    scan_with(Portable, set, queries, span, limit, collectors);
}

#[inline(always)]
fn scan_with(kernel: impl Kernel, set: &VectorSet, queries: &[Prepared], span: usize, limit: usize, collectors: &mut [Collector]) {
    let mut groups = queries.chunks_exact(QUERIES_AT_ONCE);
    let mut collector_groups = collectors.chunks_exact_mut(QUERIES_AT_ONCE);
    for (queries, collectors) in (&mut groups).zip(&mut collector_groups) {
        scan_queries::<QUERIES_AT_ONCE>(kernel, set, std::array::from_fn(|query| &queries[query]), span, limit, collectors);
    }
    for (query, collector) in groups.remainder().iter().zip(collector_groups.into_remainder()) {
        scan_queries::<1>(kernel, set, [query], span, limit, std::slice::from_mut(collector));
    }
}

#[inline(always)]
fn scan_queries<const QUERIES: usize>(
    kernel: impl Kernel,
    set: &VectorSet,
    queries: [&Prepared; QUERIES],
    span: usize,
    limit: usize,
    collectors: &mut [Collector],
) {
    let rows = set.quantised();
    let block_bytes = BLOCK_ROWS * row_bytes(set.dimension());
    let coarse = queries.map(|query| &query.coarse);
    let thresholds = queries.map(Prepared::threshold);
    let first = span * BLOCKS_PER_SPAN;
    let last = (first + BLOCKS_PER_SPAN).min(limit.div_ceil(BLOCK_ROWS));
    for block in first..last {
        let first_row = block * BLOCK_ROWS;
        let count = BLOCK_ROWS.min(limit - first_row);
        let mut bounds = [RowBound::default(); BLOCK_ROWS];
        bounds[..count].copy_from_slice(&rows.coarse_bounds[first_row..first_row + count]);
        let dots = kernel.coarse_dots(&rows.coarse_codes[block * block_bytes..(block + 1) * block_bytes], coarse);
        for query in 0..QUERIES {
            let upper = coarse[query].upper_bounds(&dots[query], &bounds);
            let threshold = thresholds[query];
            if upper.iter().fold(false, |any, &bound| any || (bound >= threshold)) {
                collectors[query].offer(first_row, &upper[..count], threshold);
            }
        }
    }
    for (query, collector) in queries.into_iter().zip(collectors) {
        collector.look(kernel, &rows, query);
    }
}

#[cfg(test)]
mod tests;
