//! Which triplets of a batch to learn from.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Batch, Embeddings, Triplet, random_triplets};

/// A way to choose triplets from a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mining {
    /// Every triplet whose loss is above 0: see [`active`].
    All,
    /// For each anchor the farthest positive and the nearest negative: see [`hard`].
    Hard,
    /// For each anchor and positive the nearest of the negatives that are farther: see [`semi_hard`].
    SemiHard,
    /// For each anchor and positive a negative drawn so that all distances come up alike: see [`distance_weighted`].
    DistanceWeighted,
    /// As many triplets as there are images, drawn blindly: see [`random_triplets`].
    Random,
}

/// Distances below this count as this, or the nearest negatives, whose gradients are mostly noise, would be drawn all the time.
const CUT_OFF: f64 = 0.5;
/// Negatives farther than this are not drawn: they have no loss.
const FARTHEST: f64 = 1.4;

impl Mining {
    /// The triplets of a batch. `margin`: in the units of its distance; `seed` decides what is drawn.
    #[must_use]
    pub fn triplets(self, batch: &Batch, margin: f64, seed: u64) -> Vec<Triplet> {
        match self {
            Self::All => active(batch, margin),
            Self::Hard => hard(batch),
            Self::SemiHard => semi_hard(batch, margin),
            Self::DistanceWeighted => distance_weighted(batch, seed),
            // No error: a batch's labels hold a triplet.
            Self::Random => random_triplets(batch.labels(), batch.count(), seed).unwrap_or_default(),
        }
    }
}

/// Every triplet with d(a, p) + margin > d(a, n), by anchor, positive, negative.
///
/// There may be as many as the cube of the number of images; [`batch_all`](super::losses::batch_all) has their loss without this list.
///
/// Source: Hermans et al. 2017, "batch all".
#[must_use]
pub fn active(batch: &Batch, margin: f64) -> Vec<Triplet> {
    let mut triplets = Vec::new();
    for anchor in 0..batch.count() {
        let distances = batch.distances(anchor);
        for positive in batch.positives(anchor) {
            let reach = distances[positive] + margin as f32;
            let near = batch.negatives(anchor).filter(|&negative| reach - distances[negative] > 0.0);
            triplets.extend(near.map(|negative| [anchor as u32, positive as u32, negative as u32]));
        }
    }
    triplets
}

/// For each anchor that has a positive, the farthest positive and the nearest negative; of equals the first in the batch.
///
/// Source: Hermans et al. 2017, "batch hard".
#[must_use]
pub fn hard(batch: &Batch) -> Vec<Triplet> {
    let triplet = |anchor| {
        let distances = batch.distances(anchor);
        // The last of equals wins in `max_by`, hence the order from the back.
        let backward = |a: &usize, b: &usize| distances[*a].total_cmp(&distances[*b]).then(b.cmp(a));
        let positive = batch.positives(anchor).max_by(backward)?;
        let negative = batch.negatives(anchor).min_by(|&a, &b| distances[a].total_cmp(&distances[b]))?;
        Some([anchor as u32, positive as u32, negative as u32])
    };
    (0..batch.count()).filter_map(triplet).collect()
}

/// For each anchor and positive, the nearest negative with d(a, p) < d(a, n) < d(a, p) + margin; of equals the first in the batch.
///
/// A pair without such a negative gives no triplet: either all its negatives are far enough, or they are nearer than the positive, and
/// learning from the nearest early on is what leads to a collapse. A batch may therefore give none at all.
///
/// Source: Schroff et al. 2015, eq. 4.
#[must_use]
pub fn semi_hard(batch: &Batch, margin: f64) -> Vec<Triplet> {
    let mut triplets = Vec::new();
    for anchor in 0..batch.count() {
        let distances = batch.distances(anchor);
        let mut negatives: Vec<usize> = batch.negatives(anchor).collect();
        negatives.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        for positive in batch.positives(anchor) {
            let near = distances[positive];
            let first = negatives.partition_point(|&negative| distances[negative] <= near);
            let farther = negatives.get(first).filter(|&&negative| near + margin as f32 - distances[negative] > 0.0);
            triplets.extend(farther.map(|&negative| [anchor as u32, positive as u32, negative as u32]));
        }
    }
    triplets
}

/// For each anchor and positive, one negative drawn by [`negative_probabilities`]; an anchor all of whose negatives are too far for them
/// gets its nearest one.
///
/// Source: Wu et al. 2017, section 4.1.
#[must_use]
pub fn distance_weighted(batch: &Batch, seed: u64) -> Vec<Triplet> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let sphere = batch.embeddings().directions();
    let mut triplets = Vec::new();
    for anchor in 0..batch.count() {
        let mut reached: Vec<f64> = Vec::with_capacity(batch.count());
        let mut sum = 0.0;
        for probability in probabilities(batch, &sphere, anchor) {
            sum += probability;
            reached.push(sum);
        }
        let nearest = hardest_negative(batch, anchor);
        for positive in batch.positives(anchor) {
            let share = random.random::<f64>() * sum;
            let negative = if sum > 0.0 { reached.partition_point(|&reached| reached <= share) } else { nearest };
            triplets.push([anchor as u32, positive as u32, negative as u32]);
        }
    }
    triplets
}

/// With what probability each image is drawn as the negative of `anchor`, `[count]`: inverse to the density with which the distance
/// occurs between random points of the sphere, q(d) ∝ dⁿ⁻² (1 - d²/4)^((n-3)/2) in n dimensions. Distances are those between the
/// embeddings' directions, whatever the batch's geometry; below 0.5 they count as 0.5, and beyond 1.4 none is drawn. All are 0 where
/// every negative is farther.
///
/// Source: Wu et al. 2017, section 4.1; the bounds are those of the authors' experiments.
#[must_use]
pub fn negative_probabilities(batch: &Batch, anchor: usize) -> Vec<f64> {
    probabilities(batch, &batch.embeddings().directions(), anchor)
}

fn probabilities(batch: &Batch, sphere: &Embeddings, anchor: usize) -> Vec<f64> {
    let mut probabilities = vec![0.0; batch.count()];
    let dimension = sphere.dimension() as f64;
    // Logarithms, since densities in many dimensions leave the range of f64.
    let rarity = |distance: f64| {
        let distance = distance.max(CUT_OFF);
        (2.0 - dimension) * distance.ln() - (dimension - 3.0) / 2.0 * (1.0 - 0.25 * distance * distance).ln()
    };
    let within = |negative: &(usize, f64)| negative.1 < FARTHEST;
    let negatives = batch.negatives(anchor).map(|negative| (negative, sphere.distance(anchor, negative)));
    let rarities: Vec<(usize, f64)> = negatives.filter(within).map(|(negative, distance)| (negative, rarity(distance))).collect();
    let greatest = rarities.iter().fold(f64::NEG_INFINITY, |greatest, &(_, rarity)| greatest.max(rarity));
    let sum: f64 = rarities.iter().map(|(_, rarity)| (rarity - greatest).exp()).sum();
    rarities.iter().for_each(|&(negative, rarity)| probabilities[negative] = (rarity - greatest).exp() / sum);
    probabilities
}

/// The nearest negative; every anchor of a batch has one.
fn hardest_negative(batch: &Batch, anchor: usize) -> usize {
    let distances = batch.distances(anchor);
    batch.negatives(anchor).min_by(|&a, &b| distances[a].total_cmp(&distances[b])).unwrap_or(anchor)
}

#[cfg(test)]
mod tests {
    use super::super::{Distance, Geometry, testing};
    use super::*;

    const LINE: Geometry = Geometry { distance: Distance::Euclidean, normalise: false };

    fn on_a_line<'a>(places: &'a [f32], labels: &'a [u8]) -> Batch<'a> {
        Batch::new(Embeddings::new(places, 1, LINE).unwrap(), labels).unwrap()
    }

    #[test]
    fn each_miner_chooses_as_worked_out_by_hand() {
        // Label 0 at 0, 1 and 3; label 1 at 2 and 7.
        let batch = on_a_line(&[0.0, 1.0, 3.0, 2.0, 7.0], &[0, 0, 0, 1, 1]);
        assert_eq!(hard(&batch), [[0, 2, 3], [1, 2, 3], [2, 0, 3], [3, 4, 1], [4, 3, 2]]);
        // Of anchor 0, the positive at distance 1 has its negative at 2; the one at 3 has none before 3 + 1.5.
        assert_eq!(semi_hard(&batch, 1.5), [[0, 1, 3], [2, 0, 4], [4, 3, 1]]);
        assert_eq!(semi_hard(&batch, 1.0), [[0; 3]; 0], "a negative at just the margin has no loss");
        let active = active(&batch, 1.5);
        assert!(active.contains(&[0, 1, 3]) && active.contains(&[0, 2, 3]) && !active.contains(&[0, 1, 4]));
        assert_eq!(active.iter().filter(|triplet| triplet[0] == 0).count(), 2);
    }

    #[test]
    fn equally_hard_images_give_the_first_of_them() {
        let batch = on_a_line(&[0.0, 1.0, -1.0, 2.0, -2.0], &[0, 0, 0, 1, 1]);
        assert_eq!(hard(&batch)[0], [0, 1, 3]);
    }

    #[test]
    fn an_image_alone_with_its_label_is_only_a_negative() {
        let batch = on_a_line(&[0.0, 1.0, 1.5], &[0, 0, 1]);
        for triplets in [hard(&batch), active(&batch, 1.0), distance_weighted(&batch, 0)] {
            assert!(!triplets.is_empty() && triplets.iter().all(|&[a, _, n]| a != 2 && n == 2), "{triplets:?}");
        }
    }

    #[test]
    fn every_triplet_holds_its_labels() {
        let (values, labels) = testing::batch(40, 6, 5, 4);
        for geometry in testing::GEOMETRIES {
            let batch = Batch::new(Embeddings::new(&values, 6, geometry).unwrap(), &labels).unwrap();
            for mining in [Mining::All, Mining::Hard, Mining::SemiHard, Mining::DistanceWeighted, Mining::Random] {
                let triplets = mining.triplets(&batch, 0.4, 9);
                assert!(!triplets.is_empty(), "{mining:?}");
                testing::assert_triplets(&triplets, &labels);
                assert_eq!(triplets, mining.triplets(&batch, 0.4, 9));
            }
        }
    }

    #[test]
    fn semi_hard_negatives_lie_between_the_positive_and_the_margin() {
        let (values, labels) = testing::batch(40, 6, 5, 4);
        for geometry in testing::GEOMETRIES {
            let batch = Batch::new(Embeddings::new(&values, 6, geometry).unwrap(), &labels).unwrap();
            for [a, p, n] in semi_hard(&batch, 0.4).iter().map(|triplet| triplet.map(|place| place as usize)) {
                let distances = batch.distances(a);
                assert!(distances[p] < distances[n] && distances[n] < distances[p] + 0.4);
                let between = batch.negatives(a).filter(|&other| distances[p] < distances[other] && distances[other] < distances[n]);
                assert_eq!(between.count(), 0, "none is nearer");
            }
        }
    }

    #[test]
    fn negatives_are_drawn_as_often_as_their_probability_says() {
        let (values, labels) = testing::batch(12, 4, 2, 7);
        let geometry = Geometry { distance: Distance::Squared, normalise: true };
        let batch = Batch::new(Embeddings::new(&values, 4, geometry).unwrap(), &labels).unwrap();
        let expected = negative_probabilities(&batch, 3);
        assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mut drawn = [0.0; 12];
        let mut draws = 0.0;
        for seed in 0..2_000 {
            for [_, _, negative] in distance_weighted(&batch, seed).into_iter().filter(|triplet| triplet[0] == 3) {
                drawn[negative as usize] += 1.0;
                draws += 1.0;
            }
        }
        for (drawn, expected) in drawn.iter().zip(&expected) {
            let error = (expected * (1.0 - expected) / draws).sqrt();
            assert!((drawn / draws - expected).abs() <= 4.5 * error, "{} of {expected}", drawn / draws);
        }
    }

    #[test]
    fn where_every_negative_is_far_the_nearest_one_is_taken() {
        let geometry = Geometry { distance: Distance::Euclidean, normalise: true };
        let values = [1.0, 0.0, 1.0, 0.1, -1.0, 0.0, -1.0, 0.5];
        let batch = Batch::new(Embeddings::new(&values, 2, geometry).unwrap(), &[0, 0, 1, 1]).unwrap();
        assert_eq!(negative_probabilities(&batch, 0), [0.0; 4]);
        assert_eq!(distance_weighted(&batch, 0)[..2], [[0, 1, 3], [1, 0, 3]]);
    }
}
