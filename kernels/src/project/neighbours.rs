//! Exact nearest neighbours, by blocked matrix products.

use std::ops::ControlFlow;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::lanes::LANES;
use super::{Points, ProjectError};

/// Queries, and points, of one matrix product: their products (400 KB) stay in the second-level cache.
const QUERIES: usize = 192;
const POINTS: usize = 512;
/// Blocks of queries between two looks at whether the answer is still wanted.
const BLOCKS: usize = 8;

/// The nearest points of every query, nearest first; of equally near ones the first in the order of the points.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// How many neighbours each query has.
    pub per_query: usize,
    /// Their numbers among the points, row-major `[queries, per_query]`.
    pub indices: Vec<u32>,
    /// Their Euclidean distances, in the same order.
    pub distances: Vec<f32>,
}

impl Neighbours {
    /// The numbers and distances of the neighbours of one query.
    #[must_use]
    pub fn of(&self, query: usize) -> impl ExactSizeIterator<Item = (usize, f32)> {
        let range = query * self.per_query..(query + 1) * self.per_query;
        self.indices[range.clone()].iter().zip(&self.distances[range]).map(|(&index, &distance)| (index as usize, distance))
    }

    /// How many queries there are.
    #[must_use]
    pub fn queries(&self) -> usize {
        self.indices.len() / self.per_query.max(1)
    }
}

/// The `k` nearest of `points` to each of `queries`, exactly; all of them where there are fewer.
///
/// Distances are computed in f32 by matrix products; those that the error bound of these products leaves in doubt are computed
/// again from differences in f64, so that neither order nor ties depend on how a product was summed or on the number of threads.
/// Time grows with `queries * points * dimension`. Memory: one f32 copy of each, the answer, and a megabyte for each thread.
///
/// # Errors
/// [`ProjectError::Option`] when `k` is 0 or the dimensions differ, [`ProjectError::TooMany`] beyond 2³² - 1 points.
///
/// Source of the bound: Higham 2002, Accuracy and Stability of Numerical Algorithms, eq. 3.5.
pub fn neighbours(points: Points, queries: Points, k: usize) -> Result<Neighbours, ProjectError> {
    search(points, queries, k, false, &mut |_| ControlFlow::Continue(()))
}

/// The `k` nearest others of each of `points`: as [`neighbours`], but no point is its own neighbour (its duplicates are).
///
/// # Errors
/// As [`neighbours`].
pub fn neighbours_within(points: Points, k: usize) -> Result<Neighbours, ProjectError> {
    search(points, points, k, true, &mut |_| ControlFlow::Continue(()))
}

/// As [`neighbours`], or among the others of each point; `observe` hears the share that is done and may stop the search.
pub(super) fn search(
    points: Points,
    queries: Points,
    k: usize,
    others: bool,
    observe: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<Neighbours, ProjectError> {
    if k == 0 {
        return Err(ProjectError::Option("a point needs at least one neighbour".into()));
    }
    if points.dimension() != queries.dimension() {
        let [ours, theirs] = [points, queries].map(|points| points.dimension());
        return Err(ProjectError::Option(format!("queries of {theirs} numbers have no neighbours among points of {ours}")));
    }
    if u32::try_from(points.count()).is_err() {
        return Err(ProjectError::TooMany { count: points.count(), maximum: u32::MAX as usize });
    }
    let per_query = k.min(points.count() - usize::from(others));
    let search = Search::new(points, queries, per_query, others);
    let mut found =
        Neighbours { per_query, indices: vec![0; queries.count() * per_query], distances: vec![0.0; queries.count() * per_query] };
    if per_query == 0 {
        return Ok(found);
    }
    let (group, block) = (BLOCKS * QUERIES * per_query, QUERIES * per_query);
    let groups = found.indices.chunks_mut(group).zip(found.distances.chunks_mut(group)).enumerate();
    for (number, (indices, distances)) in groups {
        let done = (number * BLOCKS * QUERIES) as f64 / queries.count() as f64;
        if observe(done).is_break() {
            return Err(ProjectError::Cancelled);
        }
        let blocks = indices.par_chunks_mut(block).zip(distances.par_chunks_mut(block)).enumerate();
        blocks.for_each(|(offset, (indices, distances))| search.block((number * BLOCKS + offset) * QUERIES, indices, distances));
    }
    Ok(found)
}

struct Search<'a> {
    points: Points<'a>,
    queries: Points<'a>,
    per_query: usize,
    others: bool,
    near: Scaled,
    /// The queries, where they are not the points.
    asked: Option<Scaled>,
}

/// Points about a common centre and in a common unit, so that no square overflows and norms are small.
struct Scaled {
    rows: Vec<f32>,
    squares: Vec<f32>,
    /// The greatest norm.
    norm: f64,
}

impl<'a> Search<'a> {
    fn new(points: Points<'a>, queries: Points<'a>, per_query: usize, others: bool) -> Self {
        let mut centre = vec![0.0_f64; points.dimension()];
        for row in points.rows() {
            centre.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        centre.iter_mut().for_each(|sum| *sum /= points.count() as f64);
        let distance = |points: Points| {
            let each = points.values.par_chunks(points.dimension());
            each.map(|row| row.iter().zip(&centre).fold(0.0, |most: f64, (&value, middle)| most.max((f64::from(value) - middle).abs())))
                .reduce(|| 0.0, f64::max)
        };
        let unit = unit(distance(points).max(distance(queries)));
        Self {
            points,
            queries,
            per_query,
            others,
            near: Scaled::new(points, &centre, unit),
            asked: (!others).then(|| Scaled::new(queries, &centre, unit)),
        }
    }

    fn asked(&self) -> &Scaled {
        self.asked.as_ref().unwrap_or(&self.near)
    }

    /// The neighbours of the queries from `first` on, as many as there are places for.
    fn block(&self, first: usize, indices: &mut [u32], distances: &mut [f32]) {
        let dimension = self.points.dimension();
        let queries = indices.len() / self.per_query;
        let asked = &self.asked().rows[first * dimension..][..queries * dimension];
        let asked = MatRef::from_row_major_slice(asked, queries, dimension).transpose();
        let kept = self.per_query + usize::from(self.others);
        let mut nearest: Vec<Nearest> = (first..first + queries).map(|query| Nearest::new(kept, self.doubt(query))).collect();
        let mut products = vec![0.0_f32; queries * POINTS];
        for (number, block) in self.near.rows.chunks(POINTS * dimension).enumerate() {
            let count = block.len() / dimension;
            let products = &mut products[..queries * count];
            let block = MatRef::from_row_major_slice(block, count, dimension);
            let target = MatMut::from_column_major_slice_mut(products, count, queries);
            matmul(target, Accum::Replace, block, asked, -2.0, Par::Seq);
            let squares = &self.near.squares[number * POINTS..][..count];
            for (nearest, products) in nearest.iter_mut().zip(products.chunks_exact(count)) {
                Arch::new().dispatch(Scan { nearest, products, squares, first: (number * POINTS) as u32 });
            }
        }
        let rows = indices.chunks_exact_mut(self.per_query).zip(distances.chunks_exact_mut(self.per_query));
        for ((offset, nearest), (indices, distances)) in nearest.into_iter().enumerate().zip(rows) {
            let exact = self.exact(first + offset, &nearest.candidates());
            for ((index, distance), &(square, number)) in indices.iter_mut().zip(distances).zip(&exact) {
                (*index, *distance) = (number, square.sqrt().min(f64::from(f32::MAX)) as f32);
            }
        }
    }

    /// How far apart two ranks may truly be the other way round.
    ///
    /// A rank |b|² - 2 ab differs from the exact one by at most (d + 8) u (|a| + |b|)²: d u of it for the product (Higham's bound),
    /// the rest for rounding the coordinates, the square and the sum.
    fn doubt(&self, query: usize) -> f32 {
        let own = f64::from(self.asked().squares[query]).sqrt();
        let reach = own + self.near.norm;
        (2.0 * (self.points.dimension() + 8) as f64 * f64::from(f32::EPSILON / 2.0) * reach * reach) as f32
    }

    /// Squared distances and numbers of the candidates, by differences in f64, in their final order.
    fn exact(&self, query: usize, candidates: &[(f32, u32)]) -> Vec<(f64, u32)> {
        let dimension = self.points.dimension();
        let own = &self.queries.values[query * dimension..][..dimension];
        let others = candidates.iter().map(|&(_, number)| number).filter(|&number| !self.others || number as usize != query);
        let mut exact: Vec<(f64, u32)> = others
            .map(|number| {
                let other = &self.points.values[number as usize * dimension..][..dimension];
                (Arch::new().dispatch(SquaredDistance { own, other }), number)
            })
            .collect();
        exact.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        exact
    }
}

/// A power of two, so that multiplying is exact, that brings `largest` to about 1.
fn unit(largest: f64) -> f64 {
    if largest > 0.0 { (-largest.log2().ceil()).exp2() } else { 1.0 }
}

impl Scaled {
    fn new(points: Points, centre: &[f64], unit: f64) -> Self {
        let mut rows = vec![0.0; points.values.len()];
        rows.par_chunks_mut(centre.len()).zip(points.values.par_chunks(centre.len())).for_each(|(scaled, row)| {
            for ((scaled, &value), middle) in scaled.iter_mut().zip(row).zip(centre) {
                *scaled = ((f64::from(value) - middle) * unit) as f32;
            }
        });
        let square = |row: &[f32]| row.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>() as f32;
        let squares: Vec<f32> = rows.par_chunks(centre.len()).map(square).collect();
        let norm = f64::from(squares.iter().copied().fold(0.0, f32::max)).sqrt();
        Self { rows, squares, norm }
    }
}

/// The points found so far that may be among the nearest: rank and number.
struct Nearest {
    kept: usize,
    doubt: f32,
    found: Vec<(f32, u32)>,
    /// No rank above it can be among the nearest any more.
    limit: f32,
    /// So many are found before they are sorted out again.
    room: usize,
}

impl Nearest {
    fn new(kept: usize, doubt: f32) -> Self {
        let room = 2 * kept + 32;
        Self { kept, doubt, found: Vec::with_capacity(room + LANES), limit: f32::INFINITY, room }
    }

    fn sort_out(&mut self) {
        if self.found.len() > self.kept {
            let (_, last, _) = self.found.select_nth_unstable_by(self.kept - 1, |one, other| one.0.total_cmp(&other.0));
            self.limit = last.0 + self.doubt;
            self.found.retain(|&(rank, _)| rank <= self.limit);
            // Where many are equally near, doubling keeps the sorting out rare.
            self.room = (2 * self.found.len() + 32).max(self.room);
        }
    }

    fn candidates(mut self) -> Vec<(f32, u32)> {
        self.sort_out();
        self.found
    }
}

/// Takes from a row of products those that may be among the nearest.
struct Scan<'a> {
    nearest: &'a mut Nearest,
    products: &'a [f32],
    squares: &'a [f32],
    first: u32,
}

impl WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { nearest, products, squares, first } = self;
        let (whole, rest) = products.as_chunks::<LANES>();
        let (squares, rest_squares) = squares.as_chunks::<LANES>();
        let mut number = first;
        for (products, squares) in whole.iter().zip(squares) {
            let mut ranks = [0.0_f32; LANES];
            let mut near = [0_u32; LANES];
            for lane in 0..LANES {
                ranks[lane] = products[lane] + squares[lane];
                near[lane] = u32::from(ranks[lane] <= nearest.limit);
            }
            if near.iter().fold(0, |any, &lane| any | lane) != 0 {
                take(nearest, &ranks, number);
            }
            number += LANES as u32;
        }
        for (&product, &square) in rest.iter().zip(rest_squares) {
            take(nearest, &[product + square], number);
            number += 1;
        }
    }
}

#[inline(never)]
fn take(nearest: &mut Nearest, ranks: &[f32], first: u32) {
    for (number, &rank) in (first..).zip(ranks) {
        if rank <= nearest.limit {
            nearest.found.push((rank, number));
        }
    }
    if nearest.found.len() >= nearest.room {
        nearest.sort_out();
    }
}

/// Squared distance by differences in f64.
struct SquaredDistance<'a> {
    own: &'a [f32],
    other: &'a [f32],
}

impl WithSimd for SquaredDistance<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        const LANES: usize = 8;
        let (own, own_rest) = self.own.as_chunks::<LANES>();
        let (other, other_rest) = self.other.as_chunks::<LANES>();
        let mut sums = [0.0_f64; LANES];
        for (own, other) in own.iter().zip(other) {
            for lane in 0..LANES {
                let difference = f64::from(own[lane]) - f64::from(other[lane]);
                sums[lane] = difference.mul_add(difference, sums[lane]);
            }
        }
        for (lane, (&own, &other)) in own_rest.iter().zip(other_rest).enumerate() {
            let difference = f64::from(own) - f64::from(other);
            sums[lane] = difference.mul_add(difference, sums[lane]);
        }
        sums.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..count).map(|_| random.random::<f32>() - 0.5).collect()
    }

    /// By sorting all distances.
    fn plainly(points: Points, queries: Points, k: usize, others: bool) -> Vec<u32> {
        let nearest_to = |(query, own): (usize, &[f32])| {
            let square = |row: &[f32]| row.iter().zip(own).map(|(&one, &other)| (f64::from(one) - f64::from(other)).powi(2)).sum::<f64>();
            let mut all: Vec<(f64, u32)> = points.rows().map(square).zip(0..).collect();
            all.retain(|&(_, number)| !others || number as usize != query);
            all.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            all.into_iter().take(k).map(|(_, number)| number).collect::<Vec<u32>>()
        };
        queries.rows().enumerate().flat_map(nearest_to).collect()
    }

    #[test]
    fn neighbours_are_those_that_sorting_finds() {
        for (count, asked, dimension, k) in [(1, 1, 1, 1), (3, 2, 2, 5), (17, 40, 3, 4), (1_500, 403, 50, 30), (700, 30, 200, 1)] {
            let (values, queries) = (numbers(count * dimension, 1), numbers(asked * dimension, 2));
            let (points, queries) = (Points::new(&values, dimension).unwrap(), Points::new(&queries, dimension).unwrap());
            let found = neighbours(points, queries, k).unwrap();
            assert_eq!(found.per_query, k.min(count));
            assert_eq!(found.indices, plainly(points, queries, k, false), "{count} x {dimension}");
            let within = neighbours_within(points, k).unwrap();
            assert_eq!(within.per_query, k.min(count - 1));
            assert_eq!(within.indices, plainly(points, points, k.min(count - 1), true));
        }
    }

    #[test]
    fn far_from_the_origin_no_neighbour_is_lost() {
        // All differences are whole numbers, at a place where the products alone would see none of them.
        let values: Vec<f32> = numbers(600 * 3, 3).iter().map(|value| 1e6 + (value * 60.0).round()).collect();
        let values = [values, vec![-3e7, 2e7, 5e7]].concat(); // and one point far off, so that the centre does not help
        let points = Points::new(&values, 3).unwrap();
        assert_eq!(neighbours_within(points, 7).unwrap().indices, plainly(points, points, 7, true));
    }

    #[test]
    fn ties_go_to_the_first_and_duplicates_are_at_no_distance() {
        let line: Vec<f32> = (0..1_000).map(|number| (number / 2) as f32).collect();
        let found = neighbours_within(Points::new(&line, 1).unwrap(), 3).unwrap();
        assert_eq!(found.of(500).collect::<Vec<_>>(), [(501, 0.0), (498, 1.0), (499, 1.0)]);
        let same = neighbours(Points::new(&vec![2.5; 5_000], 5).unwrap(), Points::new(&[2.5; 5], 5).unwrap(), 4).unwrap();
        assert_eq!((same.indices, same.distances), (vec![0, 1, 2, 3], vec![0.0; 4]));
    }

    #[test]
    fn huge_and_tiny_coordinates_keep_their_neighbours() {
        for scale in [1e38_f32, 1e-30] {
            let values: Vec<f32> = numbers(300 * 4, 4).iter().map(|value| value * scale).collect();
            let points = Points::new(&values, 4).unwrap();
            let found = neighbours_within(points, 5).unwrap();
            assert_eq!(found.indices, plainly(points, points, 5, true));
            assert!(found.distances.iter().all(|distance| distance.is_finite() && *distance > 0.0));
        }
    }

    #[test]
    fn the_number_of_threads_shows_in_no_bit() {
        let values = numbers(2_000 * 20, 5);
        let points = Points::new(&values, 20).unwrap();
        let in_pool = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| neighbours_within(points, 15).unwrap())
        };
        assert_eq!(in_pool(1), in_pool(2));
    }

    #[test]
    fn rubbish_and_cancelling_are_errors() {
        let (plane, space) = (Points::new(&[0.0; 4], 2).unwrap(), Points::new(&[0.0; 3], 3).unwrap());
        assert!(matches!(neighbours(plane, plane, 0), Err(ProjectError::Option(_))));
        assert!(matches!(neighbours(plane, space, 1), Err(ProjectError::Option(_))));
        assert_eq!(search(plane, plane, 1, false, &mut |_| ControlFlow::Break(())), Err(ProjectError::Cancelled));
    }
}
