//! The gradient of t-SNE and its divergence for many points: pulls between neighbours alone, pushes from a field.

use rayon::prelude::*;

use super::descent::Objective;
use super::field::Field;
use super::sparse::{ROWS, SparseAffinities};

/// Time grows with the points and with the map's area, memory likewise.
pub(super) struct Approximate {
    affinities: SparseAffinities,
    field: Field,
    pushes: Vec<[f32; 2]>,
}

impl Approximate {
    pub fn new(affinities: SparseAffinities) -> Self {
        let pushes = vec![[0.0; 2]; affinities.count()];
        Self { affinities, field: Field::new(), pushes }
    }
}

impl Objective for Approximate {
    fn gradient(&mut self, places: &[[f32; 2]], exaggeration: f32, gradient: &mut [[f32; 2]]) {
        let normaliser = self.field.pushes(places, &mut self.pushes);
        let scale = if normaliser > 0.0 { (1.0 / normaliser) as f32 } else { 0.0 };
        let affinities = &self.affinities;
        gradient.par_chunks_mut(ROWS).zip(self.pushes.par_chunks(ROWS)).enumerate().for_each(|(chunk, (slopes, pushes))| {
            affinities.pulls(places, chunk * ROWS, slopes);
            for (slope, push) in slopes.iter_mut().zip(pushes) {
                for axis in 0..2 {
                    slope[axis] = 4.0 * (exaggeration * slope[axis] - scale * push[axis]);
                }
            }
        });
    }

    fn divergence(&mut self, places: &[[f32; 2]]) -> f64 {
        let normaliser = self.field.pushes(places, &mut self.pushes);
        (self.affinities.negative_entropy + self.affinities.log_similarities(places) + normaliser.max(f64::MIN_POSITIVE).ln()).max(0.0)
    }
}
