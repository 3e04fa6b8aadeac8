//! What a study's trials say of the whole space, and which hyperparameters matter.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Parameters, Space, Trial,
    process::{Observations, Process},
};

/// The objective over a whole space, as a Gaussian process has learnt it from the trials.
#[derive(Debug, Clone)]
pub struct Surrogate<'a> {
    space: &'a Space,
    process: Process,
}

/// How much of the objective's variation over the space is due to one hyperparameter: Sobol' indices, from 0 to 1.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Importance {
    /// The hyperparameter.
    pub name: String,
    /// By itself, whatever the others are.
    pub main: f64,
    /// With all that it does together with others; at least `main`.
    pub total: f64,
}

/// Fewer values say too little.
const LEAST: usize = 4;
/// The latest so many are learnt from: a page waits for it, and the time grows with their cube.
const MOST: usize = 128;
/// Spaces no larger are weighed whole; of larger ones this many pairs of configurations are drawn.
const WHOLE: u64 = 4096;
const DRAWN: usize = 2048;

impl<'a> Surrogate<'a> {
    /// Learns from the trials that have a value; `None` when fewer than four have.
    #[must_use]
    pub fn learn(space: &'a Space, history: &[Trial]) -> Option<Self> {
        let known = history.iter().filter_map(|trial| Some((space.place(&trial.parameters)?, trial.value()?)));
        let (mut places, mut values): (Vec<Vec<f64>>, Vec<f64>) = known.unzip();
        if values.len() < LEAST {
            return None;
        }
        let early = values.len().saturating_sub(MOST);
        places.drain(..early);
        values.drain(..early);
        let observations = Observations { places, values, ordered: space.ordered() };
        Some(Self { space, process: Process::new(&observations, &mut Xoshiro256PlusPlus::seed_from_u64(0)) })
    }

    /// Mean and standard deviation of the objective at each configuration, noise left out; those of other spaces are `None`.
    #[must_use]
    pub fn expect(&self, configurations: &[Parameters]) -> Vec<Option<(f64, f64)>> {
        let places: Vec<Option<Vec<f64>>> = configurations.iter().map(|parameters| self.space.place(parameters)).collect();
        let known: Vec<Vec<f64>> = places.iter().flatten().cloned().collect();
        let mut answers = self.process.summary(&known).into_iter();
        places.iter().map(|place| place.as_ref().and_then(|_| answers.next())).collect()
    }

    /// How much each hyperparameter matters, in the order of the space.
    ///
    /// Source: functional analysis of variance, as Hutter et al. 2014 do it on a random forest, here on the process's mean. Every
    /// value of a dimension weighs the same.
    #[must_use]
    pub fn importance(&self) -> Vec<Importance> {
        let mean = |configurations: &[Parameters]| {
            self.expect(configurations).into_iter().map(|answer| answer.map_or(0.0, |(mean, _)| mean)).collect()
        };
        decompose(self.space, mean)
    }
}

fn decompose(space: &Space, mean: impl Fn(&[Parameters]) -> Vec<f64>) -> Vec<Importance> {
    let shares = match space.size() {
        Some(size) if size <= WHOLE => decompose_whole(space, &mean((0..size).map(|index| space.at(index)).collect::<Vec<_>>().as_slice())),
        _ => decompose_drawn(space, &mean),
    };
    let named = |((name, _), (main, total)): ((&str, _), (f64, f64))| {
        let main = main.clamp(0.0, 1.0);
        Importance { name: name.to_owned(), main, total: total.clamp(main, 1.0) }
    };
    space.iter().zip(shares).map(named).collect()
}

/// Main and total effects from the values at every configuration, in the order of their indices.
fn decompose_whole(space: &Space, values: &[f64]) -> Vec<(f64, f64)> {
    let whole = variance(values);
    let levels: Vec<usize> = space.iter().map(|(_, dimension)| dimension.levels().unwrap_or(1) as usize).collect();
    (0..levels.len())
        .map(|axis| {
            let stride: usize = levels[axis + 1..].iter().product();
            // Means over all but this dimension, and over this dimension alone.
            let mut along = vec![0.0; levels[axis]];
            let mut across = vec![0.0; values.len() / levels[axis]];
            for (index, value) in values.iter().enumerate() {
                along[index / stride % levels[axis]] += value * levels[axis] as f64 / values.len() as f64;
                across[index / (stride * levels[axis]) * stride + index % stride] += value / levels[axis] as f64;
            }
            if whole > 0.0 { (variance(&along) / whole, 1.0 - variance(&across) / whole) } else { (0.0, 0.0) }
        })
        .collect()
}

/// The same from pairs of configurations of which one has a single value of the other (Jansen 1999; Saltelli et al. 2010, table 2).
fn decompose_drawn(space: &Space, mean: &impl Fn(&[Parameters]) -> Vec<f64>) -> Vec<(f64, f64)> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(0);
    let mut draw = || -> Vec<Vec<f64>> { (0..DRAWN).map(|_| (0..space.dimensions()).map(|_| random.random()).collect()).collect() };
    let (one, other) = (draw(), draw());
    let values = |points: &[Vec<f64>]| mean(&points.iter().map(|point| space.value_at(point)).collect::<Vec<_>>());
    let (first, second) = (values(&one), values(&other));
    let whole = variance(&[first.as_slice(), &second].concat());
    let half_square =
        |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(left, right)| (left - right).powi(2)).sum::<f64>() / (2 * DRAWN) as f64;
    (0..space.dimensions())
        .map(|axis| {
            let mut mixed = one.clone();
            mixed.iter_mut().zip(&other).for_each(|(mixed, other)| mixed[axis] = other[axis]);
            let third = values(&mixed);
            if whole > 0.0 { (1.0 - half_square(&second, &third) / whole, half_square(&first, &third) / whole) } else { (0.0, 0.0) }
        })
        .collect()
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    // What rounding leaves of nothing is nothing.
    if variance > 1e-20 * mean * mean { variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::Outcome;

    fn space(text: &str) -> Space {
        serde_json::from_str(text).unwrap()
    }

    fn number(parameters: &Parameters, name: &str) -> f64 {
        parameters.get(name).unwrap().as_f64().unwrap()
    }

    fn shares(space: &Space, value: impl Fn(f64, f64) -> f64) -> [(f64, f64); 2] {
        let found = decompose(space, |all| all.iter().map(|one| value(number(one, "a"), number(one, "b"))).collect());
        [0, 1].map(|index| (found[index].main, found[index].total))
    }

    fn near(found: [(f64, f64); 2], wanted: [(f64, f64); 2], within: f64) {
        let apart =
            found.iter().zip(wanted).map(|(found, wanted)| (found.0 - wanted.0).abs().max((found.1 - wanted.1).abs())).fold(0.0, f64::max);
        assert!(apart < within, "{found:?} instead of {wanted:?}");
    }

    #[test]
    fn variation_on_a_grid_is_shared_out_exactly() {
        let grid = space(r#"{"a":{"type":"integer","min":0,"max":1},"b":{"type":"choice","values":[-1,0,1]}}"#);
        // 2 a has the variance 1, b has 2/3, and nothing is done together: 3/5 and 2/5.
        near(shares(&grid, |a, b| 2.0 * a + b), [(0.6, 0.6), (0.4, 0.4)], 1e-12);
        // (2 a - 1) b: both only together.
        near(shares(&grid, |a, b| (2.0 * a - 1.0) * b), [(0.0, 1.0), (0.0, 1.0)], 1e-12);
        // a b: the mean along b is b / 2, of variance 1/6; that along a is 0; the whole is 1/3.
        near(shares(&grid, |a, b| a * b), [(0.0, 0.5), (0.5, 1.0)], 1e-12);
        near(shares(&grid, |_, _| 0.8), [(0.0, 0.0), (0.0, 0.0)], 1e-12);
    }

    #[test]
    fn of_a_space_that_cannot_be_counted_it_is_shared_out_by_draws() {
        let cube = space(r#"{"a":{"type":"float","min":0,"max":1},"b":{"type":"float","min":0,"max":1}}"#);
        // Variances of 3 a and b: 9 to 1.
        near(shares(&cube, |a, b| 3.0 * a + b), [(0.9, 0.9), (0.1, 0.1)], 0.05);
        // Centred product: all of it together.
        near(shares(&cube, |a, b| (a - 0.5) * (b - 0.5)), [(0.0, 1.0), (0.0, 1.0)], 0.1);
    }

    #[test]
    fn a_surrogate_learns_what_matters_from_twenty_trials() {
        let space = space(
            r#"{"a":{"type":"integer","min":0,"max":9},"b":{"type":"choice","values":["x","y"]},"c":{"type":"float","min":0,"max":1}}"#,
        );
        let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
        let history: Vec<Trial> = (0..20)
            .map(|_| {
                let parameters = space.value_at(&[random.random(), random.random(), random.random()]);
                let value = 0.8 + 0.02 * number(&parameters, "a") / 9.0 + if parameters.get("b").unwrap() == "x" { 0.05 } else { 0.0 };
                Trial { parameters, outcome: Outcome::Value(value) }
            })
            .collect();
        let surrogate = Surrogate::learn(&space, &history).unwrap();
        let found = surrogate.importance();
        assert!(found[1].main > 0.8 && found[0].main < 0.2 && found[2].total < 0.05, "{found:?}");
        let probe: Parameters = serde_json::from_str(r#"{"a":9,"b":"x","c":0.5}"#).unwrap();
        let foreign: Parameters = serde_json::from_str(r#"{"a":9}"#).unwrap();
        let answers = surrogate.expect(&[foreign, probe]);
        assert!(answers[0].is_none() && (answers[1].unwrap().0 - 0.87).abs() < 0.005, "{answers:?}");
        assert!(Surrogate::learn(&space, &history[..3]).is_none());
    }
}
