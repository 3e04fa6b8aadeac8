//! What a network with embeddings is trained to: one loss of those that there are.

use super::{
    Batch, Embeddings, Geometry, Mean, Mining, Step, TripletError,
    contrast::{MultiSimilarity, multi_similarity, supervised_contrastive},
    losses::{batch_all, triplet_margin},
};

/// A loss of a batch of embeddings with labels.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Objective {
    /// The triplet loss over mined triplets.
    Triplet {
        /// Which triplets.
        mining: Mining,
        /// How distances are measured.
        geometry: Geometry,
        /// In the units of the distance.
        margin: f64,
        /// Over what it is averaged.
        mean: Mean,
    },
    /// See [`multi_similarity`].
    MultiSimilarity(MultiSimilarity),
    /// See [`supervised_contrastive`].
    SupervisedContrastive {
        /// What similarities are divided by.
        temperature: f64,
    },
}

impl Objective {
    /// The loss of a batch and its gradient. `values`: `[count, dimension]`; `labels`: `[count]`; `seed` decides what is drawn.
    ///
    /// # Errors
    /// [`TripletError`] of what cannot be learnt from and of settings out of range.
    pub fn step(&self, values: &[f32], dimension: usize, labels: &[u8], seed: u64) -> Result<Step, TripletError> {
        match *self {
            Self::Triplet { mining, geometry, margin, mean } => {
                let batch = Batch::new(Embeddings::new(values, dimension, geometry)?, labels)?;
                match mining {
                    Mining::All => batch_all(&batch, margin, mean),
                    mining => triplet_margin(batch.embeddings(), &mining.triplets(&batch, margin, seed), margin, mean),
                }
            }
            Self::MultiSimilarity(settings) => multi_similarity(values, dimension, labels, settings),
            Self::SupervisedContrastive { temperature } => supervised_contrastive(values, dimension, labels, temperature),
        }
    }

    /// The geometry that its distances, or similarities, are measured in.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        match *self {
            Self::Triplet { geometry, .. } => geometry,
            _ => Geometry { distance: super::Distance::Squared, normalise: true },
        }
    }

    /// The margin of a triplet loss.
    #[must_use]
    pub fn margin(&self) -> Option<f64> {
        match *self {
            Self::Triplet { margin, .. } => Some(margin),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn every() -> Vec<Objective> {
        let minings = [Mining::All, Mining::Hard, Mining::SemiHard, Mining::DistanceWeighted, Mining::Random];
        let triplets = minings.into_iter().flat_map(|mining| {
            testing::GEOMETRIES
                .into_iter()
                .flat_map(move |geometry| [Mean::All, Mean::Active].map(|mean| Objective::Triplet { mining, geometry, margin: 0.4, mean }))
        });
        let contrasts = [Objective::MultiSimilarity(MultiSimilarity::default()), Objective::SupervisedContrastive { temperature: 0.1 }];
        triplets.chain(contrasts).collect()
    }

    #[test]
    fn small_steps_against_the_gradient_lower_every_loss() {
        let (start, labels) = testing::batch(40, 8, 4, 6);
        for objective in every() {
            let step = objective.step(&start, 8, &labels, 5).unwrap();
            assert!(step.loss > 0.0 && step.active > 0 && step.active <= step.terms, "{objective:?}");
            let length = step.gradient.iter().map(|slope| slope * slope).sum::<f32>().sqrt();
            let moved: Vec<f32> = start.iter().zip(&step.gradient).map(|(value, slope)| value - 0.001 * slope / length).collect();
            // Which triplets are semi-hard, or drawn by distance, changes with the step.
            if !matches!(objective, Objective::Triplet { mining: Mining::SemiHard | Mining::DistanceWeighted, .. }) {
                assert!(objective.step(&moved, 8, &labels, 5).unwrap().loss < step.loss, "{objective:?}");
            }
        }
    }

    #[test]
    fn an_objective_is_read_as_it_is_written() {
        for objective in every() {
            let text = serde_json::to_string(&objective).unwrap();
            assert_eq!(serde_json::from_str::<Objective>(&text).unwrap(), objective);
        }
    }

    #[test]
    fn no_batch_makes_a_step_panic() {
        let values = [f32::NAN, f32::INFINITY, 0.0, 1e38, -1e38, 1e-45, 1.0];
        for objective in every() {
            for (first, second) in values.iter().flat_map(|first| values.map(|second| (*first, second))) {
                let batch = [first, second, first, second, 1.0, 0.0];
                for labels in [&[0, 0, 1][..], &[0, 0, 0], &[0, 1, 2], &[0, 1], &[]] {
                    if let Ok(step) = objective.step(&batch, 2, labels, 0) {
                        assert!(step.loss.is_finite() && step.gradient.iter().all(|slope| slope.is_finite()));
                        assert!(first.is_finite() && second.is_finite() && labels == [0, 0, 1]);
                    }
                }
            }
            assert!(objective.step(&[], 2, &[], 0).is_err() && objective.step(&[], 0, &[], 0).is_err());
        }
    }
}
