//! How well embeddings bring images of one label together, in Euclidean distance.
//!
//! Against what an image is looked up differs, and a figure means little without it:
//!
//! | figure | queries | among |
//! |---|---|---|
//! | [`knn_accuracy`] | a split, such as the test images | another one: the training images |
//! | recall@k and MAP@R of [`Labelled::retrieval`] | a split | the other images of the same split |
//! | [`Labelled::silhouette`] | a split | the other images of the same split |
//!
//! Equally near images rank by their place, the first before.

mod ranks;
mod silhouette;

use super::MetricsError;

pub use ranks::{Recall, Retrieval};

/// Neighbours that vote on a label, in training, in retrieval figures and on a picture alike.
pub const VOTERS: usize = 5;

/// Embeddings of a split and their labels.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    embeddings: &'a [f32],
    dimension: usize,
    labels: &'a [u8],
}

impl<'a> Labelled<'a> {
    /// `embeddings`: `[count, dimension]`; `labels`: `[count]`.
    ///
    /// # Errors
    /// [`MetricsError::Empty`], [`MetricsError::Length`], [`MetricsError::Embedding`].
    pub fn new(embeddings: &'a [f32], dimension: usize, labels: &'a [u8]) -> Result<Self, MetricsError> {
        check(embeddings, dimension, labels.len())?;
        Ok(Self { embeddings, dimension, labels })
    }

    /// How many images there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// The labels of the images.
    #[must_use]
    pub fn labels(&self) -> &'a [u8] {
        self.labels
    }

    /// One embedding, `[dimension]`.
    #[must_use]
    pub fn embedding(&self, place: usize) -> &'a [f32] {
        &self.embeddings[place * self.dimension..][..self.dimension]
    }

    /// How many images each of the 256 possible labels has.
    fn counts(&self) -> [usize; 256] {
        let mut counts = [0; 256];
        self.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }
}

/// The share of queries whose label is the one that most of their `k` nearest neighbours have; see [`knn_labels`].
///
/// # Errors
/// As of [`knn_labels`]; [`MetricsError::Length`] when there are not as many labels as queries.
pub fn knn_accuracy(neighbours: &[u32], each: usize, k: usize, gallery: &[u8], queries: &[u8]) -> Result<f64, MetricsError> {
    let said = knn_labels(neighbours, each, k, gallery)?;
    if said.len() != queries.len() {
        return Err(MetricsError::Length { what: "labels of queries", expected: said.len(), found: queries.len() });
    }
    let right = said.iter().zip(queries).filter(|(said, label)| said == label).count();
    Ok(right as f64 / said.len() as f64)
}

/// The label that most of the `k` nearest neighbours of each query have; of several labels with as many, the one whose nearest member is
/// nearest.
///
/// `neighbours`: `[queries, each]`, places in the gallery, the nearest first; `gallery`: the labels there.
///
/// # Errors
/// [`MetricsError::Empty`] without queries; [`MetricsError::Length`] when the list is not whole rows or `k` is not in 1 to `each`;
/// [`MetricsError::Place`] of a neighbour that is not there.
pub fn knn_labels(neighbours: &[u32], each: usize, k: usize, gallery: &[u8]) -> Result<Vec<u8>, MetricsError> {
    if each == 0 || neighbours.is_empty() {
        return Err(MetricsError::Empty);
    }
    if k == 0 || k > each {
        return Err(MetricsError::Length { what: "neighbours to ask", expected: each, found: k });
    }
    let whole = neighbours.len().next_multiple_of(each);
    if neighbours.len() != whole {
        return Err(MetricsError::Length { what: "neighbours", expected: whole, found: neighbours.len() });
    }
    if let Some(&place) = neighbours.iter().find(|&&place| place as usize >= gallery.len()) {
        return Err(MetricsError::Place { place, examples: gallery.len() });
    }
    Ok(neighbours.chunks_exact(each).map(|row| vote(&row[..k], gallery)).collect())
}

fn vote(nearest: &[u32], gallery: &[u8]) -> u8 {
    let mut votes = [0_u32; 256];
    let label = |place: &u32| gallery[*place as usize];
    nearest.iter().for_each(|place| votes[usize::from(label(place))] += 1);
    let most = votes.iter().copied().max().unwrap_or(0);
    nearest.iter().map(label).find(|&label| votes[usize::from(label)] == most).unwrap_or(0)
}

/// The mean over triplets (anchor, positive, negative) of max(|a - p|² - |a - n|² + margin, 0), as the course report measures it.
/// `embeddings`: `[count, dimension]`; triplets name places there.
///
/// # Errors
/// [`MetricsError::Empty`] without triplets or embeddings; [`MetricsError::Length`], [`MetricsError::Embedding`],
/// [`MetricsError::Place`].
pub fn mean_triplet_loss(embeddings: &[f32], dimension: usize, triplets: &[[u32; 3]], margin: f64) -> Result<f64, MetricsError> {
    let count = embeddings.len() / dimension.max(1);
    check(embeddings, dimension, count)?;
    if triplets.is_empty() {
        return Err(MetricsError::Empty);
    }
    if let Some(&place) = triplets.iter().flatten().find(|&&place| place as usize >= count) {
        return Err(MetricsError::Place { place, examples: count });
    }
    let point = |place: u32| &embeddings[place as usize * dimension..][..dimension];
    let square = |a: u32, b: u32| -> f64 { point(a).iter().zip(point(b)).map(|(a, b)| f64::from(a - b).powi(2)).sum() };
    let losses = triplets.iter().map(|&[a, p, n]| (square(a, p) - square(a, n) + margin).max(0.0));
    Ok(losses.sum::<f64>() / triplets.len() as f64)
}

fn check(embeddings: &[f32], dimension: usize, count: usize) -> Result<(), MetricsError> {
    if count == 0 || dimension == 0 {
        return Err(MetricsError::Empty);
    }
    if embeddings.len() != count * dimension {
        return Err(MetricsError::Length { what: "values of embeddings", expected: count * dimension, found: embeddings.len() });
    }
    match embeddings.iter().position(|value| !value.is_finite()) {
        Some(place) => Err(MetricsError::Embedding { index: place / dimension }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod parity;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_neighbours_decide_and_of_ties_the_nearest() {
        let gallery = [7, 7, 3, 3, 5];
        let said = |k| knn_labels(&[4, 2, 3, 0, 1, /**/ 0, 2, 3, 1, 4], 5, k, &gallery).unwrap();
        assert_eq!(said(1), [5, 7]);
        assert_eq!(said(2), [5, 7], "one each: the nearest");
        assert_eq!(said(3), [3, 3]);
        assert_eq!(said(4), [3, 7], "two each");
        assert_eq!(said(5), [3, 7], "two each, and one of another");
        assert_eq!(knn_accuracy(&[4, 2, 3, 0, 1, 0, 2, 3, 1, 4], 5, 3, &gallery, &[3, 7]), Ok(0.5));
    }

    #[test]
    fn the_triplet_loss_is_as_worked_out_by_hand() {
        let loss = mean_triplet_loss(&[0.0, 1.0, 1.5, 3.0], 1, &[[0, 1, 2], [0, 1, 3], [1, 2, 0]], 2.0).unwrap();
        assert!((loss - (0.75 + 0.0 + 1.25) / 3.0).abs() < 1e-12, "{loss}");
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let length = |result: Result<f64, MetricsError>| assert!(matches!(result, Err(MetricsError::Length { .. })), "{result:?}");
        length(knn_accuracy(&[0, 1, 2], 2, 1, &[0, 0, 1], &[0]));
        length(knn_accuracy(&[0, 1], 2, 3, &[0, 1], &[0]));
        length(knn_accuracy(&[0, 1], 2, 0, &[0, 1], &[0]));
        length(knn_accuracy(&[0, 1], 2, 1, &[0, 1], &[0, 1]));
        assert_eq!(knn_accuracy(&[], 2, 1, &[0, 1], &[]), Err(MetricsError::Empty));
        assert_eq!(knn_accuracy(&[0, 2], 2, 1, &[0, 1], &[0]), Err(MetricsError::Place { place: 2, examples: 2 }));
        length(mean_triplet_loss(&[0.0, 1.0, 2.0], 2, &[[0, 0, 0]], 1.0));
        assert_eq!(mean_triplet_loss(&[0.0], 1, &[], 1.0), Err(MetricsError::Empty));
        assert_eq!(mean_triplet_loss(&[0.0], 1, &[[0, 1, 0]], 1.0), Err(MetricsError::Place { place: 1, examples: 1 }));
        assert_eq!(Labelled::new(&[], 2, &[]).unwrap_err(), MetricsError::Empty);
        assert_eq!(Labelled::new(&[1.0, f32::NAN], 1, &[0, 1]).unwrap_err(), MetricsError::Embedding { index: 1 });
        assert!(matches!(Labelled::new(&[1.0, 2.0], 1, &[0]), Err(MetricsError::Length { .. })));
    }
}
