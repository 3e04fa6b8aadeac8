//! Embeddings in a geometry, the distances between them, and the way back from a distance's derivative to the embedding's.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{TripletError, require_triplet};
use crate::metrics::Columns;

/// How far two points are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// |a - b|², as in the course report. Its gradient vanishes where points are close, so that batches of hard triplets collapse easily.
    Squared,
    /// |a - b|. Its gradient has length 1 however close two points are; between equal points it is taken as 0.
    Euclidean,
}

/// In what space distances are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Geometry {
    /// The distance.
    pub distance: Distance,
    /// Whether embeddings are first divided by their length, which puts them on the unit sphere.
    pub normalise: bool,
}

/// Embeddings `[count, dimension]` as a geometry sees them.
#[derive(Debug, Clone)]
pub struct Embeddings<'a> {
    /// As given, or of unit length.
    points: Cow<'a, [f32]>,
    /// The length of each before it was normalised; empty where it is not.
    lengths: Vec<f32>,
    dimension: usize,
    geometry: Geometry,
}

/// A batch of which triplets can be built: embeddings, labels and the distances of all pairs.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    embeddings: Embeddings<'a>,
    labels: &'a [u8],
    columns: Columns,
    /// `[count, stride]`.
    distances: Vec<f32>,
}

/// What an embedding's length is at least taken for, as `PyTorch`'s `normalize` has it; a shorter one gets no gradient.
const SHORTEST: f32 = 1e-12;

impl<'a> Embeddings<'a> {
    /// `values`: `[count, dimension]`.
    ///
    /// # Errors
    /// [`TripletError::Shape`], [`TripletError::NotFinite`].
    pub fn new(values: &'a [f32], dimension: usize, geometry: Geometry) -> Result<Self, TripletError> {
        if dimension == 0 || !values.len().is_multiple_of(dimension) {
            return Err(TripletError::Shape { values: values.len(), dimension, images: values.len() / dimension.max(1) });
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(TripletError::NotFinite { image: place / dimension });
        }
        if geometry.normalise {
            return Ok(Self::of_unit_length(values, dimension, geometry.distance));
        }
        Ok(Self { points: Cow::Borrowed(values), lengths: Vec::new(), dimension, geometry })
    }

    fn of_unit_length(values: &[f32], dimension: usize, distance: Distance) -> Self {
        let lengths: Vec<f32> = values.chunks_exact(dimension).map(length).collect();
        let unit = values.chunks_exact(dimension).zip(&lengths).flat_map(|(row, &length)| {
            let divisor = length.max(SHORTEST);
            row.iter().map(move |value| value / divisor)
        });
        Self { points: Cow::Owned(unit.collect()), lengths, dimension, geometry: Geometry { distance, normalise: true } }
    }

    /// The same on the unit sphere, with straight distances through it.
    pub(super) fn directions(&self) -> Embeddings<'static> {
        Embeddings::of_unit_length(&self.points, self.dimension, Distance::Euclidean)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.points.len() / self.dimension
    }

    /// How many dimensions each has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// In what space they are.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// All points, `[count, dimension]`: as given, or of unit length.
    #[must_use]
    pub fn points(&self) -> &[f32] {
        &self.points
    }

    /// One point.
    #[must_use]
    pub fn point(&self, place: usize) -> &[f32] {
        &self.points[place * self.dimension..][..self.dimension]
    }

    /// The distance between two points, summed in f64.
    #[must_use]
    pub fn distance(&self, a: usize, b: usize) -> f64 {
        let square: f64 = self.point(a).iter().zip(self.point(b)).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        match self.geometry.distance {
            Distance::Squared => square,
            Distance::Euclidean => square.sqrt(),
        }
    }

    /// What `(a - b)` is to be multiplied with to give the derivative of the distance between them with respect to `a`.
    pub(super) fn slope(&self, distance: f32) -> f32 {
        match self.geometry.distance {
            Distance::Squared => 2.0,
            Distance::Euclidean if distance > 0.0 => 1.0 / distance,
            Distance::Euclidean => 0.0,
        }
    }

    /// Turns derivatives with respect to the points, `[count, dimension]`, into those with respect to the embeddings as given.
    ///
    /// Of x / |x| = u the derivative is (I - u uᵀ) / |x|.
    pub(super) fn back(&self, gradient: &mut [f32]) {
        for (place, &length) in self.lengths.iter().enumerate() {
            let (row, unit) = (&mut gradient[place * self.dimension..][..self.dimension], self.point(place));
            if length < SHORTEST {
                row.fill(0.0);
                continue;
            }
            let along: f64 = row.iter().zip(unit).map(|(&slope, &unit)| f64::from(slope) * f64::from(unit)).sum();
            row.iter_mut().zip(unit).for_each(|(slope, &unit)| *slope = (*slope - along as f32 * unit) / length);
        }
    }
}

impl<'a> Batch<'a> {
    /// `labels`: one for each embedding.
    ///
    /// # Errors
    /// [`TripletError::Shape`], [`TripletError::NoTriplet`], [`TripletError::TooFar`].
    pub fn new(embeddings: Embeddings<'a>, labels: &'a [u8]) -> Result<Self, TripletError> {
        let (count, dimension) = (embeddings.count(), embeddings.dimension);
        if count != labels.len() {
            return Err(TripletError::Shape { values: embeddings.points.len(), dimension, images: labels.len() });
        }
        require_triplet(labels)?;
        let columns = Columns::new(&embeddings.points, dimension);
        let mut distances = vec![0.0_f32; count * columns.stride()];
        distances.par_chunks_exact_mut(columns.stride()).enumerate().for_each(|(place, row)| {
            columns.squared_distances(embeddings.point(place), row);
            if embeddings.geometry.distance == Distance::Euclidean {
                row.iter_mut().for_each(|distance| *distance = distance.sqrt());
            }
        });
        if distances.iter().any(|distance| !distance.is_finite()) {
            return Err(TripletError::TooFar);
        }
        Ok(Self { embeddings, labels, columns, distances })
    }

    /// How many images there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// Their labels.
    #[must_use]
    pub fn labels(&self) -> &'a [u8] {
        self.labels
    }

    /// Their embeddings.
    #[must_use]
    pub fn embeddings(&self) -> &Embeddings<'a> {
        &self.embeddings
    }

    /// Distances from one image to all, `[count]`.
    #[must_use]
    pub fn distances(&self, place: usize) -> &[f32] {
        &self.padded_distances(place)[..self.count()]
    }

    /// Places of the other images with the label of `place`, ascending.
    pub fn positives(&self, place: usize) -> impl Iterator<Item = usize> {
        let label = self.labels[place];
        (0..self.count()).filter(move |&other| other != place && self.labels[other] == label)
    }

    /// Places of the images with other labels, ascending.
    pub fn negatives(&self, place: usize) -> impl Iterator<Item = usize> {
        let label = self.labels[place];
        (0..self.count()).filter(move |&other| self.labels[other] != label)
    }

    /// Distances from one image to all, and padding: `[stride]`.
    pub(super) fn padded_distances(&self, place: usize) -> &[f32] {
        &self.distances[place * self.stride()..][..self.stride()]
    }

    /// Length of a row of distances with its padding.
    pub(super) fn stride(&self) -> usize {
        self.columns.stride()
    }

    /// From the derivatives of a loss with respect to the distances, `[count, stride]` with zeros in the padding, to those with respect to
    /// the embeddings, `[count, dimension]`. Derivatives are multiplied by `scale`.
    pub(super) fn gradient(&self, slopes: &[f32], scale: f64) -> Vec<f32> {
        let (stride, dimension) = (self.stride(), self.embeddings.dimension);
        let mut gradient = vec![0.0_f32; self.count() * dimension];
        gradient.par_chunks_exact_mut(dimension).enumerate().for_each_init(
            || vec![0.0_f32; stride],
            |weights, (place, sums)| {
                let (own, distances) = (&slopes[place * stride..][..stride], self.distances(place));
                for (other, &distance) in distances.iter().enumerate() {
                    weights[other] = (own[other] + slopes[other * stride + place]) * self.embeddings.slope(distance);
                }
                self.columns.weighted_differences(self.embeddings.point(place), weights, sums);
                sums.iter_mut().for_each(|sum| *sum = (f64::from(*sum) * scale) as f32);
            },
        );
        self.embeddings.back(&mut gradient);
        gradient
    }
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Geometry = Geometry { distance: Distance::Euclidean, normalise: false };

    fn error(values: &[f32], dimension: usize, labels: &[u8]) -> TripletError {
        Embeddings::new(values, dimension, PLAIN).and_then(|embeddings| Batch::new(embeddings, labels)).unwrap_err()
    }

    #[test]
    fn distances_follow_the_geometry() {
        let values = [3.0, 4.0, 0.0, 5.0, 0.0, 0.0];
        let of = |distance, normalise| {
            let embeddings = Embeddings::new(&values, 2, Geometry { distance, normalise }).unwrap();
            Batch::new(embeddings, &[0, 0, 1]).unwrap().distances(0).to_vec()
        };
        let near = |got: Vec<f32>, wanted: [f32; 3]| {
            got.iter().zip(wanted).for_each(|(got, wanted)| assert!((got - wanted).abs() < 1e-6, "{got} for {wanted}"));
        };
        near(of(Distance::Squared, false), [0.0, 10.0, 25.0]);
        near(of(Distance::Euclidean, false), [0.0, 10.0_f32.sqrt(), 5.0]);
        near(of(Distance::Squared, true), [0.0, 0.4, 1.0]);
        near(of(Distance::Euclidean, true), [0.0, 0.4_f32.sqrt(), 1.0]);
    }

    #[test]
    fn what_holds_no_triplet_is_refused_with_its_reason() {
        assert_eq!(error(&[], 2, &[]), TripletError::NoTriplet { images: 0, labels: 0 });
        assert_eq!(error(&[1.0, 2.0, 3.0], 1, &[4, 4, 4]), TripletError::NoTriplet { images: 3, labels: 1 });
        assert_eq!(error(&[1.0, 2.0, 3.0], 1, &[0, 1, 2]), TripletError::NoTriplet { images: 3, labels: 3 });
        assert_eq!(error(&[1.0, 2.0, 3.0], 2, &[0]), TripletError::Shape { values: 3, dimension: 2, images: 1 });
        assert_eq!(error(&[1.0, 2.0], 0, &[0]), TripletError::Shape { values: 2, dimension: 0, images: 2 });
        assert_eq!(error(&[1.0, 2.0], 1, &[0, 1, 1]), TripletError::Shape { values: 2, dimension: 1, images: 3 });
        assert_eq!(error(&[1.0, f32::NAN, 2.0], 1, &[0, 0, 1]), TripletError::NotFinite { image: 1 });
        assert_eq!(error(&[1e30, -1e30, 2.0], 1, &[0, 0, 1]), TripletError::TooFar);
    }

    #[test]
    fn an_embedding_without_length_stays_where_it_is() {
        let geometry = Geometry { distance: Distance::Squared, normalise: true };
        let batch = Batch::new(Embeddings::new(&[0.0, 0.0, 0.0, 2.0, 1.0, 0.0], 2, geometry).unwrap(), &[0, 0, 1]).unwrap();
        assert_eq!(batch.distances(0), [0.0, 1.0, 1.0]);
        assert_eq!(batch.gradient(&vec![1.0; 3 * batch.stride()], 1.0)[..2], [0.0, 0.0]);
    }
}
