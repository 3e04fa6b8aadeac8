//! Principal component analysis.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::reborrow::Reborrow;
use faer::{Accum, Col, Mat, MatRef, Par};

use super::{Points, ProjectError};

/// A projection on the directions of greatest variance.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// The points' places, row-major `[count, components]`, centred on 0.
    pub coordinates: Vec<f32>,
    /// Unit directions in the space of the points, row-major `[components, dimension]`; all zero beyond the rank of the points.
    pub directions: Vec<f32>,
    /// Variance along each component (divisor n - 1), descending; 0 beyond the rank and for a single point.
    pub explained_variance: Vec<f64>,
    /// Share of the total variance, in \[0, 1\]; all 0 when the points are identical.
    pub explained_variance_ratio: Vec<f64>,
}

impl Pca {
    /// The first two coordinates of every point. With one component the second is 0.
    #[must_use]
    pub fn plane(&self) -> Vec<[f32; 2]> {
        let components = self.explained_variance.len();
        self.coordinates.chunks_exact(components).map(|row| [row[0], row.get(1).copied().unwrap_or(0.0)]).collect()
    }
}

/// Projects `points` on their first `components` principal components, exactly.
///
/// Always gives as many components as asked: those beyond the rank of the points have zero coordinates, so that two words,
/// or one, still have their place on a map.
///
/// The sign is fixed: in each direction the entry of greatest absolute value (the first of equals) is positive. This is also what
/// scikit-learn 1.5 and later does.
///
/// # Errors
/// [`ProjectError::Option`] when `components` is 0.
///
/// Source: Jolliffe 2002, Principal Component Analysis, ch. 3. Solved through the smaller of the covariance `[d, d]` and the Gram
/// matrix `[n, n]`, in f64: squaring the condition number costs nothing that f32 points could show.
pub fn pca(points: Points, components: usize) -> Result<Pca, ProjectError> {
    if components == 0 {
        return Err(ProjectError::Option("a projection needs at least one component".into()));
    }
    let (count, dimension) = (points.count(), points.dimension());
    let centred = Centred::new(points);
    let gram = count < dimension;
    let mut square = Mat::<f64>::zeros(count.min(dimension), count.min(dimension));
    // The Gram matrix is of all points with all, the covariance a sum over blocks of them that stay in the cache.
    centred.for_each_block(if gram { count } else { BLOCK }, |block| {
        let (lhs, rhs) = if gram { (block, block.transpose()) } else { (block.transpose(), block) };
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        // One thread, so that no sum depends on how many there are.
        triangular::matmul(square.as_mut(), lower, Accum::Add, lhs, full, rhs, full, 1.0, Par::Seq);
    });
    let total: f64 = square.diagonal().column_vector().iter().sum();
    let (eigenvalues, eigenvectors) = decompose(&square)?;

    let kept = components.min(square.nrows());
    let largest = eigenvalues.last().copied().unwrap_or(0.0).max(0.0);
    let noise: f64 = largest * f64::EPSILON * count.max(dimension) as f64;
    let rank = eigenvalues.iter().rev().take(kept).filter(|&&value| value > noise).count();

    let leading = Mat::from_fn(square.nrows(), rank, |row, column| eigenvectors[(row, square.nrows() - 1 - column)]);
    let mut directions = if gram {
        let mut directions = Mat::<f64>::zeros(dimension, rank);
        centred.for_each_block(count, |all| {
            matmul(directions.as_mut(), Accum::Replace, all.transpose(), leading.as_ref(), 1.0, Par::Seq);
        });
        directions
    } else {
        leading
    };
    for direction in directions.col_iter_mut() {
        let scale = sign_of_largest(direction.rb().iter()) / direction.norm_l2();
        direction.iter_mut().for_each(|entry| *entry *= scale);
    }
    let mut coordinates = Vec::with_capacity(count * components);
    centred.for_each_block(BLOCK, |block| {
        let mut places = Mat::<f64>::zeros(block.nrows(), rank);
        matmul(places.as_mut(), Accum::Replace, block, directions.as_ref(), 1.0, Par::Seq);
        coordinates.extend(row_major(block.nrows(), components, |row, column| if column < rank { places[(row, column)] } else { 0.0 }));
    });

    let variances = (0..components).map(|component| if component < rank { eigenvalues[square.nrows() - 1 - component] } else { 0.0 });
    Ok(Pca {
        coordinates,
        directions: row_major(components, dimension, |row, column| if row < rank { directions[(column, row)] } else { 0.0 }),
        explained_variance: variances.clone().map(|value| value / (count.max(2) - 1) as f64).collect(),
        explained_variance_ratio: variances.map(|value| if value > 0.0 { value / total } else { 0.0 }).collect(),
    })
}

/// Points at a time: with a few hundred numbers each they fit in the second-level cache.
const BLOCK: usize = 256;

/// Points about their mean, in f64, made block by block.
struct Centred<'a> {
    points: Points<'a>,
    mean: Vec<f64>,
}

impl<'a> Centred<'a> {
    fn new(points: Points<'a>) -> Self {
        let mut mean = vec![0.0; points.dimension()];
        for row in points.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        mean.iter_mut().for_each(|sum| *sum /= points.count() as f64);
        Self { points, mean }
    }

    /// Calls `work` on the points in order, at most `rows` of them at a time, `[rows, dimension]`.
    fn for_each_block(&self, rows: usize, mut work: impl FnMut(MatRef<f64>)) {
        let dimension = self.mean.len();
        let mut block = Vec::with_capacity(rows.min(self.points.count()) * dimension);
        for values in self.points.values.chunks(rows * dimension) {
            block.clear();
            for row in values.chunks_exact(dimension) {
                block.extend(row.iter().zip(&self.mean).map(|(&value, mean)| f64::from(value) - mean));
            }
            work(MatRef::from_row_major_slice(&block, values.len() / dimension, dimension));
        }
    }
}

/// Eigenvalues, ascending, and eigenvectors of a symmetric matrix of which the lower half is filled in.
fn decompose(square: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>), ProjectError> {
    let size = square.nrows();
    let mut values = Col::<f64>::zeros(size);
    let mut vectors = Mat::<f64>::zeros(size, size);
    let parameters = faer::Spec::default();
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(size, ComputeEigenvectors::Yes, Par::Seq, parameters));
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(square.as_ref(), values.as_diagonal_mut(), Some(vectors.as_mut()), Par::Seq, stack, parameters)
        .map_err(|_| ProjectError::NotConverged)?;
    Ok((values.iter().copied().collect(), vectors))
}

fn sign_of_largest<'a>(entries: impl Iterator<Item = &'a f64>) -> f64 {
    let mut largest = 0.0_f64;
    for &entry in entries {
        if entry.abs() > largest.abs() {
            largest = entry;
        }
    }
    if largest < 0.0 { -1.0 } else { 1.0 }
}

fn row_major(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Vec<f32> {
    (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(row, column)| value(row, column) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(values: &[f32], dimension: usize, components: usize) -> Pca {
        pca(Points::new(values, dimension).unwrap(), components).unwrap()
    }

    #[test]
    fn a_line_lies_on_the_first_component() {
        // (0, 0), (3, 4), (6, 8): distances 5 along (.6, .8), nothing across.
        let map = project(&[0.0, 0.0, 3.0, 4.0, 6.0, 8.0], 2, 2);
        assert_eq!(map.plane(), [[-5.0, 0.0], [0.0, 0.0], [5.0, 0.0]]);
        assert_eq!(map.directions[..2], [0.6, 0.8]);
        assert!((map.explained_variance[0] - 25.0).abs() < 1e-12);
        assert!((map.explained_variance_ratio[0] - 1.0).abs() < 1e-12);
        assert_eq!(map.explained_variance_ratio[1], 0.0);
    }

    #[test]
    fn fewer_points_than_dimensions_go_through_the_gram_matrix() {
        // Two points 2 apart along the second axis of five.
        let map = project(&[1.0, 1.0, 0.0, 0.0, 7.0, 1.0, -1.0, 0.0, 0.0, 7.0], 5, 2);
        assert_eq!(map.plane(), [[1.0, 0.0], [-1.0, 0.0]]);
        assert_eq!(map.directions[..5], [0.0, 1.0, 0.0, 0.0, 0.0]);
        assert!((map.explained_variance[0] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn one_point_identical_points_and_one_dimension_have_their_map() {
        assert_eq!(project(&[3.0, 4.0], 2, 2).plane(), [[0.0, 0.0]]);
        assert_eq!(project(&[1.5; 12], 3, 2).plane(), [[0.0, 0.0]; 4]);
        assert_eq!(project(&[1.0, 2.0, 6.0], 1, 2).plane(), [[-2.0, 0.0], [-1.0, 0.0], [3.0, 0.0]]);
        assert_eq!(project(&[1.0, 2.0, 6.0], 1, 1).plane(), [[-2.0, 0.0], [-1.0, 0.0], [3.0, 0.0]]);
    }

    #[test]
    fn the_largest_entry_of_a_direction_is_positive() {
        // Variance runs along (1, -3): its second entry is the larger one and must come out positive.
        let map = project(&[0.0, 0.0, 1.0, -3.0, 2.0, -6.0], 2, 1);
        assert!(map.directions[1] > 0.0 && map.directions[0] < 0.0);
        assert!(map.coordinates[0] > map.coordinates[2]);
    }

    #[test]
    fn rubbish_is_refused() {
        assert_eq!(Points::new(&[], 3).unwrap_err(), ProjectError::Empty);
        assert_eq!(Points::new(&[1.0], 0).unwrap_err(), ProjectError::Empty);
        assert_eq!(Points::new(&[1.0; 7], 3).unwrap_err(), ProjectError::Shape { values: 7, dimension: 3 });
        let not_finite = Points::new(&[1.0, 2.0, f32::NAN, 4.0], 2).unwrap_err();
        assert_eq!(not_finite, ProjectError::NotFinite { row: 1, column: 0 });
        assert!(matches!(pca(Points::new(&[1.0], 1).unwrap(), 0), Err(ProjectError::Option(_))));
    }
}
