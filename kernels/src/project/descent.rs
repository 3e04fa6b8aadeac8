//! The descent to a map along the gradient of its divergence.

use rayon::prelude::*;

/// What the descent makes small.
pub(super) trait Objective {
    /// Gradient of the KL divergence with the affinities multiplied by `exaggeration`, `[count]` of (x, y), into `gradient`.
    ///
    /// Source: van der Maaten 2014, eq. 8: 4 (attraction - repulsion / Z).
    fn gradient(&mut self, places: &[[f32; 2]], exaggeration: f32, gradient: &mut [[f32; 2]]);

    /// KL divergence of the map's similarities from the affinities, in nats.
    fn divergence(&mut self, places: &[[f32; 2]]) -> f64;
}

/// Points a thread takes at a time.
const POINTS: usize = 4_096;
/// No point moves farther in one step, so that a learning rate as great as this one's throws none out.
const LONGEST_STEP: f32 = 5.0;

/// Gradient descent with momentum and gains (Jacobs 1988).
#[derive(Clone)]
pub(super) struct Descent {
    pub places: Vec<[f32; 2]>,
    gradient: Vec<[f32; 2]>,
    velocity: Vec<[f32; 2]>,
    gains: Vec<[f32; 2]>,
}

/// How a step is taken.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub exaggeration: f32,
    pub momentum: f32,
    pub learning_rate: f32,
}

impl Descent {
    pub fn new(start: Vec<[f32; 2]>) -> Self {
        let count = start.len();
        Self { places: start, gradient: vec![[0.0; 2]; count], velocity: vec![[0.0; 2]; count], gains: vec![[1.0; 2]; count] }
    }

    /// Forgets momentum and gains: the second phase is a descent of its own.
    pub fn restart(&mut self) {
        self.velocity.fill([0.0; 2]);
        self.gains.fill([1.0; 2]);
    }

    pub fn step(&mut self, objective: &mut impl Objective, pace: Pace) {
        objective.gradient(&self.places, pace.exaggeration, &mut self.gradient);
        let parts = self.places.par_chunks_mut(POINTS).zip(self.gradient.par_chunks(POINTS));
        let parts = parts.zip(self.velocity.par_chunks_mut(POINTS)).zip(self.gains.par_chunks_mut(POINTS));
        parts.for_each(|(((places, slopes), velocities), gains)| {
            for (((place, slope), velocity), gain) in places.iter_mut().zip(slopes).zip(velocities).zip(gains) {
                for axis in 0..2 {
                    let (slope, velocity, gain) = (slope[axis], &mut velocity[axis], &mut gain[axis]);
                    *gain = if *velocity * slope < 0.0 { *gain + 0.2 } else { (*gain * 0.8).max(0.01) };
                    *velocity = pace.momentum * *velocity - pace.learning_rate * *gain * slope;
                }
                let length = velocity[0].hypot(velocity[1]);
                if length > LONGEST_STEP {
                    velocity.iter_mut().for_each(|part| *part *= LONGEST_STEP / length);
                }
                place.iter_mut().zip(velocity).for_each(|(place, step)| *place += *step);
            }
        });
    }

    /// Length of the gradient of the last step.
    pub fn slope(&self) -> f64 {
        self.gradient.iter().flatten().map(|&slope| f64::from(slope) * f64::from(slope)).sum::<f64>().sqrt()
    }

    /// The places about their mean.
    pub fn centred(&self) -> Vec<[f32; 2]> {
        let count = self.places.len() as f64;
        let mean = [0, 1].map(|axis| self.places.iter().map(|place| f64::from(place[axis])).sum::<f64>() / count);
        self.places.iter().map(|place| [0, 1].map(|axis| (f64::from(place[axis]) - mean[axis]) as f32)).collect()
    }
}
