//! How much nearer images are to their own label than to the next.

use rand::{SeedableRng as _, seq::index};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::Labelled;
use crate::metrics::{Columns, MetricsError, ratio};

impl Labelled<'_> {
    /// The mean over images of (b - a) / max(a, b), in -1 to 1: a is the mean distance to the others of its label, b that to the images of
    /// the nearest other label. An image alone with its label has 0.
    ///
    /// Exact; time of the order of the square of the number of images, memory of the order of the number.
    ///
    /// # Errors
    /// [`MetricsError::Labels`] when there are fewer than two labels, or as many as images.
    ///
    /// Source: Rousseeuw 1987; scikit-learn's `silhouette_score`.
    pub fn silhouette(&self) -> Result<f64, MetricsError> {
        let counts = self.counts();
        let labels: Vec<usize> = (0..256).filter(|&label| counts[label] > 0).collect();
        if labels.len() < 2 || labels.len() == self.count() {
            let needed = "a silhouette needs two labels, one of them with two images";
            return Err(MetricsError::Labels { needed, labels: labels.len(), examples: self.count() });
        }
        // Label after label, so that each label's distances are one stretch of memory.
        let mut order: Vec<usize> = (0..self.count()).collect();
        order.sort_by_key(|&place| self.labels[place]);
        let sorted: Vec<f32> = order.iter().flat_map(|&place| self.embedding(place)).copied().collect();
        let columns = Columns::new(&sorted, self.dimension);
        let values: Vec<f64> = (order.par_iter())
            .map_init(
                || vec![0.0; columns.stride()],
                |distances, &place| {
                    columns.squared_distances(self.embedding(place), distances);
                    distances.iter_mut().for_each(|distance| *distance = distance.sqrt());
                    let own = usize::from(self.labels[place]);
                    let (mut a, mut b, mut start) = (0.0, f64::INFINITY, 0);
                    for &label in &labels {
                        let stretch = &distances[start..start + counts[label]];
                        start += counts[label];
                        let sum: f64 = stretch.iter().map(|&distance| f64::from(distance)).sum();
                        if label == own {
                            a = ratio(sum, (counts[label] - 1) as f64);
                        } else {
                            b = b.min(sum / counts[label] as f64);
                        }
                    }
                    if counts[own] == 1 { 0.0 } else { ratio(b - a, a.max(b)) }
                },
            )
            .collect();
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The silhouette of `count` images drawn by `seed`, or of all when there are no more.
    ///
    /// # Errors
    /// As of [`silhouette`](Self::silhouette), of the images drawn.
    pub fn silhouette_of_sample(&self, count: usize, seed: u64) -> Result<f64, MetricsError> {
        if count >= self.count() {
            return self.silhouette();
        }
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut places = index::sample(&mut random, self.count(), count).into_vec();
        places.sort_unstable();
        let embeddings: Vec<f32> = places.iter().flat_map(|&place| self.embedding(place)).copied().collect();
        let labels: Vec<u8> = places.iter().map(|&place| self.labels[place]).collect();
        Labelled { embeddings: &embeddings, dimension: self.dimension, labels: &labels }.silhouette()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silhouette_is_as_worked_out_by_hand() {
        // On a line: label 4 at 0 and 2, label 9 at 5, label 1 at 8 and 9.
        let split = Labelled::new(&[0.0, 5.0, 2.0, 8.0, 9.0], 1, &[4, 9, 4, 1, 1]).unwrap();
        let each = [3.0 / 5.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 3.0 / 4.0];
        assert!((split.silhouette().unwrap() - each.iter().sum::<f64>() / 5.0).abs() < 1e-12);
    }

    #[test]
    fn one_point_has_no_silhouette_either_way() {
        let split = Labelled::new(&[1.0; 8], 2, &[0, 0, 1, 1]).unwrap();
        assert_eq!(split.silhouette(), Ok(0.0));
    }

    #[test]
    fn a_sample_is_near_the_whole_and_decided_by_its_seed() {
        let embeddings: Vec<f32> = (0..2_000).map(|place| (place % 4) as f32 + ((place * 37) % 101) as f32 / 80.0).collect();
        let labels: Vec<u8> = (0..2_000).map(|place| (place % 4) as u8).collect();
        let split = Labelled::new(&embeddings, 1, &labels).unwrap();
        let whole = split.silhouette().unwrap();
        let sample = split.silhouette_of_sample(500, 1).unwrap();
        assert!(sample != whole && (sample - whole).abs() < 0.05, "{sample} for {whole}");
        assert_eq!(split.silhouette_of_sample(500, 1).unwrap(), sample);
        assert_ne!(split.silhouette_of_sample(500, 2).unwrap(), sample);
        assert_eq!(split.silhouette_of_sample(2_000, 1).unwrap(), whole);
    }

    #[test]
    fn labels_that_leave_nothing_to_compare_are_refused() {
        let of = |labels: &[u8]| Labelled::new(&[1.0, 2.0], 1, labels).unwrap().silhouette();
        assert!(matches!(of(&[0, 0]), Err(MetricsError::Labels { labels: 1, examples: 2, .. })));
        assert!(matches!(of(&[0, 1]), Err(MetricsError::Labels { labels: 2, examples: 2, .. })));
    }
}
