//! What is kept of a first pass: an upper bound of every row's score, and the rows that look best.

use rayon::prelude::*;

use super::{
    Neighbor, Query,
    coarse::Coarse,
    exact::{best_first, score, unit},
    fine::Fine,
    kernel::{Kernel, Pass, dispatch},
};
use crate::words::{VectorSet, simd::vectorised};

/// A query made ready.
#[derive(Debug)]
pub(super) struct Prepared {
    k: usize,
    pub coarse: Coarse,
    pub fine: Fine,
    unit: Vec<f32>,
    /// Sorted.
    exclude: Vec<usize>,
}

impl Prepared {
    pub fn new(query: &Query) -> Self {
        let unit = unit(&query.vector);
        let mut exclude = query.exclude.clone();
        exclude.sort_unstable();
        Self { k: query.k, coarse: Coarse::new(&unit), fine: Fine::new(&unit), unit, exclude }
    }

    /// A score that at least k rows reach, from a close look at `pilots`; none where they are too few.
    pub fn threshold(&self, set: &VectorSet, pilots: Pilots) -> Option<f32> {
        let mut rows: Vec<u32> = pilots.rows.into_iter().map(|(_, row)| row).collect();
        rows.sort_unstable();
        let looked = rows.par_chunks(ROWS_PER_TASK).map(|rows| dispatch(Look { query: self, set, rows }));
        let mut candidates: Vec<Candidate> = looked.flatten_iter().collect();
        let last = self.k.checked_sub(1).filter(|&last| last < candidates.len())?;
        Some(candidates.select_nth_unstable_by(last, |a, b| b.lower.total_cmp(&a.lower)).1.lower)
    }

    /// Adds those of `rows` that can reach `threshold` by their fine codes, but for the excluded ones, to `candidates`.
    #[inline(always)]
    pub fn look(&self, kernel: impl Kernel, set: &VectorSet, rows: &[u32], threshold: f32, candidates: &mut Vec<Candidate>) {
        let quantised = set.quantised();
        fetch(rows.iter().map(|&row| bytemuck::cast_slice(self.fine.row(&quantised, row as usize))));
        for &row in rows {
            let (lower, upper) = self.fine.bounds(kernel, &quantised, row as usize);
            if upper >= threshold && self.exclude.binary_search(&(row as usize)).is_err() {
                candidates.push(Candidate { row, lower, upper });
            }
        }
    }

    /// The best k of `candidates` by exact score.
    pub fn rank(&self, set: &VectorSet, mut candidates: Vec<Candidate>) -> Vec<Neighbor> {
        // k of them score at least the k-th best lower bound.
        if self.k > 0 && self.k < candidates.len() {
            let last = candidates.select_nth_unstable_by(self.k - 1, |a, b| b.lower.total_cmp(&a.lower)).1.lower;
            candidates.retain(|candidate| candidate.upper >= last);
        }
        // In the order of memory.
        candidates.sort_unstable_by_key(|candidate| candidate.row);
        let scored = candidates.par_chunks(ROWS_PER_TASK).map(|rows| self.score(set, rows));
        let mut best: Vec<Neighbor> = scored.flatten_iter().collect();
        if self.k < best.len() {
            best.select_nth_unstable_by(self.k, best_first);
            best.truncate(self.k);
        }
        best.sort_unstable_by(best_first);
        best
    }

    fn score(&self, set: &VectorSet, candidates: &[Candidate]) -> Vec<Neighbor> {
        let mut scored = Vec::with_capacity(candidates.len());
        // A plain loop: an iterator's own functions would be compiled without the instructions dispatched to.
        vectorised(
            #[inline(always)]
            || {
                let row = |candidate: &Candidate| bytemuck::cast_slice(set.row(candidate.row as usize));
                fetch(candidates.iter().map(row));
                for candidate in candidates {
                    let index = candidate.row as usize;
                    scored.push(Neighbor { index, similarity: score(set, index, &self.unit) });
                }
            },
        );
        scored
    }
}

/// Rows that one thread looks at before another may join: enough to be fetched many at once, few enough to be shared out evenly.
const ROWS_PER_TASK: usize = 128;

/// Brings rows into the cache, many at once; one by one, as they are needed, each would be waited for.
#[inline(always)]
fn fetch<'set>(rows: impl Iterator<Item = &'set [u8]>) {
    const CACHE_LINE: usize = 64;
    let mut all = 0;
    for row in rows {
        for line in row.chunks(CACHE_LINE) {
            all ^= line[0];
        }
        // Rows begin anywhere in a line.
        all ^= row[row.len() - 1];
    }
    std::hint::black_box(all);
}

/// A row whose exact score lies between two bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    row: u32,
    lower: f32,
    upper: f32,
}

struct Look<'a> {
    query: &'a Prepared,
    set: &'a VectorSet,
    rows: &'a [u32],
}

impl Pass for Look<'_> {
    type Output = Vec<Candidate>;

    #[inline(always)]
    fn run(self, kernel: impl Kernel) -> Vec<Candidate> {
        let mut candidates = Vec::with_capacity(self.rows.len());
        self.query.look(kernel, self.set, self.rows, f32::NEG_INFINITY, &mut candidates);
        candidates
    }
}

/// An upper bound in steps of 1/16384, rounded up, so that those of all rows take little room. Bounds from 2 on are all one: scores end at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Upper(i16);

impl Upper {
    pub const LOWEST: Self = Self(i16::MIN);

    #[inline(always)]
    pub fn above(bound: f32) -> Self {
        Self((bound * STEPS).ceil() as i16)
    }

    /// The least that a row which reaches `threshold` can have.
    pub fn least(threshold: f32) -> Self {
        Self((threshold * STEPS).floor() as i16)
    }
}

const STEPS: f32 = 16384.0;

/// Whether any bound reaches `least`.
#[inline(always)]
#[allow(clippy::needless_bitwise_bool, reason = "one that stops early is not vectorised")]
pub(super) fn any_from(bounds: &[Upper], least: Upper) -> bool {
    bounds.iter().fold(false, |any, &bound| any | (bound >= least))
}

/// The rows with the highest upper bounds among those seen so far. They only choose where a close look begins: a better or worse
/// choice makes a search faster or slower.
#[derive(Debug)]
pub(super) struct Pilots {
    rows: Vec<(Upper, u32)>,
    /// So many are kept.
    count: usize,
    least: Upper,
}

impl Pilots {
    /// Enough for k rows to be among them that nearly are the best k.
    pub fn new(query: &Prepared) -> Self {
        Self { rows: Vec::new(), count: (2 * query.k).max(64) + query.exclude.len(), least: Upper::LOWEST }
    }

    /// Notes the rows of a block, beginning at `first`.
    #[inline(always)]
    pub fn offer(&mut self, first: usize, bounds: &[Upper]) {
        if !any_from(bounds, self.least) {
            return;
        }
        for (row, &bound) in (first as u32..).zip(bounds) {
            if bound > self.least {
                self.rows.push((bound, row));
            }
        }
        if self.rows.len() >= 2 * self.count {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.count < self.rows.len() {
            self.least = self.rows.select_nth_unstable_by(self.count - 1, |a, b| b.cmp(a)).1.0;
            self.rows.truncate(self.count);
        }
    }

    /// The best of both.
    pub fn merge(mut self, mut other: Self) -> Self {
        self.rows.append(&mut other.rows);
        self.cut();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_in_steps_is_never_below_what_it_stands_for() {
        for bound in [-1.9, -0.3, -1e-7, 0.0, 1e-7, 0.123_456_7, 0.999_999_9, 1.0, 1.2] {
            assert!(Upper::above(bound) >= Upper::least(bound), "{bound}");
            assert!(f32::from(Upper::above(bound).0) / STEPS >= bound, "{bound}");
            assert!(f32::from(Upper::least(bound).0) / STEPS <= bound, "{bound}");
        }
        assert!(Upper::above(f32::INFINITY) > Upper::least(1.0), "a row that nothing is known of reaches everything");
        assert!(Upper::above(0.5) < Upper::least(0.51));
    }
}
