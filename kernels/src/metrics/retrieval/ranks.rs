//! Recall and precision among the nearest images of the same split.

use rayon::prelude::*;

use super::Labelled;
use crate::metrics::{Columns, MetricsError};

/// How well the images of a split find those of their label among all others of the split.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Retrieval {
    /// Recall at each depth, in the order asked for.
    pub recall: Vec<Recall>,
    /// The mean over queries of average precision at R, where R is the number of other images with the query's label: the mean over ranks
    /// i = 1..R of the precision among the first i, counted as 0 where the image at rank i has another label.
    ///
    /// Source: Musgrave et al. 2020, section 3.2.
    pub map_at_r: f64,
    /// How many images asked: those with at least one other of their label.
    pub queries: usize,
}

/// The share of queries that find their label.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Recall {
    /// Among how many of the nearest images.
    pub k: usize,
    /// The share of queries with at least one image of their label there.
    pub recall: f64,
}

impl Labelled<'_> {
    /// Every image asks for its label among all others. `at`: depths of recall, each 1 or more.
    ///
    /// Exact; time of the order of the square of the number of images (10,000 in about a second), memory of the order of the number.
    ///
    /// # Errors
    /// [`MetricsError::Labels`] when no label has two images.
    pub fn retrieval(&self, at: &[usize]) -> Result<Retrieval, MetricsError> {
        self.retrieval_of(&(0..self.count() as u32).collect::<Vec<_>>(), at)
    }

    /// As [`retrieval`](Self::retrieval), but only the images at `queries` ask; among whom does not change.
    ///
    /// # Errors
    /// [`MetricsError::Labels`] when none of them has another image of its label; [`MetricsError::Place`].
    pub fn retrieval_of(&self, queries: &[u32], at: &[usize]) -> Result<Retrieval, MetricsError> {
        if let Some(&place) = queries.iter().find(|&&place| place as usize >= self.count()) {
            return Err(MetricsError::Place { place, examples: self.count() });
        }
        let counts = self.counts();
        let relevant = |place: usize| counts[usize::from(self.labels[place])] - 1;
        let columns = Columns::new(self.embeddings, self.dimension);
        let ranks: Vec<Ranks> = queries
            .par_iter()
            .filter(|&&place| relevant(place as usize) > 0)
            .map_init(
                || (vec![0.0; columns.stride()], Vec::with_capacity(self.count())),
                |(distances, keys), &place| {
                    columns.squared_distances(self.embedding(place as usize), distances);
                    self.ranks(place as usize, relevant(place as usize), distances, keys)
                },
            )
            .collect();
        if ranks.is_empty() {
            let labels = counts.iter().filter(|&&count| count > 0).count();
            return Err(MetricsError::Labels { needed: "retrieval needs two images of one label", labels, examples: self.count() });
        }
        let share = |k: usize| ranks.iter().filter(|ranks| ranks.first < k).count() as f64 / ranks.len() as f64;
        Ok(Retrieval {
            recall: at.iter().map(|&k| Recall { k, recall: share(k) }).collect(),
            map_at_r: ranks.iter().map(|ranks| ranks.average_precision).sum::<f64>() / ranks.len() as f64,
            queries: ranks.len(),
        })
    }

    /// `distances`: squared, from the query to all; `keys`: space to work in.
    fn ranks(&self, query: usize, relevant: usize, distances: &[f32], keys: &mut Vec<u64>) -> Ranks {
        // One whole number orders by distance, then by place: the bits of floats that are not negative order as they do.
        let key = |place: usize| u64::from(distances[place].to_bits()) << 32 | place as u64;
        let holds = |key: u64| self.labels[key as u32 as usize] == self.labels[query];
        keys.clear();
        keys.extend((0..self.count()).filter(|&place| place != query).map(key));
        let nearest_own = keys.iter().copied().filter(|&key| holds(key)).min().unwrap_or(u64::MAX);
        let first = keys.iter().filter(|&&key| key < nearest_own).count();
        keys.select_nth_unstable(relevant - 1);
        let nearest = &mut keys[..relevant];
        nearest.sort_unstable();
        let (mut found, mut sum) = (0_u32, 0.0);
        for (rank, &key) in nearest.iter().enumerate() {
            if holds(key) {
                found += 1;
                sum += f64::from(found) / (rank + 1) as f64;
            }
        }
        Ranks { first, average_precision: sum / relevant as f64 }
    }
}

struct Ranks {
    /// Rank of the nearest image with the query's label, from 0.
    first: usize,
    /// Average precision at R.
    average_precision: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_as_worked_out_by_hand() {
        // On a line: label 0 at 0, 1 and 5, label 1 at 2, label 2 at 6 and 9.
        let split = Labelled::new(&[0.0, 1.0, 5.0, 2.0, 6.0, 9.0], 1, &[0, 0, 0, 1, 2, 2]).unwrap();
        let of = |place| split.retrieval_of(&[place], &[1]).unwrap();
        // From 0: own, other. From 1: at distance 1 both 0 (own) and 2; the first place wins. From 5: 6, then 2.
        assert_eq!((of(0).map_at_r, of(0).recall[0].recall), (0.5, 1.0));
        assert_eq!((of(1).map_at_r, of(1).recall[0].recall), (0.5, 1.0));
        assert_eq!((of(2).map_at_r, of(2).recall[0].recall), (0.0, 0.0));
        // From 6: 5. From 9: 6, its own.
        assert_eq!((of(4).map_at_r, of(5).map_at_r), (0.0, 1.0));
        let all = split.retrieval(&[1, 2, 3, 5]).unwrap();
        assert_eq!(all.queries, 5, "an image alone with its label does not ask");
        assert_eq!(all.map_at_r, 2.0 / 5.0);
        // From 5 the own label comes third or later: 6, 2, then at distance 4 both 1 (own, first) and 9. From 6: 5, then 9 (own).
        assert_eq!(all.recall.iter().map(|recall| recall.recall).collect::<Vec<_>>(), [0.6, 0.8, 1.0, 1.0]);
    }

    #[test]
    fn separate_labels_are_found_perfectly() {
        let embeddings: Vec<f32> = (0..60).map(|place| (place % 3) as f32 * 100.0 + (place / 3) as f32).collect();
        let labels: Vec<u8> = (0..60).map(|place| place % 3).collect();
        let retrieval = Labelled::new(&embeddings, 1, &labels).unwrap().retrieval(&[1]).unwrap();
        assert_eq!((retrieval.map_at_r, retrieval.recall[0].recall, retrieval.queries), (1.0, 1.0, 60));
    }

    #[test]
    fn where_no_label_has_two_images_there_is_nothing_to_find() {
        let split = Labelled::new(&[0.0, 1.0], 1, &[0, 1]).unwrap();
        assert!(matches!(split.retrieval(&[1]), Err(MetricsError::Labels { labels: 2, examples: 2, .. })));
        assert_eq!(split.retrieval_of(&[2], &[1]), Err(MetricsError::Place { place: 2, examples: 2 }));
    }
}
