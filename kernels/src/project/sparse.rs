//! Affinities between near points alone, and how they pull on a map.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::affinities::conditional_probabilities;
use super::lanes::ln;
use super::neighbours::Neighbours;

/// Neighbours a kernel takes at a time: a register of AVX2.
const LANES: usize = 8;
/// Rows a thread takes at a time.
pub(super) const ROWS: usize = 256;

/// Joint probabilities of the pairs of which one is among the other's nearest; all other pairs are taken to have none.
///
/// Rows are padded to whole registers with the point itself at probability 0, which pulls nothing.
pub(super) struct SparseAffinities {
    /// Where each row begins, in registers, and where the last one ends: `[count + 1]`.
    starts: Vec<usize>,
    others: Vec<[u32; LANES]>,
    joint: Vec<[f32; LANES]>,
    /// Sum of p ln p over all pairs, in nats.
    pub negative_entropy: f64,
}

impl SparseAffinities {
    /// Gaussian affinities in which each point has effectively `perplexity` of its neighbours.
    ///
    /// Source: van der Maaten 2014, section 4.1: with 3 times the perplexity as many neighbours, the others have next to none.
    pub fn new(neighbours: Neighbours, perplexity: f64) -> Self {
        let (count, width) = (neighbours.queries(), neighbours.per_query);
        let Neighbours { indices, distances: mut shares, .. } = neighbours;
        shares.par_chunks_mut(width).for_each(|row| {
            // In units of the farthest, so that no square overflows.
            let farthest = row.iter().copied().fold(0.0, f32::max);
            row.iter_mut().for_each(|distance| *distance = if farthest > 0.0 { (*distance / farthest).powi(2) } else { 0.0 });
            conditional_probabilities(row, None, perplexity.ln());
        });
        let incoming = Incoming::new(count, &indices, &shares);
        // Every row is merged twice, first to learn its length: cheaper than to keep all merged rows beside each other.
        let rows = |row: usize| merged(row, &indices[row * width..][..width], &shares[row * width..][..width], incoming.of(row));
        let lengths: Vec<usize> = (0..count).into_par_iter().map(|row| rows(row).len().div_ceil(LANES)).collect();
        let mut starts = vec![0; count + 1];
        for (row, length) in lengths.into_iter().enumerate() {
            starts[row + 1] = starts[row] + length;
        }
        let mut others = Vec::with_capacity(starts[count]);
        let mut joint = Vec::with_capacity(starts[count]);
        let scale = 0.5 / count as f32;
        for first in (0..count).step_by(16 * ROWS) {
            let batch: Vec<_> = (first..(first + 16 * ROWS).min(count)).into_par_iter().map(rows).collect();
            for (row, merged) in (first..).zip(batch) {
                for lanes in merged.chunks(LANES) {
                    let lane = |lane: usize| lanes.get(lane).copied().unwrap_or((row as u32, 0.0));
                    others.push(std::array::from_fn(|index| lane(index).0));
                    joint.push(std::array::from_fn(|index| lane(index).1 * scale));
                }
            }
        }
        let entropies: Vec<f64> = joint.par_chunks(1 << 14).map(negative_entropy).collect();
        Self { starts, others, joint, negative_entropy: entropies.iter().sum() }
    }

    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The pull on the points from `first` on, into `pulls`: sum of p q (own - other), with similarity q = 1 / (1 + d²).
    pub fn pulls(&self, places: &[[f32; 2]], first: usize, pulls: &mut [[f32; 2]]) {
        Arch::new().dispatch(Pulls { affinities: self, places, first, pulls });
    }

    /// Sum of p ln(1 + d²) over the pairs.
    pub fn log_similarities(&self, places: &[[f32; 2]]) -> f64 {
        let chunks = (0..self.count()).into_par_iter().step_by(ROWS);
        let sums: Vec<f64> = chunks
            .map(|first| {
                let rows = first..(first + ROWS).min(self.count());
                Arch::new().dispatch(Logs { affinities: self, places, rows })
            })
            .collect();
        sums.iter().sum()
    }

    fn row(&self, row: usize) -> impl Iterator<Item = (&[u32; LANES], &[f32; LANES])> {
        let range = self.starts[row]..self.starts[row + 1];
        self.others[range.clone()].iter().zip(&self.joint[range])
    }

    /// All pairs with a probability: the two points, and it.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize, f32)> {
        let row =
            |row| self.row(row).flat_map(move |(others, joint)| others.iter().zip(joint).map(move |(&other, &p)| (row, other as usize, p)));
        (0..self.count()).flat_map(row).filter(|pair| pair.2 > 0.0)
    }
}

fn negative_entropy(joint: &[[f32; LANES]]) -> f64 {
    joint.as_flattened().iter().filter(|&&p| p > 0.0).map(|&p| f64::from(p) * f64::from(p).ln()).sum()
}

/// Who counts each point among its neighbours, by number, and with which share.
struct Incoming {
    starts: Vec<usize>,
    pairs: Vec<(u32, f32)>,
}

impl Incoming {
    fn new(count: usize, indices: &[u32], shares: &[f32]) -> Self {
        let mut starts = vec![0; count + 1];
        indices.iter().for_each(|&index| starts[index as usize + 1] += 1);
        for row in 0..count {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut pairs = vec![(0, 0.0); indices.len()];
        let width = indices.len() / count;
        for (position, (&index, &share)) in indices.iter().zip(shares).enumerate() {
            pairs[next[index as usize]] = ((position / width) as u32, share);
            next[index as usize] += 1;
        }
        Self { starts, pairs }
    }

    fn of(&self, row: usize) -> &[(u32, f32)] {
        &self.pairs[self.starts[row]..self.starts[row + 1]]
    }
}

/// A row and its column added up, by number.
fn merged(row: usize, indices: &[u32], shares: &[f32], incoming: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = indices.iter().copied().zip(shares.iter().copied()).chain(incoming.iter().copied()).collect();
    debug_assert!(all.iter().all(|&(other, _)| other as usize != row), "no point is its own neighbour");
    // The sum of two is the same either way round, so that the matrix is symmetric to the last bit.
    all.sort_unstable_by_key(|&(other, _)| other);
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    all
}

struct Pulls<'a> {
    affinities: &'a SparseAffinities,
    places: &'a [[f32; 2]],
    first: usize,
    pulls: &'a mut [[f32; 2]],
}

// Types instead of closures, so that the kernels are inlined into the dispatching function and compiled for its instruction set.
impl WithSimd for Pulls<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { affinities, places, first, pulls } = self;
        for (row, pull) in (first..).zip(pulls) {
            let own = places[row];
            let (mut x, mut y) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for (others, joint) in affinities.row(row) {
                let (dx, dy) = steps(own, places, others);
                for lane in 0..LANES {
                    let weight = joint[lane] / dx[lane].mul_add(dx[lane], dy[lane].mul_add(dy[lane], 1.0));
                    x[lane] = weight.mul_add(dx[lane], x[lane]);
                    y[lane] = weight.mul_add(dy[lane], y[lane]);
                }
            }
            *pull = [x.iter().sum(), y.iter().sum()];
        }
    }
}

struct Logs<'a> {
    affinities: &'a SparseAffinities,
    places: &'a [[f32; 2]],
    rows: std::ops::Range<usize>,
}

impl WithSimd for Logs<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let Self { affinities, places, rows } = self;
        let mut total = 0.0;
        for row in rows {
            let mut logs = [0.0_f32; LANES];
            for (others, joint) in affinities.row(row) {
                let (dx, dy) = steps(places[row], places, others);
                for lane in 0..LANES {
                    logs[lane] = joint[lane].mul_add(ln(dx[lane].mul_add(dx[lane], dy[lane].mul_add(dy[lane], 1.0))), logs[lane]);
                }
            }
            total += logs.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
        total
    }
}

/// From others to `own`.
#[inline(always)]
fn steps(own: [f32; 2], places: &[[f32; 2]], others: &[u32; LANES]) -> ([f32; LANES], [f32; LANES]) {
    let (mut dx, mut dy) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for lane in 0..LANES {
        let other = places[others[lane] as usize];
        (dx[lane], dy[lane]) = (own[0] - other[0], own[1] - other[1]);
    }
    (dx, dy)
}

#[cfg(test)]
mod tests {
    use super::super::affinities::Affinities;
    use super::super::{Points, neighbours_within};
    use super::*;

    #[derive(serde::Deserialize)]
    struct Fixture {
        dimension: usize,
        perplexity: f64,
        points: Vec<f32>,
        /// All others where none are named.
        neighbours: Option<usize>,
        joint: Vec<f64>,
    }

    fn of(values: &[f32], dimension: usize, width: usize, perplexity: f64) -> SparseAffinities {
        SparseAffinities::new(neighbours_within(Points::new(values, dimension).unwrap(), width).unwrap(), perplexity)
    }

    fn wave(count: usize) -> Vec<f32> {
        (0..count).map(|index| (index as f32 * 0.37).sin() * 9.0).collect()
    }

    #[test]
    fn affinities_are_scikit_learns() {
        for fixture in [
            include_str!("../../../tests/fixtures/project/affinities-60.json"),
            include_str!("../../../tests/fixtures/project/affinities-20.json"),
            include_str!("../../../tests/fixtures/project/affinities-near.json"),
        ] {
            let fixture: Fixture = serde_json::from_str(fixture).unwrap();
            let count = fixture.points.len() / fixture.dimension;
            let width = fixture.neighbours.unwrap_or(count - 1);
            let ours = Affinities::new(&of(&fixture.points, fixture.dimension, width, fixture.perplexity));
            let largest = fixture.joint.iter().copied().fold(0.0, f64::max);
            for (index, theirs) in fixture.joint.iter().enumerate() {
                let ours = f64::from(ours.joint[index / count * ours.stride + index % count]);
                // scikit-learn's bisection ends 1e-5 nats from the entropy asked for.
                assert!((ours - theirs).abs() <= 1e-4 * theirs + 1e-7 * largest, "{index}: {ours} {theirs}");
            }
        }
    }

    #[test]
    fn affinities_are_symmetric_and_sum_to_one() {
        let affinities = of(&wave(900), 3, 12, 4.0);
        let pairs: std::collections::HashMap<(usize, usize), f32> = affinities.pairs().map(|(row, other, p)| ((row, other), p)).collect();
        let total: f64 = pairs.values().map(|&p| f64::from(p)).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
        assert!(pairs.iter().all(|(&(row, other), p)| row != other && pairs.get(&(other, row)) == Some(p)));
        let entropy: f64 = pairs.values().map(|&p| f64::from(p) * f64::from(p).ln()).sum();
        assert!((affinities.negative_entropy - entropy).abs() < 1e-6);
    }

    #[test]
    fn neighbours_pull_each_other() {
        // Three points, each the others' neighbour, equally far: every p is 1/6.
        let affinities = of(&[0.0, 0.0, 1.0, 0.0, 0.5, 0.75_f32.sqrt()], 2, 2, 2.0);
        let places = [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]];
        let mut pulls = [[0.0; 2]; 3];
        affinities.pulls(&places, 0, &mut pulls);
        // q = 1/2 along 1, 1/5 along 2, 1/6 along (1, -2).
        let expected = [[-0.5, -0.4], [0.5 + 1.0 / 6.0, -2.0 / 6.0], [-1.0 / 6.0, 0.4 + 2.0 / 6.0]];
        for (ours, by_hand) in pulls.as_flattened().iter().zip(expected.as_flattened()) {
            assert!((ours * 6.0 - by_hand).abs() < 1e-5, "{pulls:?}");
        }
        let logs = 2.0 / 6.0 * (2.0_f64.ln() + 5.0_f64.ln() + 6.0_f64.ln());
        assert!((affinities.log_similarities(&places) - logs).abs() < 1e-6);
    }
}
