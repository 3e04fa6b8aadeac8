//! Exact cosine nearest neighbours, as fast as memory allows.
//!
//! A plain pass is bound by reading the f32 matrix. Here a first pass reads four bits a value (see [`super::quantise`]) and
//! computes an upper bound of each row's score. The rows that look best are looked at again in eight bits, which bound their scores
//! closely from both sides: the k-th best of those lower bounds is a threshold that at least k rows reach. Rows whose upper
//! bound reaches it too are looked at in eight bits, and only those that still can be among the best are read in f32 and
//! scored. The answer is that of [`brute_force`], to the last bit:
//!
//! Let `u` be a row over its norm, `r` its decoded codes, `q` the unit query and `p` its decoded eight-bit codes. Then
//! `q.u - p.r = q.(u - r) + (q - p).r`, so by Cauchy-Schwarz `|q.u - p.r| <= |u - r| |q| + |q - p| |r|`, with `|r| <= |u| + |u - r|`.
//! `|u - r|` and `|q - p|` are measured when the codes are made and rounded up; `p.r` is a product of integers, hence
//! exact, times two scales; a slack covers the rounding of the bounds themselves and of the exact score in f32. So every row's exact
//! score lies between its bounds. The threshold `t` is the k-th best of some rows' lower bounds, so at
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
    coarse::Coarse,
    collect::{Candidate, Pilots, Prepared, Upper, any_from},
    kernel::{Kernel, Pass, dispatch},
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

/// Queries that share one reading of the rows: enough to be bound by arithmetic, few enough for their bounds of all rows to stay small.
const QUERIES_PER_GROUP: usize = 16;
/// Queries whose dot products are computed together, so that unpacking the rows' nibbles is shared.
const QUERIES_AT_ONCE: usize = 4;
/// Blocks of rows that all queries of a group go through before the next are read: 100 kB at 200 dimensions.
const BLOCKS_PER_SPAN: usize = 64;
const ROWS_PER_SPAN: usize = BLOCKS_PER_SPAN * BLOCK_ROWS;
/// Spans that one thread takes before another may join.
const SPANS_PER_TASK: usize = 16;

fn search_group(set: &VectorSet, queries: &[Query], limit: usize) -> Vec<Vec<Neighbor>> {
    let queries: Vec<Prepared> = queries.iter().map(Prepared::new).collect();
    let span_length = queries.len() * ROWS_PER_SPAN;
    let spans = limit.div_ceil(ROWS_PER_SPAN);
    // Few tasks, since each of them looks for its pilots anew.
    let spans_per_task = spans.div_ceil(2 * rayon::current_num_threads()).max(SPANS_PER_TASK);
    // By span, then query, then row.
    let mut uppers = vec![Upper::LOWEST; spans * span_length];
    let none = || queries.iter().map(Pilots::new).collect::<Vec<_>>();
    let pilots = uppers
        .par_chunks_mut(span_length)
        .enumerate()
        .with_min_len(spans_per_task)
        .fold(none, |mut pilots, (span, uppers)| {
            dispatch(FirstPass { set, queries: &queries, limit, span, uppers, pilots: &mut pilots });
            pilots
        })
        .reduce(none, |a, b| a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect());
    let search = |(place, (query, pilots)): (usize, (&Prepared, Pilots))| {
        let threshold = query.threshold(set, pilots).unwrap_or(f32::NEG_INFINITY);
        let candidates = uppers
            .par_chunks(span_length)
            .enumerate()
            .with_min_len(SPANS_PER_TASK)
            .fold(Vec::new, |mut candidates, (span, uppers)| {
                let uppers = &uppers[place * ROWS_PER_SPAN..][..ROWS_PER_SPAN];
                dispatch(SecondPass { set, query, threshold, uppers, rows: span * ROWS_PER_SPAN..limit, candidates: &mut candidates });
                candidates
            })
            .flatten_iter()
            .collect();
        query.rank(set, candidates)
    };
    queries.par_iter().zip(pilots).enumerate().map(search).collect()
}

/// Upper bounds of one span of rows for all queries of a group.
struct FirstPass<'a> {
    set: &'a VectorSet,
    queries: &'a [Prepared],
    limit: usize,
    span: usize,
    /// `[queries, ROWS_PER_SPAN]`.
    uppers: &'a mut [Upper],
    /// One for each query.
    pilots: &'a mut [Pilots],
}

impl Pass for FirstPass<'_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, kernel: impl Kernel) {
        let mut first = 0;
        while first < self.queries.len() {
            if self.queries.len() - first >= QUERIES_AT_ONCE {
                self.scan::<QUERIES_AT_ONCE>(kernel, first);
                first += QUERIES_AT_ONCE;
            } else {
                self.scan::<1>(kernel, first);
                first += 1;
            }
        }
    }
}

impl FirstPass<'_> {
    #[inline(always)]
    fn scan<const QUERIES: usize>(&mut self, kernel: impl Kernel, first_query: usize) {
        let rows = self.set.quantised();
        let block_bytes = BLOCK_ROWS * row_bytes(self.set.dimension());
        let queries: [&Coarse; QUERIES] = std::array::from_fn(|query| &self.queries[first_query + query].coarse);
        for block in 0..BLOCKS_PER_SPAN {
            let first_row = self.span * ROWS_PER_SPAN + block * BLOCK_ROWS;
            if first_row >= self.limit {
                break;
            }
            let count = BLOCK_ROWS.min(self.limit - first_row);
            let mut bounds = [RowBound::default(); BLOCK_ROWS];
            bounds[..count].copy_from_slice(&rows.coarse_bounds[first_row..first_row + count]);
            let codes = &rows.coarse_codes[first_row / BLOCK_ROWS * block_bytes..][..block_bytes];
            let dots = kernel.coarse_dots(codes, queries);
            for query in 0..QUERIES {
                let uppers = queries[query].upper_bounds(&dots[query], &bounds).map(Upper::above);
                let place = (first_query + query) * ROWS_PER_SPAN + block * BLOCK_ROWS;
                self.uppers[place..place + count].copy_from_slice(&uppers[..count]);
                self.pilots[first_query + query].offer(first_row, &uppers[..count]);
            }
        }
    }
}

/// A close look at the rows of one span whose upper bound reaches the threshold.
struct SecondPass<'a> {
    set: &'a VectorSet,
    query: &'a Prepared,
    threshold: f32,
    /// `[ROWS_PER_SPAN]`.
    uppers: &'a [Upper],
    /// Those of the span, and what there is after it.
    rows: std::ops::Range<usize>,
    candidates: &'a mut Vec<Candidate>,
}

impl Pass for SecondPass<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, kernel: impl Kernel) {
        let least = Upper::least(self.threshold);
        let (mut survivors, mut count) = ([0_u32; ROWS_PER_SPAN], 0);
        for (block, uppers) in self.uppers.chunks_exact(BLOCK_ROWS).enumerate() {
            // Most blocks hold none; in the others, a branch for each row would mostly be foreseen wrongly.
            if any_from(uppers, least) {
                let first = self.rows.start + block * BLOCK_ROWS;
                for (row, &upper) in (first..self.rows.end).zip(uppers) {
                    survivors[count] = row as u32;
                    count += usize::from(upper >= least);
                }
            }
        }
        self.query.look(kernel, self.set, &survivors[..count], self.threshold, self.candidates);
    }
}

#[cfg(test)]
mod tests;
