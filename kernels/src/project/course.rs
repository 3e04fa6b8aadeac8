//! Courses of descent: how a map unfolds from its start to its end, and which of several goes on.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;

use super::ProjectError;
use super::descent::{Descent, Objective, Pace};
use super::tsne::{Phase, Progress, Stop, Tsne, TsneOptions};

/// What the affinities are multiplied by at first, so that clusters find each other.
const EXAGGERATION: f32 = 12.0;
/// How often the divergence is computed.
const CHECK_EVERY: usize = 50;
/// The descent ends when the divergence has not fallen by a thousandth in so many iterations.
const PATIENCE: usize = 100;
const PROGRESS: f64 = 1e-3;
/// Or when the gradient is shorter than this.
const MINIMUM_GRADIENT: f64 = 1e-7;

/// Takes all courses through their trial, and the best of them to its end.
pub(super) fn descend<O: Objective + Send>(
    mut courses: Vec<Course<O>>,
    schedule: Schedule,
    perplexity: f64,
    options: &TsneOptions,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Tsne, ProjectError> {
    let mut iteration = 0;
    loop {
        let after = |every: usize| (iteration / every + 1) * every;
        let events = [after(options.snapshot_every), after(CHECK_EVERY), schedule.trial, schedule.exaggerated, options.iterations];
        let next = events.into_iter().filter(|&event| event > iteration).min().unwrap_or(options.iterations);
        courses.par_iter_mut().for_each(|course| course.advance(iteration..next, &schedule, options.iterations));
        iteration = next;
        // The first of equals, so that the number of threads does not show.
        courses.sort_by(|one, other| one.kl_divergence.total_cmp(&other.kl_divergence));
        if iteration >= schedule.trial || iteration == options.iterations {
            courses.truncate(1);
        }
        let best = &courses[0];
        if let (1, Some(stop)) = (courses.len(), best.stop) {
            let coordinates = best.descent.centred();
            return Ok(Tsne { coordinates, perplexity, kl_divergence: best.kl_divergence, iterations: iteration, stop });
        }
        if iteration.is_multiple_of(options.snapshot_every) {
            let progress = Progress {
                phase: Phase::Descent,
                share: iteration as f64 / options.iterations as f64,
                iteration,
                iterations: options.iterations,
                kl_divergence: Some(best.kl_divergence).filter(|divergence| divergence.is_finite()),
                coordinates: &best.descent.centred(),
            };
            if observe(progress).is_break() {
                return Err(ProjectError::Cancelled);
            }
        }
    }
}

/// How a map is unfolded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Iterations with the affinities exaggerated, in which clusters find each other.
    exaggerated: usize,
    /// Iterations after which the best of several courses goes on alone.
    pub trial: usize,
    /// In both phases, for a gradient that has its factor 4.
    learning_rates: [f32; 2],
    momenta: [f32; 2],
}

impl Schedule {
    /// For few points. Chosen so that the best of four starts is known soon: on 512 digits such a map's divergence is below that of a
    /// descent of 1,000 iterations from one start.
    pub fn of_few(count: usize) -> Self {
        let count = count as f32;
        Self {
            exaggerated: 50,
            trial: 100,
            learning_rates: [(count / EXAGGERATION / 4.0).max(50.0), (count / 12.0).max(50.0)],
            momenta: [0.5, 0.8],
        }
    }

    /// For many: the more points, the longer clusters need to find each other.
    pub fn of_many(count: usize) -> Self {
        let rate = count as f32 / 4.0;
        Self { exaggerated: (count / 64).clamp(100, 250), trial: 0, learning_rates: [rate / EXAGGERATION, rate], momenta: [0.8; 2] }
    }
}

/// One descent and how far it has come.
pub(super) struct Course<O> {
    objective: O,
    descent: Descent,
    pub kl_divergence: f64,
    /// The lowest divergence so far, and when it was reached.
    lowest: (f64, usize),
    stop: Option<Stop>,
}

impl<O: Objective> Course<O> {
    pub fn new(start: Vec<[f32; 2]>, objective: O) -> Self {
        Self { objective, descent: Descent::new(start), kl_divergence: f64::INFINITY, lowest: (f64::INFINITY, 0), stop: None }
    }

    /// Goes on to the next event.
    pub fn advance(&mut self, iterations: Range<usize>, schedule: &Schedule, last: usize) {
        if self.stop.is_some() {
            return;
        }
        let now = iterations.end;
        for iteration in iterations {
            let phase = usize::from(iteration >= schedule.exaggerated);
            if iteration == schedule.exaggerated {
                self.descent.restart();
            }
            let pace = Pace {
                exaggeration: [EXAGGERATION, 1.0][phase],
                momentum: schedule.momenta[phase],
                learning_rate: schedule.learning_rates[phase],
            };
            self.descent.step(&mut self.objective, pace);
        }
        if !(now.is_multiple_of(CHECK_EVERY) || now == schedule.trial || now == last) {
            return;
        }
        self.kl_divergence = self.objective.divergence(&self.descent.places);
        if now == last {
            self.stop = Some(Stop::Iterations);
        } else if now <= schedule.exaggerated {
            // It is not the divergence that falls while the affinities are exaggerated.
        } else if self.descent.slope() <= MINIMUM_GRADIENT {
            self.stop = Some(Stop::Gradient);
        } else if self.kl_divergence < self.lowest.0 * (1.0 - PROGRESS) {
            self.lowest = (self.kl_divergence, now);
        } else if now - self.lowest.1 >= PATIENCE {
            self.stop = Some(Stop::NoProgress);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pulls evenly, and remembers where it was asked and with which exaggeration.
    #[derive(Default)]
    struct Even(Vec<(f32, f32)>);

    impl Objective for Even {
        fn gradient(&mut self, places: &[[f32; 2]], exaggeration: f32, gradient: &mut [[f32; 2]]) {
            self.0.push((places[0][0], exaggeration));
            gradient.fill([1e-3, 0.0]);
        }

        fn divergence(&mut self, _: &[[f32; 2]]) -> f64 {
            1.0
        }
    }

    #[test]
    fn affinities_are_exaggerated_first_and_the_second_phase_is_a_descent_of_its_own() {
        for schedule in [Schedule::of_few(400), Schedule::of_many(9_600)] {
            let first = schedule.exaggerated;
            let mut course = Course::new(vec![[0.0; 2]], Even::default());
            course.advance(0..first + 2, &schedule, 1_000);
            let told = &course.objective.0;
            assert!(told[..first].iter().all(|(_, exaggeration)| *exaggeration == EXAGGERATION));
            assert!(told[first..].iter().all(|(_, exaggeration)| *exaggeration == 1.0));
            // From rest, with the first gain: 1, lowered by a slope that does not change its sign.
            let step = told[first + 1].0 - told[first].0;
            assert!((step + schedule.learning_rates[1] * 0.8 * 1e-3).abs() < 1e-3, "{step}");
            assert!((told[first].0 - told[first - 1].0).abs() > 1e-5, "it was moving before");
        }
    }
}
