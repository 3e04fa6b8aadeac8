//! Whether all images land on one point, where a triplet loss stands still at its margin.

use super::{Distance, Embeddings, Mining, Objective, TripletError, by_label};

/// How far embeddings are spread.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// Mean squared distance to the mean by mean squared length, in 0 to 1 whatever the scale: 0 where all are one point, near 1 where
    /// they lie around the origin. 0 where all are the origin.
    pub relative: f64,
    /// Mean distance of two images of one label, in the units of the distance (of straight distances the root of the mean square).
    pub within: f64,
    /// Mean distance of two images of different labels, likewise.
    pub between: f64,
}

/// Looks at the batches of a training, one by one, for a collapse. One that is resumed begins to look anew: its verdict comes later, and its
/// numbers are the same.
#[derive(Debug, Clone)]
pub struct Watch {
    objective: Objective,
    steps: u32,
}

/// What a collapsed network looks like.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Collapse {
    /// By what it was seen.
    pub reason: Reason,
    /// How far the embeddings of the last batch are spread.
    pub spread: Spread,
    /// In how many batches in a row.
    pub steps: u32,
}

/// By what a collapse shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// All images have almost the same embedding: what varies is below [`ONE_POINT`] of what they have in common.
    OnePoint,
    /// Squared distances are far below the margin, [`SHRUNK`] of it, so that every triplet costs about the margin.
    Shrunk,
}

/// What may help, the likeliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Learn from all or from semi-hard triplets instead of the hardest ones.
    EasierTriplets,
    /// Measure straight distances: those squared have no gradient left where all points are one.
    StraightDistance,
    /// Put embeddings on the unit sphere, where they cannot shrink.
    Normalise,
    /// A margin that the unit sphere has room for.
    SmallerMargin,
    /// Take smaller steps.
    LowerLearningRate,
}

/// Share of the mean squared length below which the variation of all embeddings is that of one point.
///
/// Small dense networks on MNIST start at about 0.4 and rise to 0.7 and more where they learn from all triplets; where they learn from the
/// hardest from the start, with either distance, they fall below 0.001 within some hundred steps.
pub const ONE_POINT: f64 = 1e-3;
/// Share of the margin below which the mean distance between labels is none: of the margin itself with squared distances, of its square
/// (against the mean square) with straight ones, which is the same share of a length. Untrained networks on MNIST start at about 0.1.
pub const SHRUNK: f64 = 1e-2;
/// Batches in a row after which it is no coincidence.
pub const PATIENCE: u32 = 50;
/// How near the loss of a shrunk network is to the margin, as a share of it.
const STANDSTILL: f64 = 0.05;

impl Spread {
    /// Of embeddings and their labels. A mean over no pair is 0.
    ///
    /// # Errors
    /// [`TripletError::Shape`] when there are not as many labels as embeddings.
    pub fn of(embeddings: &Embeddings, labels: &[u8]) -> Result<Self, TripletError> {
        let (count, dimension) = (embeddings.count(), embeddings.dimension());
        if count != labels.len() {
            return Err(TripletError::Shape { values: embeddings.points().len(), dimension, images: labels.len() });
        }
        let mean = sum(embeddings, 0..count, &vec![0.0; dimension]).into_iter().map(|sum| sum / count.max(1) as f64).collect::<Vec<_>>();
        let squares = |places: &[u32], from: &[f64]| -> f64 { places.iter().map(|&place| square(embeddings, place as usize, from)).sum() };
        let every: Vec<u32> = (0..count as u32).collect();
        let (varied, whole) = (squares(&every, &mean), squares(&every, &vec![0.0; dimension]));
        // The squared distances of all pairs of n points add up to n Σ|x|² - |Σx|²; measured from the mean, nothing large cancels.
        let pairs = |places: &[u32]| {
            let total = sum(embeddings, places.iter().map(|&place| place as usize), &mean);
            let square: f64 = total.iter().map(|value| value * value).sum();
            (places.len() as f64 * squares(places, &mean) - square).max(0.0)
        };
        let number = |count: usize| count as f64 * count.saturating_sub(1) as f64 / 2.0;
        let labels = by_label(labels);
        let within: (f64, f64) = labels.iter().fold((0.0, 0.0), |sum, own| (sum.0 + pairs(own), sum.1 + number(own.len())));
        let all = (pairs(&every), number(count));
        let mean_distance = |sum: f64, number: f64| {
            let square = if number > 0.0 { sum.max(0.0) / number } else { 0.0 };
            if embeddings.geometry().distance == Distance::Squared { square } else { square.sqrt() }
        };
        Ok(Self {
            relative: if whole > 0.0 { varied / whole } else { 0.0 },
            within: mean_distance(within.0, within.1),
            between: mean_distance(all.0 - within.0, all.1 - within.1),
        })
    }
}

impl Watch {
    /// Of a training with this objective.
    #[must_use]
    pub fn new(objective: Objective) -> Self {
        Self { objective, steps: 0 }
    }

    /// Looks at a step: a verdict when it and the [`PATIENCE`] - 1 before all show a collapse, once.
    pub fn see(&mut self, spread: Spread, loss: f64) -> Option<Collapse> {
        let Some(reason) = self.reason(spread, loss) else {
            self.steps = 0;
            return None;
        };
        self.steps = self.steps.saturating_add(1);
        (self.steps == PATIENCE).then_some(Collapse { reason, spread, steps: self.steps })
    }

    fn reason(&self, spread: Spread, loss: f64) -> Option<Reason> {
        if spread.relative < ONE_POINT {
            return Some(Reason::OnePoint);
        }
        let Objective::Triplet { margin, geometry, .. } = self.objective else { return None };
        let share = spread.between / margin;
        let share = if geometry.distance == Distance::Squared { share } else { share * share };
        (share < SHRUNK && (loss / margin - 1.0).abs() < STANDSTILL).then_some(Reason::Shrunk)
    }
}

impl Collapse {
    /// What may help a training with such an objective.
    #[must_use]
    pub fn remedies(&self, objective: &Objective) -> Vec<Remedy> {
        let mut remedies = Vec::new();
        if let Objective::Triplet { mining, geometry, margin, .. } = *objective {
            // From the first step on the hardest triplets collapse by straight distances and at unit length as well; after easier ones
            // straight distances hold.
            if mining == Mining::Hard {
                remedies.push(Remedy::EasierTriplets);
            }
            if geometry.distance == Distance::Squared {
                remedies.push(Remedy::StraightDistance);
            }
            if mining != Mining::Hard && self.reason == Reason::Shrunk && !geometry.normalise {
                remedies.push(Remedy::Normalise);
            }
            if geometry.normalise && margin > 1.0 {
                remedies.push(Remedy::SmallerMargin);
            }
        }
        remedies.push(Remedy::LowerLearningRate);
        remedies
    }
}

/// The sum of points, each measured from `origin`.
fn sum(embeddings: &Embeddings, places: impl Iterator<Item = usize>, origin: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; origin.len()];
    for place in places {
        let values = embeddings.point(place).iter().zip(origin);
        sum.iter_mut().zip(values).for_each(|(sum, (&value, origin))| *sum += f64::from(value) - origin);
    }
    sum
}

fn square(embeddings: &Embeddings, place: usize, from: &[f64]) -> f64 {
    embeddings.point(place).iter().zip(from).map(|(&value, from)| (f64::from(value) - from).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{Geometry, Mean, testing};
    use super::*;

    const REPORT: Geometry = Geometry { distance: Distance::Squared, normalise: false };

    fn spread(values: &[f32], dimension: usize, labels: &[u8], geometry: Geometry) -> Spread {
        Spread::of(&Embeddings::new(values, dimension, geometry).unwrap(), labels).unwrap()
    }

    #[test]
    fn spread_is_as_worked_out_by_hand() {
        // On a line 1 and 2 of one label, 6 of another: the mean is 3, squares about it 4 + 1 + 9, squared lengths 1 + 4 + 36.
        let line = spread(&[1.0, 2.0, 6.0], 1, &[0, 0, 1], REPORT);
        assert!((line.relative - 14.0 / 41.0).abs() < 1e-12);
        assert!((line.within - 1.0).abs() < 1e-12 && (line.between - 20.5).abs() < 1e-12, "{line:?}");
        let straight = spread(&[1.0, 2.0, 6.0], 1, &[0, 0, 1], Geometry { distance: Distance::Euclidean, normalise: false });
        assert!((straight.between - 20.5_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn mean_distances_are_those_of_all_pairs() {
        let (values, labels) = testing::batch(30, 6, 4, 0);
        for geometry in testing::GEOMETRIES {
            let embeddings = Embeddings::new(&values, 6, Geometry { distance: Distance::Squared, ..geometry }).unwrap();
            let (mut within, mut between) = ((0.0, 0.0), (0.0, 0.0));
            for a in 0..30 {
                for b in 0..a {
                    let sum = if labels[a] == labels[b] { &mut within } else { &mut between };
                    *sum = (sum.0 + embeddings.distance(a, b), sum.1 + 1.0);
                }
            }
            let spread = spread(&values, 6, &labels, geometry);
            let unit = |square: f64| if geometry.distance == Distance::Squared { square } else { square.sqrt() };
            assert!((spread.within - unit(within.0 / within.1)).abs() < 1e-6, "{spread:?}");
            assert!((spread.between - unit(between.0 / between.1)).abs() < 1e-6, "{spread:?}");
        }
    }

    #[test]
    fn points_without_pairs_or_length_have_a_spread_of_zero() {
        let nothing = Spread { relative: 0.0, within: 0.0, between: 0.0 };
        assert_eq!(spread(&[], 2, &[], REPORT), nothing);
        assert_eq!(spread(&[0.0; 6], 2, &[0, 0, 1], REPORT), nothing);
        assert_eq!(spread(&[3.0; 6], 2, &[0, 0, 1], REPORT), nothing);
    }

    fn hard(margin: f64, distance: Distance) -> Objective {
        Objective::Triplet { mining: Mining::Hard, geometry: Geometry { distance, normalise: false }, margin, mean: Mean::All }
    }

    #[test]
    fn a_collapse_is_one_that_lasts() {
        let (healthy, point) = (Spread { relative: 0.5, within: 0.1, between: 1.0 }, Spread { relative: 1e-6, within: 0.0, between: 0.0 });
        let mut watch = Watch::new(hard(0.4, Distance::Squared));
        let until = |watch: &mut Watch, steps| (0..steps).filter_map(|_| watch.see(point, 0.4)).count();
        assert_eq!(until(&mut watch, PATIENCE - 1), 0);
        assert_eq!(watch.see(healthy, 0.2), None);
        assert_eq!(until(&mut watch, PATIENCE - 1), 0, "a healthy batch begins the count anew");
        assert_eq!(watch.see(point, 0.4), Some(Collapse { reason: Reason::OnePoint, spread: point, steps: PATIENCE }));
        assert_eq!(until(&mut watch, 200), 0, "it is said once");
    }

    #[test]
    fn small_distances_are_a_collapse_only_where_the_loss_stands_at_the_margin() {
        let shrunk = Spread { relative: 0.4, within: 0.001, between: 0.001 };
        let verdict = |objective, loss| {
            let mut watch = Watch::new(objective);
            (0..PATIENCE).find_map(|_| watch.see(shrunk, loss)).map(|collapse| collapse.reason)
        };
        let squared = |margin| hard(margin, Distance::Squared);
        assert_eq!(verdict(squared(0.4), 0.401), Some(Reason::Shrunk));
        assert_eq!(verdict(squared(0.4), 0.3), None);
        assert_eq!(verdict(squared(0.05), 0.05), None, "the margin is small as well");
        assert_eq!(verdict(hard(0.02, Distance::Euclidean), 0.02), Some(Reason::Shrunk), "a twentieth of the margin");
        assert_eq!(verdict(hard(0.005, Distance::Euclidean), 0.005), None, "a fifth of the margin");
        assert_eq!(verdict(Objective::SupervisedContrastive { temperature: 0.1 }, 0.4), None);
    }

    #[test]
    fn remedies_fit_the_objective() {
        let collapse = |reason| Collapse { reason, spread: Spread { relative: 0.0, within: 0.0, between: 0.0 }, steps: PATIENCE };
        let report = Objective::Triplet { mining: Mining::Hard, geometry: REPORT, margin: 0.4, mean: Mean::All };
        assert_eq!(
            collapse(Reason::Shrunk).remedies(&report),
            [Remedy::EasierTriplets, Remedy::StraightDistance, Remedy::LowerLearningRate]
        );
        let all = Objective::Triplet { mining: Mining::All, geometry: REPORT, margin: 0.4, mean: Mean::All };
        assert_eq!(collapse(Reason::OnePoint).remedies(&all), [Remedy::StraightDistance, Remedy::LowerLearningRate]);
        let contrast = Objective::SupervisedContrastive { temperature: 0.1 };
        assert_eq!(collapse(Reason::OnePoint).remedies(&contrast), [Remedy::LowerLearningRate]);
    }
}
