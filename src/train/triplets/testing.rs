//! What the tests of this module share.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Distance, Geometry, Step, Triplet};

pub const GEOMETRIES: [Geometry; 4] = [
    Geometry { distance: Distance::Squared, normalise: false },
    Geometry { distance: Distance::Squared, normalise: true },
    Geometry { distance: Distance::Euclidean, normalise: false },
    Geometry { distance: Distance::Euclidean, normalise: true },
];

/// Embeddings `[count, dimension]`, nearer to each other within a label than between labels; labels take turns.
pub fn batch(count: usize, dimension: usize, labels: usize, seed: u64) -> (Vec<f32>, Vec<u8>) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draw = |size: usize| -> Vec<f32> { (0..size).map(|_| random.random_range(-0.5..0.5)).collect() };
    let (centres, noise) = (draw(labels * dimension), draw(count * dimension));
    let values = (noise.iter().enumerate())
        .map(|(place, noise)| noise + 0.7 * centres[place / dimension % labels * dimension + place % dimension])
        .collect();
    (values, (0..count).map(|place| (place % labels) as u8).collect())
}

pub fn every_triplet(labels: &[u8]) -> Vec<Triplet> {
    let places = || 0..labels.len() as u32;
    let label = |place: u32| labels[place as usize];
    let pairs = places().flat_map(|a| places().map(move |p| (a, p))).filter(|&(a, p)| a != p && label(a) == label(p));
    pairs.flat_map(|(a, p)| places().filter(move |&n| label(n) != label(a)).map(move |n| [a, p, n])).collect()
}

pub fn assert_triplets(triplets: &[Triplet], labels: &[u8]) {
    for &[a, p, n] in triplets {
        let label = |place: u32| labels[place as usize];
        assert!(a != p && label(a) == label(p) && label(a) != label(n), "{:?}", [a, p, n]);
    }
}

/// Equal within `share` of the greatest value.
pub fn assert_near(got: &[f32], wanted: &[f32], share: f32) {
    assert_eq!(got.len(), wanted.len());
    let greatest = wanted.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
    for (place, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert!((got - wanted).abs() <= share * greatest, "{place}: {got} for {wanted}, of at most {greatest}");
    }
}

/// Holds a step's gradient to differences of its losses at embeddings moved a little to both sides.
pub fn assert_gradient(values: &[f32], dimension: usize, step: impl Fn(&[f32]) -> Step) {
    const MOVE: f32 = 1.0 / 1024.0;
    let gradient = step(values).gradient;
    assert_eq!(gradient.len() % dimension, 0);
    let greatest = gradient.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
    assert!(greatest > 0.0);
    for place in 0..values.len() {
        let moved = |by: f32| {
            let mut values = values.to_vec();
            values[place] += by;
            let step = step(&values);
            (step.loss, step.active, values[place])
        };
        let ((above, active_above, to), (below, active_below, from)) = (moved(MOVE), moved(-MOVE));
        // Where a term comes or goes in between, the loss has a kink and its slope is not the difference.
        if active_above == active_below && active_above == step(values).active {
            let slope = ((above - below) / f64::from(to - from)) as f32;
            assert!((gradient[place] - slope).abs() <= 2e-3 * greatest, "{place}: {} for {slope}", gradient[place]);
        }
    }
}
