//! What to try next.

use std::collections::HashSet;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Parameters, Space, bayesian};
use crate::error::{AppError, AppResult};

/// How configurations are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// By what a Gaussian process makes of the trials so far.
    Bayesian,
    /// Any untried one, each as likely as the next.
    Random,
    /// One after the other, the last hyperparameter fastest.
    Grid,
}

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The greater ones.
    Maximise,
    /// The lesser ones.
    Minimise,
}

impl Direction {
    /// 1 where greater values are better, -1 where lesser ones are: times this, greater is always better.
    #[must_use]
    pub fn sign(self) -> f64 {
        match self {
            Self::Maximise => 1.0,
            Self::Minimise => -1.0,
        }
    }
}

/// One configuration that was tried, or is being tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The configuration.
    pub parameters: Parameters,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Nothing yet: it runs, or waits for its turn.
    Pending,
    /// The objective's value.
    Value(f64),
    /// It was stopped early, since it did worse than the others had.
    Pruned,
    /// It could not be finished; nothing is known but that.
    Failed,
}

impl Trial {
    /// The objective's value, where there is one and it is a number.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self.outcome {
            Outcome::Value(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }
}

impl Sampler {
    /// `bayesian`, `random` or `grid`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bayesian => "bayesian",
            Self::Random => "random",
            Self::Grid => "grid",
        }
    }

    /// Whether this sampler can search `space`.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for a grid over a dimension that can't be counted.
    pub fn check(self, space: &Space) -> AppResult<()> {
        if self != Self::Grid {
            return Ok(());
        }
        match space.iter().find(|(_, dimension)| dimension.levels().is_none()) {
            Some((name, _)) => Err(AppError::invalid(format!("space.{name}.step"), "a grid needs a step, or choices")),
            None if space.size().is_none() => Err(AppError::invalid("space", "a grid of more than 2^64 configurations can't be searched")),
            None => Ok(()),
        }
    }
}

/// The next configuration to try; `None` once every one of a space that can be counted was.
///
/// Decided by the arguments alone: a study that was stopped and is resumed with the same history is told what it would have
/// been told. `history` holds every trial in the order in which they were proposed, those that still run included;
/// trials of other spaces are passed over. Nothing in the history is proposed again.
#[must_use]
pub fn ask(space: &Space, sampler: Sampler, direction: Direction, seed: u64, history: &[Trial]) -> Option<Parameters> {
    let tried = Tried::new(space, history);
    if space.size() == Some(tried.count()) {
        return None;
    }
    // A stream of its own for each proposal.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let stream = random.random::<u64>().wrapping_add((history.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(stream);
    match sampler {
        Sampler::Grid => tried.nth(0),
        Sampler::Random => tried.any(&mut random),
        Sampler::Bayesian => bayesian::propose(&tried, direction, seed, history, &mut random),
    }
}

/// What was tried of a space.
pub(super) struct Tried<'a> {
    pub(super) space: &'a Space,
    keys: HashSet<String>,
    /// Of a space that can be counted: the indices, ascending.
    indices: Vec<u64>,
}

impl<'a> Tried<'a> {
    fn new(space: &'a Space, history: &[Trial]) -> Self {
        let known = || history.iter().map(|trial| &trial.parameters).filter(|parameters| space.place(parameters).is_some());
        let keys = known().map(|parameters| key(space, parameters)).collect();
        let mut indices: Vec<u64> = known().filter_map(|parameters| space.index(parameters)).collect();
        indices.sort_unstable();
        indices.dedup();
        Self { space, keys, indices }
    }

    fn count(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Whether this configuration was tried.
    pub(super) fn contains(&self, parameters: &Parameters) -> bool {
        self.keys.contains(&key(self.space, parameters))
    }

    /// How many are left of a space that can be counted.
    pub(super) fn left(&self) -> Option<u64> {
        Some(self.space.size()? - self.count())
    }

    /// Number `rank`, from 0, of those that were not tried.
    pub(super) fn nth(&self, rank: u64) -> Option<Parameters> {
        let size = self.space.size()?;
        // Each tried index at or below the wanted one moves it up by one.
        let index = self.indices.iter().fold(rank, |index, &tried| if tried <= index { index + 1 } else { index });
        (index < size).then(|| self.space.at(index))
    }

    /// Any that was not tried.
    pub(super) fn any(&self, random: &mut Xoshiro256PlusPlus) -> Option<Parameters> {
        if let Some(left) = self.left() {
            return if left == 0 { None } else { self.nth(random.random_range(0..left)) };
        }
        // Too many to count, so that hardly one in a million draws was tried before.
        let draw = || self.space.value_at(&(0..self.space.dimensions()).map(|_| random.random::<f64>()).collect::<Vec<_>>());
        std::iter::repeat_with(draw).take(1_000).find(|parameters| !self.contains(parameters))
    }
}

/// The same for the same configuration, however its numbers are written.
fn key(space: &Space, parameters: &Parameters) -> String {
    let canonical = |(name, dimension): (&str, &super::Dimension)| {
        let value = parameters.get(name).cloned().unwrap_or_default();
        dimension.index(&value).map_or_else(|| value.to_string(), |index| index.to_string())
    };
    space.iter().map(canonical).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: &str = r#"{"units":{"type":"integer","min":2,"max":8,"step":3},"rate":{"type":"choice","values":[0.1,0.01]},"name":{"type":"choice","values":["a","b"]}}"#;
    const MIXED: &str = r#"{"units":{"type":"integer","min":1,"max":64,"scale":"log"},"rate":{"type":"float","min":0.0001,"max":0.1,"scale":"log"},"on":{"type":"choice","values":[true,false]}}"#;

    fn space(text: &str) -> Space {
        serde_json::from_str(text).unwrap()
    }

    /// Any objective will do, failures and prunings among it.
    fn outcome(parameters: &Parameters, seed: u64) -> Outcome {
        let hash = parameters.to_string().bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
        match hash % 11 {
            0 => Outcome::Failed,
            1 => Outcome::Pruned,
            2 => Outcome::Value(f64::NAN),
            _ => Outcome::Value((hash % 1000) as f64 / 1000.0),
        }
    }

    fn run(space: &Space, sampler: Sampler, seed: u64, trials: usize, mut history: Vec<Trial>) -> Vec<Trial> {
        while history.len() < trials {
            let Some(parameters) = ask(space, sampler, Direction::Maximise, seed, &history) else { break };
            let outcome = outcome(&parameters, seed);
            history.push(Trial { parameters, outcome });
        }
        history
    }

    #[test]
    fn a_grid_runs_through_the_space_in_order() {
        let space = space(SMALL);
        let history = run(&space, Sampler::Grid, 0, 99, Vec::new());
        let said: Vec<String> = history.iter().map(|trial| trial.parameters.to_string()).collect();
        assert_eq!(said.len(), 12);
        assert_eq!(said[..3], ["units=2 rate=0.1 name=a", "units=2 rate=0.1 name=b", "units=2 rate=0.01 name=a"]);
        assert_eq!(said[11], "units=8 rate=0.01 name=b");
    }

    #[test]
    fn a_grid_needs_levels() {
        assert!(Sampler::Grid.check(&space(SMALL)).is_ok());
        assert!(Sampler::Random.check(&space(MIXED)).is_ok());
        assert!(Sampler::Grid.check(&space(MIXED)).unwrap_err().to_string().starts_with("space.rate.step: "));
    }

    #[test]
    fn random_configurations_are_equally_likely() {
        let space = space(SMALL);
        let mut counts = [0_u32; 12];
        for seed in 0..6_000 {
            counts[space.index(&ask(&space, Sampler::Random, Direction::Maximise, seed, &[]).unwrap()).unwrap() as usize] += 1;
        }
        // 500 expected, with a standard deviation of 21.
        assert!(counts.iter().all(|&count| (400..600).contains(&count)), "{counts:?}");
    }

    #[test]
    fn trials_at_once_are_kept_apart() {
        let space = space(r#"{"a":{"type":"integer","min":0,"max":100}}"#);
        let known = [(0, 0.5), (20, 0.2), (60, 0.6), (100, 0.3)];
        let trial = |(a, value): (i64, f64)| Trial {
            parameters: [("a".to_owned(), a.into())].into_iter().collect(),
            outcome: Outcome::Value(value),
        };
        let mut history: Vec<Trial> = known.map(trial).into();
        for _ in 0..3 {
            let parameters = ask(&space, Sampler::Bayesian, Direction::Maximise, 0, &history).unwrap();
            history.push(Trial { parameters, outcome: Outcome::Pending });
        }
        let mut asked: Vec<i64> = history[4..].iter().map(|trial| trial.parameters.get("a").unwrap().as_i64().unwrap()).collect();
        asked.sort_unstable();
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= 5), "three at the same place tell no more than one: {asked:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn nothing_is_tried_twice_until_all_was_tried(seed in any::<u64>(), which in 0..3_usize) {
            let space = space(SMALL);
            let sampler = [Sampler::Bayesian, Sampler::Random, Sampler::Grid][which];
            let history = run(&space, sampler, seed, 99, Vec::new());
            let mut indices: Vec<u64> = history.iter().map(|trial| space.index(&trial.parameters).unwrap()).collect();
            indices.sort_unstable();
            prop_assert_eq!(indices, (0..12).collect::<Vec<u64>>());
        }

        #[test]
        fn every_value_is_one_of_the_space(seed in any::<u64>(), bayesian in any::<bool>()) {
            let space = space(MIXED);
            let history = run(&space, if bayesian { Sampler::Bayesian } else { Sampler::Random }, seed, 8, Vec::new());
            prop_assert_eq!(history.len(), 8);
            for trial in &history {
                prop_assert!(space.iter().all(|(name, dimension)| dimension.contains(trial.parameters.get(name).unwrap())), "{}", trial.parameters);
                prop_assert!(space.place(&trial.parameters).unwrap().iter().all(|place| (0.0..=1.0).contains(place)));
            }
        }

        #[test]
        fn a_study_cut_anywhere_and_read_from_a_file_goes_on_as_it_would_have(seed in any::<u64>(), cut in 0..9_usize, small in any::<bool>()) {
            let space = space(if small { SMALL } else { MIXED });
            let whole = run(&space, Sampler::Bayesian, seed, 9, Vec::new());
            let read = |trial: &Trial| Trial { parameters: serde_json::from_str(&serde_json::to_string(&trial.parameters).unwrap()).unwrap(), outcome: trial.outcome };
            let resumed = run(&space, Sampler::Bayesian, seed, 9, whole[..cut].iter().map(read).collect());
            prop_assert_eq!(whole.iter().map(|trial| trial.parameters.to_string()).collect::<Vec<_>>(), resumed.iter().map(|trial| trial.parameters.to_string()).collect::<Vec<_>>());
        }
    }
}
