//! Bayesian optimisation: a few well-spread configurations first, then those of which a Gaussian process expects the most improvement.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Direction, Outcome, Parameters, Space, Trial,
    process::{Expected, Observations, Process},
    sampler::Tried,
};

/// The next configuration; see [`super::ask`].
pub(super) fn propose(
    tried: &Tried,
    direction: Direction,
    seed: u64,
    history: &[Trial],
    random: &mut Xoshiro256PlusPlus,
) -> Option<Parameters> {
    let Evidence { observations, pending } = Evidence::new(tried.space, direction, history);
    // As many as the dimensions and two: on tables of many shapes neither more nor fewer did better after 12 trials.
    if history.len() < tried.space.dimensions() + 2 || observations.values.is_empty() {
        return spread(tried, seed, history.len()).or_else(|| tried.any(random));
    }
    let mut best = observations.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut process = Process::new(&observations, random);
    if !pending.is_empty() {
        // What is believed of those that run is not to be gained a second time.
        best = process.summary(&pending).into_iter().map(|(mean, _)| mean).fold(best, f64::max);
        process = process.believing(&pending);
    }
    let mut candidates = Candidates { tried, process: &process, best };
    let first = match tried.left() {
        Some(left) if left <= CANDIDATES => candidates.weigh((0..left).filter_map(|rank| tried.nth(rank))),
        _ => candidates.search(history, random),
    };
    first.into_iter().next().map(|candidate| candidate.parameters).or_else(|| tried.any(random))
}

/// Every untried configuration is weighed when no more than this many are left; else as many are drawn, and the best are improved.
const CANDIDATES: u64 = 4096;
/// How many of the drawn ones are improved, and in how many rounds at most.
const IMPROVED: usize = 8;
const ROUNDS: usize = 24;
/// Steps to a configuration's neighbours, as shares of the way through a dimension.
const STEPS: [f64; 4] = [0.2, 0.05, 0.0125, 0.003];
/// Values that the process learns from at most: half of them the best, half the latest. Its time grows with their cube.
const OBSERVATIONS: usize = 256;

/// Number `count` of a sequence that fills the cube evenly, from the first one on that was not tried.
///
/// Source: Roberts 2018, The unreasonable effectiveness of quasirandom sequences: multiples of powers of the generalised golden
/// ratio, moved by a random shift (Cranley and Patterson 1976).
fn spread(tried: &Tried, seed: u64, count: usize) -> Option<Parameters> {
    let dimensions = tried.space.dimensions();
    // The root of x^(d+1) = x + 1, to which the iteration contracts.
    let ratio = (0..64).fold(2.0_f64, |ratio, _| (1.0 + ratio).powf(1.0 / (dimensions as f64 + 1.0)));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let shifts: Vec<f64> = (0..dimensions).map(|_| random.random::<f64>()).collect();
    let point = |number: usize| {
        let share = |(axis, shift): (usize, &f64)| (shift + number as f64 * ratio.powi(-(axis as i32) - 1)).fract();
        tried.space.value_at(&shifts.iter().enumerate().map(share).collect::<Vec<_>>())
    };
    (count..count + 200).map(point).find(|parameters| !tried.contains(parameters))
}

/// What the trials so far tell: greater values are better.
struct Evidence {
    observations: Observations,
    /// Places of which nothing is known yet.
    pending: Vec<Vec<f64>>,
}

impl Evidence {
    fn new(space: &Space, direction: Direction, history: &[Trial]) -> Self {
        let sign = direction.sign();
        let mut sorted: Vec<f64> = history.iter().filter_map(super::sampler::Trial::value).map(|value| sign * value).collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |share: f64| sorted.get((share * (sorted.len().max(1) - 1) as f64) as usize).copied();
        // How bad the bad ones are tells nothing of the good ones, and would flatten them: a training that diverged has an accuracy of .1.
        let floor = match (quantile(0.5), quantile(1.0)) {
            (Some(median), Some(best)) if best > median => median - 3.0 * (best - median),
            _ => f64::NEG_INFINITY,
        };
        let mut known: Vec<(Vec<f64>, f64)> = Vec::new();
        let mut pending = Vec::new();
        for trial in history {
            let Some(place) = space.place(&trial.parameters) else { continue };
            let value = match trial.outcome {
                Outcome::Value(_) => trial.value().map(|value| sign * value).or(quantile(0.0)),
                // It did worse than the median; a failure is as bad as the worst.
                Outcome::Pruned => quantile(0.25),
                Outcome::Failed => quantile(0.0),
                Outcome::Pending => None,
            };
            match value {
                Some(value) => known.push((place, value.max(floor))),
                None => pending.push(place),
            }
        }
        if known.len() > OBSERVATIONS {
            let mut early: Vec<_> = known.drain(..known.len() - OBSERVATIONS / 2).collect();
            early.sort_by(|one, other| other.1.total_cmp(&one.1));
            known.extend(early.into_iter().take(OBSERVATIONS / 2));
        }
        let (places, values) = known.into_iter().unzip();
        Self { observations: Observations { places, values, ordered: space.ordered() }, pending }
    }
}

/// Untried configurations, and what would be gained by each.
struct Candidates<'a> {
    tried: &'a Tried<'a>,
    process: &'a Process,
    best: f64,
}

#[derive(Clone)]
struct Candidate {
    parameters: Parameters,
    gain: f64,
}

impl Candidates<'_> {
    /// Weighs configurations; the one of the greatest gain comes first, the earlier one of equals.
    fn weigh(&self, configurations: impl Iterator<Item = Parameters>) -> Vec<Candidate> {
        let placed = configurations.filter_map(|parameters| Some((self.tried.space.place(&parameters)?, parameters)));
        let (places, configurations): (Vec<Vec<f64>>, Vec<Parameters>) = placed.unzip();
        let mut candidates: Vec<Candidate> = configurations.into_iter().map(|parameters| Candidate { parameters, gain: 0.0 }).collect();
        for draw in self.process.expect(&places) {
            candidates.iter_mut().zip(draw).for_each(|(candidate, expected)| candidate.gain += improvement(expected, self.best));
        }
        candidates.sort_by(|one, other| other.gain.total_cmp(&one.gain));
        candidates
    }

    /// Looks for the best of more than can all be weighed: draws, then climbs from the best drawn and from the best trials.
    fn search(&mut self, history: &[Trial], random: &mut Xoshiro256PlusPlus) -> Vec<Candidate> {
        let drawn: Vec<Parameters> = (0..CANDIDATES).filter_map(|_| self.tried.any(random)).collect();
        let tried = history.iter().filter(|trial| trial.value().is_some_and(f64::is_finite)).map(|trial| &trial.parameters);
        let near: Vec<Parameters> = tried.flat_map(|parameters| self.neighbours(parameters, random)).collect();
        let mut climbing = self.weigh(drawn.into_iter().chain(near));
        climbing.truncate(IMPROVED);
        for _ in 0..ROUNDS {
            let before = climbing.first().map(|candidate| candidate.gain);
            let near: Vec<Parameters> = climbing.iter().flat_map(|candidate| self.neighbours(&candidate.parameters, random)).collect();
            climbing.extend(self.weigh(near.into_iter()));
            climbing.sort_by(|one, other| other.gain.total_cmp(&one.gain));
            climbing.dedup_by(|one, other| one.parameters == other.parameters);
            climbing.truncate(IMPROVED);
            if climbing.first().map(|candidate| candidate.gain) == before {
                break;
            }
        }
        climbing
    }

    /// Untried configurations that differ in one dimension, by a large or a small step.
    fn neighbours(&self, parameters: &Parameters, random: &mut Xoshiro256PlusPlus) -> Vec<Parameters> {
        let space = self.tried.space;
        let mut found = Vec::new();
        for (name, dimension) in space.iter() {
            let Some(share) = parameters.get(name).and_then(|value| dimension.share(value)) else { continue };
            for step in STEPS {
                let step = dimension.levels().map_or(step, |levels| step.max(1.0 / levels as f64));
                for moved in [share - step, share + step] {
                    // Where there is no order nothing is near: any other choice will do.
                    let moved = if dimension.order().is_some() { moved } else { random.random() };
                    let value = dimension.value_at(moved);
                    let changed = |(other, old): (&str, &serde_json::Value)| {
                        (other.to_owned(), if other == name { value.clone() } else { old.clone() })
                    };
                    found.push(parameters.iter().map(changed).collect());
                }
            }
        }
        found.retain(|neighbour| !self.tried.contains(neighbour));
        found
    }
}

/// By how much a value is expected to be better than `best`, where values no better count as nothing (Jones et al. 1998, eq. 15).
///
/// Noise counts in: the best trial is the one with the best value, noise and all.
fn improvement(expected: Expected, best: f64) -> f64 {
    let deviation = (expected.variance + expected.noise).sqrt();
    let gain = expected.mean - best;
    let z = gain / deviation;
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let distribution = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    (gain * distribution + deviation * density).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::{Sampler, ask};

    #[test]
    fn improvement_is_the_mean_of_what_exceeds_the_best() {
        let expected = |mean, variance, noise| improvement(Expected { mean, variance, noise }, 1.0);
        // At the best itself: deviation / sqrt(2 pi).
        assert!((expected(1.0, 3.0, 1.0) - 2.0 * 0.398_942_28).abs() < 1e-8);
        // One deviation above: 1 Phi(1) + phi(1) = 0.841345 + 0.241971.
        assert!((expected(2.0, 0.5, 0.5) - 1.083_316).abs() < 1e-5);
        // Sure of it, and sure of none.
        assert!((expected(1.5, 1e-12, 0.0) - 0.5).abs() < 1e-9);
        assert!(expected(0.0, 1e-12, 0.0).abs() < 1e-12);
    }

    fn space(text: &str) -> Space {
        serde_json::from_str(text).unwrap()
    }

    fn study(space: &Space, direction: Direction, seed: u64, trials: usize, objective: impl Fn(&Parameters) -> f64) -> Vec<Trial> {
        let mut history: Vec<Trial> = Vec::new();
        for _ in 0..trials {
            let Some(parameters) = ask(space, Sampler::Bayesian, direction, seed, &history) else { break };
            let outcome = Outcome::Value(objective(&parameters));
            history.push(Trial { parameters, outcome });
        }
        history
    }

    fn number(parameters: &Parameters, name: &str) -> f64 {
        parameters.get(name).unwrap().as_f64().unwrap()
    }

    #[test]
    fn a_smooth_hill_on_a_grid_is_climbed_in_fifteen_trials() {
        let space = space(
            r#"{"a":{"type":"integer","min":0,"max":40},"b":{"type":"choice","values":[0.0001,0.001,0.01,0.1]},"c":{"type":"choice","values":["x","y"]}}"#,
        );
        let objective = |parameters: &Parameters| {
            let (a, b) = (number(parameters, "a"), number(parameters, "b").log10());
            -((a - 23.0) / 40.0).powi(2) - ((b + 2.0) / 3.0).powi(2) - if parameters.get("c").unwrap() == "x" { 0.0 } else { 0.2 }
        };
        for (seed, direction) in [(0, Direction::Maximise), (1, Direction::Minimise), (2, Direction::Maximise)] {
            let history = study(&space, direction, seed, 15, |parameters| direction.sign() * objective(parameters));
            let best = history.iter().filter_map(Trial::value).map(|value| direction.sign() * value).fold(f64::NEG_INFINITY, f64::max);
            // Of 328 configurations 4 are within a step of the best: 0.000625 below 0 at most.
            assert!(best > -0.000_626, "seed {seed}: {best}");
        }
    }

    #[test]
    fn a_space_that_cannot_be_counted_is_searched_between_the_draws() {
        let space = space(
            r#"{"a":{"type":"float","min":0,"max":1},"b":{"type":"float","min":0.0001,"max":1,"scale":"log"},"c":{"type":"choice","values":["x","y","z"]}}"#,
        );
        let objective = |parameters: &Parameters| {
            let (a, b) = (number(parameters, "a"), number(parameters, "b").log10());
            (a - 0.3).powi(2) + ((b + 2.5) / 4.0).powi(2) + if parameters.get("c").unwrap() == "y" { 0.0 } else { 0.3 }
        };
        let history = study(&space, Direction::Minimise, 5, 30, objective);
        let best = history.iter().filter_map(Trial::value).fold(f64::INFINITY, f64::min);
        assert!(best < 0.002, "{best}");
    }

    #[test]
    fn one_hopeless_trial_does_not_hide_the_hill() {
        let space = space(r#"{"a":{"type":"integer","min":0,"max":60}}"#);
        let objective =
            |parameters: &Parameters| if number(parameters, "a") < 6.0 { -1e6 } else { -(number(parameters, "a") - 44.0).abs() / 60.0 };
        let best = study(&space, Direction::Maximise, 3, 12, objective).iter().filter_map(Trial::value).fold(f64::NEG_INFINITY, f64::max);
        assert!(best > -0.02, "{best}");
    }
}
