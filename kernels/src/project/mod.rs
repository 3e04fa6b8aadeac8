//! Projections: many-dimensional points in, 2-D points out. PCA and t-SNE; nearest neighbours.
//!
//! All take [`Points`], checked once, and none depends on the number of threads. Nor does a map of few points on the width of the
//! machine's SIMD unit.

mod affinities;
mod approximate;
mod course;
mod descent;
mod exact;
mod field;
mod lanes;
mod neighbours;
mod pca;
mod place;
mod preservation;
mod sparse;
mod tsne;

pub use neighbours::{Neighbours, neighbours, neighbours_within};
pub use pca::{Pca, pca};
pub use place::place;
pub use preservation::{preservation, shared};
pub use tsne::{MAXIMUM_TSNE_POINTS, Phase, Progress, Stop, Tsne, TsneOptions, tsne};

/// Points to be projected: finite, at least one, all of one dimension. Borrowed, row-major `[count, dimension]`.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    values: &'a [f32],
    dimension: usize,
}

impl<'a> Points<'a> {
    /// Takes `values` as rows of `dimension` numbers each.
    ///
    /// # Errors
    /// [`ProjectError::Empty`] without a single point or dimension, [`ProjectError::Shape`] when the rows don't come out even,
    /// [`ProjectError::NotFinite`] on NaN or infinity.
    pub fn new(values: &'a [f32], dimension: usize) -> Result<Self, ProjectError> {
        if values.is_empty() || dimension == 0 {
            return Err(ProjectError::Empty);
        }
        if !values.len().is_multiple_of(dimension) {
            return Err(ProjectError::Shape { values: values.len(), dimension });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(ProjectError::NotFinite { row: index / dimension, column: index % dimension });
        }
        Ok(Self { values, dimension })
    }

    /// How many points there are; at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// How many numbers each point has; at least 1.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The points one after the other, each of [`Self::dimension`] numbers.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.dimension)
    }
}

/// Why points can't be projected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectError {
    /// No point, or points without a number.
    #[error("there are no points to project")]
    Empty,
    /// The numbers don't fill whole rows.
    #[error("{values} numbers don't make whole rows of {dimension}")]
    Shape {
        /// How many numbers were given.
        values: usize,
        /// How many make a row.
        dimension: usize,
    },
    /// NaN or infinity among the numbers.
    #[error("point {row} has a number that is not finite in column {column}")]
    NotFinite {
        /// The point, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
    },
    /// More points than the method can take in reasonable time and memory.
    #[error("{count} points are more than the {maximum} that can be mapped at once")]
    TooMany {
        /// How many were given.
        count: usize,
        /// How many there may be.
        maximum: usize,
    },
    /// An option outside its range; the text says which and what was expected.
    #[error("{0}")]
    Option(String),
    /// The observer asked to stop.
    #[error("the projection was cancelled")]
    Cancelled,
    /// The eigenvalue iteration did not converge; never seen on finite numbers.
    #[error("the eigenvalue iteration did not converge")]
    NotConverged,
}
