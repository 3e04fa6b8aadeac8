//! t-distributed stochastic neighbour embedding. van der Maaten and Hinton 2008.

use std::ops::ControlFlow;

use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::affinities::Affinities;
use super::approximate::Approximate;
use super::course::{Course, Schedule, descend};
use super::exact::Exact;
use super::neighbours::search;
use super::sparse::SparseAffinities;
use super::{Points, ProjectError, pca};

/// The most points [`tsne`] takes.
pub const MAXIMUM_TSNE_POINTS: usize = 100_000;

/// From so many points on, pushes are interpolated on a grid; below, the sum over all pairs is exact and cheap.
const APPROXIMATE_POINTS: usize = 1_500;
/// Up to so many points all others are neighbours; beyond, three times the perplexity: the others have next to no affinity.
const ALL_NEIGHBOURS: usize = 256;
/// Pairs of neighbours at most, which bounds the memory.
const MAXIMUM_PAIRS: usize = 30_000_000;
/// Descents of a small map, of which the best is kept.
const STARTS: u64 = 4;
/// Standard deviation of the starting map along its first axis.
const START_SCALE: f64 = 1e-4;

/// What can be chosen about a t-SNE map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TsneOptions {
    /// Effective number of neighbours of each point; brought down to (n - 1) / 3 where the points are few.
    pub perplexity: f64,
    /// Iterations at most, those of early exaggeration included.
    pub iterations: usize,
    /// The same points, options and seed give the same map.
    pub seed: u64,
    /// Iterations between two looks at the map; at least 1.
    pub snapshot_every: usize,
}

impl Default for TsneOptions {
    fn default() -> Self {
        Self { perplexity: 30.0, iterations: 750, seed: 0, snapshot_every: 50 }
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Every point's nearest neighbours are found.
    Neighbours,
    /// The map unfolds.
    Descent,
}

/// How far the map has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// What is being done.
    pub phase: Phase,
    /// The share of this phase that is done, in \[0, 1\]; its time grows evenly with it.
    pub share: f64,
    /// Iterations done.
    pub iteration: usize,
    /// Iterations at most.
    pub iterations: usize,
    /// KL divergence of the map when it was last computed, in nats.
    pub kl_divergence: Option<f64>,
    /// The places so far, in the order of the points; none while neighbours are sought.
    pub coordinates: &'a [[f32; 2]],
}

/// Why the descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All iterations were done.
    Iterations,
    /// The divergence had not fallen by a thousandth in 100 iterations.
    NoProgress,
    /// The gradient was as good as zero.
    Gradient,
}

/// A t-SNE map.
#[derive(Debug, Clone, PartialEq)]
pub struct Tsne {
    /// Each point's place, in the order given; centred on 0.
    pub coordinates: Vec<[f32; 2]>,
    /// The perplexity used: what was asked, or less where the points were few.
    pub perplexity: f64,
    /// KL divergence of the map from the affinities, in nats: 0 is perfect.
    pub kl_divergence: f64,
    /// Iterations done.
    pub iterations: usize,
    /// Why they ended.
    pub stop: Stop,
}

/// Maps `points` on the plane so that near points stay near.
///
/// Affinities are those of each point to its 3 x perplexity nearest neighbours (to all others up to 256 points), which are found
/// exactly. Below 1,500 points the gradient is the sum over all pairs; from there on far points' pushes are interpolated on a grid by
/// Fourier transforms, which agrees with that sum to a thousandth.
///
/// The map starts from the first two principal components plus a seeded jitter a hundredth as wide, which parts points that would
/// otherwise lie on one spot or line for ever. Fewer than 1,500 points are mapped from four such starts, and the one with the least
/// divergence after 100 iterations goes on: descents end in different valleys, some 7% apart. Affinities are exaggerated 12 times
/// for the first 50 iterations (100 to 250 where points are many); learning rate n / 48 and then n / 4 (few points: at least 50, and
/// n / 12), momentum .5 or .8 and then .8, gains for each coordinate, steps of at most 5.
///
/// The result depends on points, options and seed, not on the number of threads. From 1,500 points on, Fourier transforms round
/// differently on processors with other vector instructions, and descents magnify it.
///
/// `observe` is called while neighbours are found and then every [`TsneOptions::snapshot_every`] iterations, and stops the work by
/// returning [`ControlFlow::Break`].
///
/// Memory: for each of the n x 3 x perplexity pairs of neighbours 40 bytes at most (100,000 points at perplexity 30: 360 MB), one f32
/// copy of the points, and 60 MB for the greatest grid. Time of the neighbours: n² x dimension.
///
/// # Errors
/// [`ProjectError::TooMany`] beyond [`MAXIMUM_TSNE_POINTS`], [`ProjectError::Option`] for a perplexity below 1, one that would make
/// more than 30 million pairs of neighbours, or no iterations; [`ProjectError::Cancelled`] when the observer says so.
///
/// Source: van der Maaten and Hinton 2008; fields: Linderman et al. 2019, and Skeel, Tezcan and Hardy 2002; learning rate: Belkina et al. 2019; start: Kobak and Berens
/// 2019; learning rate after the exaggeration, and bounded steps: Poličar, Stražar and Zupan 2024 (openTSNE).
pub fn tsne(points: Points, options: &TsneOptions, observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>) -> Result<Tsne, ProjectError> {
    let count = points.count();
    if count > MAXIMUM_TSNE_POINTS {
        return Err(ProjectError::TooMany { count, maximum: MAXIMUM_TSNE_POINTS });
    }
    if !(options.perplexity >= 1.0 && options.perplexity.is_finite()) {
        return Err(ProjectError::Option("perplexity must be a number of at least 1".into()));
    }
    if options.iterations == 0 || options.snapshot_every == 0 {
        return Err(ProjectError::Option("t-SNE needs at least one iteration, also between two looks at it".into()));
    }
    let perplexity = usable_perplexity(options.perplexity, count);
    if count == 1 {
        return Ok(Tsne { coordinates: vec![[0.0; 2]], perplexity, kl_divergence: 0.0, iterations: 0, stop: Stop::Gradient });
    }
    let width = if count <= ALL_NEIGHBOURS { count - 1 } else { ((3.0 * perplexity).ceil() as usize).min(count - 1) };
    if count * width > MAXIMUM_PAIRS {
        let most = MAXIMUM_PAIRS / count / 3;
        return Err(ProjectError::Option(format!("{count} points can have a perplexity of {most} at most")));
    }
    let mut heard = |share: f64| {
        let iterations = options.iterations;
        observe(Progress { phase: Phase::Neighbours, share, iteration: 0, iterations, kl_divergence: None, coordinates: &[] })
    };
    let found = search(points, points, width, true, &mut heard)?;
    let affinities = SparseAffinities::new(found, perplexity);
    let start = |number: u64| start(points, options.seed.wrapping_add(number << 32));
    if count < APPROXIMATE_POINTS {
        let affinities = Affinities::new(&affinities);
        let courses = (0..STARTS).map(|number| Ok(Course::new(start(number)?, Exact(&affinities)))).collect::<Result<_, ProjectError>>()?;
        descend(courses, Schedule::of_few(count), perplexity, options, observe)
    } else {
        let course = Course::new(start(0)?, Approximate::new(affinities));
        descend(vec![course], Schedule::of_many(count), perplexity, options, observe)
    }
}

/// The perplexity that `count` points can bear: at most (n - 1) / 3, but always more than the one neighbour that would leave a map
/// in pairs, and never more than there are neighbours.
fn usable_perplexity(asked: f64, count: usize) -> f64 {
    let others = count.saturating_sub(1) as f64;
    asked.min((others / 3.0).max(1.5)).min(others.max(1.0))
}

/// The first two principal components, scaled so that the first has standard deviation [`START_SCALE`], with a seeded jitter.
fn start(points: Points, seed: u64) -> Result<Vec<[f32; 2]>, ProjectError> {
    let map = pca(points, 2)?;
    // The population's deviation, as scikit-learn scales by; identical points have none.
    let deviation = (map.explained_variance[0] * (points.count() - 1) as f64 / points.count() as f64).sqrt();
    let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
    // The last bits of an eigenvector differ between machines, and the descent would magnify them: rounded, they don't.
    let round = |value: f32| (f64::from(value) * scale * 4096.0).round() / 4096.0;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut place = |value: f32| ((round(value) + 0.01 * normal(&mut random)) * START_SCALE) as f32;
    Ok(map.plane().into_iter().map(|[x, y]| [place(x), place(y)]).collect())
}

/// About a standard normal number: the sum of twelve uniform ones less 6, which unlike a logarithm is the same on every machine.
fn normal(random: &mut impl Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::super::descent::Objective;
    use super::super::neighbours_within;
    use super::*;

    fn cloud(count: usize, dimension: usize) -> Vec<f32> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        // Three blobs, so that there is something to see.
        (0..count * dimension).map(|index| normal(&mut random) as f32 + 6.0 * ((index / dimension) % 3) as f32).collect()
    }

    fn places(count: usize) -> Vec<[f32; 2]> {
        cloud(count, 2).chunks_exact(2).map(|place| [place[0], place[1]]).collect()
    }

    fn map(values: &[f32], dimension: usize, options: &TsneOptions) -> Tsne {
        tsne(Points::new(values, dimension).unwrap(), options, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    fn sparse(points: Points, width: usize, perplexity: f64) -> SparseAffinities {
        SparseAffinities::new(neighbours_within(points, width).unwrap(), perplexity)
    }

    fn dense(points: Points, width: usize, perplexity: f64) -> Affinities {
        Affinities::new(&sparse(points, width, perplexity))
    }

    /// Greatest difference between the gradient and finite differences of the divergence.
    fn error_of_gradient(objective: &mut impl Objective, places: &[[f32; 2]], step: f32) -> f64 {
        let mut gradient = vec![[0.0; 2]; places.len()];
        objective.gradient(places, 1.0, &mut gradient);
        let mut largest = 0.0_f64;
        for (index, axis) in (0..places.len()).flat_map(|index| [(index, 0), (index, 1)]) {
            let mut shifted = |by: f32| {
                let mut places = places.to_vec();
                places[index][axis] += by;
                objective.divergence(&places)
            };
            let slope = (shifted(step) - shifted(-step)) / (2.0 * f64::from(step));
            largest = largest.max((slope - f64::from(gradient[index][axis])).abs());
        }
        largest
    }

    #[test]
    fn both_gradients_agree_with_finite_differences() {
        let values = cloud(40, 5);
        let points = Points::new(&values, 5).unwrap();
        let affinities = dense(points, 39, 8.0);
        let exact = error_of_gradient(&mut Exact(&affinities), &places(40), 0.01);
        assert!(exact < 1e-4, "{exact}");
        let interpolated = error_of_gradient(&mut Approximate::new(sparse(points, 24, 8.0)), &places(40), 0.01);
        assert!(interpolated < 3e-4, "{interpolated}");
    }

    #[test]
    fn the_approximate_gradient_is_the_exact_one() {
        // All neighbours, so that only the way of summing differs.
        let values = cloud(300, 6);
        let points = Points::new(&values, 6).unwrap();
        let affinities = dense(points, 299, 40.0);
        let mut interpolated = Approximate::new(sparse(points, 299, 40.0));
        for scale in [0.05, 1.0, 6.0] {
            let places: Vec<[f32; 2]> = places(300).iter().map(|place| place.map(|value| value * scale)).collect();
            let (mut one, mut other) = (vec![[0.0; 2]; 300], vec![[0.0; 2]; 300]);
            Exact(&affinities).gradient(&places, 1.0, &mut one);
            interpolated.gradient(&places, 1.0, &mut other);
            let length = |slopes: &mut dyn Iterator<Item = f64>| slopes.map(|slope| slope * slope).sum::<f64>().sqrt();
            let size = length(&mut one.iter().flatten().map(|&slope| f64::from(slope)));
            let off = length(&mut one.iter().flatten().zip(other.iter().flatten()).map(|(&one, &other)| f64::from(one) - f64::from(other)));
            println!("scale {scale}: gradients differ by {:.2e}", off / size);
            assert!(off / size < 1e-3, "scale {scale}: {}", off / size);
            let (one, other) = (Exact(&affinities).divergence(&places), interpolated.divergence(&places));
            assert!((one / other - 1.0).abs() < 1e-3, "scale {scale}: {one} {other}");
        }
    }

    #[test]
    fn blobs_are_told_apart() {
        for count in [90, APPROXIMATE_POINTS] {
            let values = cloud(count, 8);
            let found = map(&values, 8, &TsneOptions { iterations: 400, ..TsneOptions::default() });
            // Every point's nearest is of its own blob: the blobs take turns in `cloud`.
            let nearest = neighbours_within(Points::new(found.coordinates.as_flattened(), 2).unwrap(), 1).unwrap();
            assert!(nearest.indices.iter().enumerate().all(|(own, &other)| own % 3 == other as usize % 3), "{count}");
            assert!(found.kl_divergence > 0.0 && found.kl_divergence < 3.0, "{}", found.kl_divergence);
        }
    }

    #[test]
    fn the_best_of_several_descents_goes_on() {
        let values = cloud(200, 6);
        let points = Points::new(&values, 6).unwrap();
        let schedule = Schedule::of_few(200);
        let options = TsneOptions { iterations: schedule.trial, ..TsneOptions::default() };
        let affinities = dense(points, 199, options.perplexity);
        let alone = (0..STARTS).map(|number| {
            let mut course = Course::new(start(points, number << 32).unwrap(), Exact(&affinities));
            course.advance(0..schedule.trial, &schedule, schedule.trial);
            course.kl_divergence
        });
        let alone: Vec<f64> = alone.collect();
        let least = alone.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(alone.iter().any(|&divergence| divergence > least), "starts that all end alike show nothing: {alone:?}");
        assert_eq!(map(&values, 6, &options).kl_divergence, least);
    }

    #[test]
    fn duplicates_lines_and_huge_numbers_have_their_map() {
        let options = TsneOptions { iterations: 300, ..TsneOptions::default() };
        for count in [60, APPROXIMATE_POINTS] {
            let identical = vec![1.0_f32; count * 3];
            let twins = [vec![1.0_f32; count / 2 * 3], cloud(count - count / 2, 3)].concat();
            let line: Vec<f32> = (0..count).flat_map(|index| [index as f32, 2.0 * index as f32, -3.0 * index as f32]).collect();
            let huge: Vec<f32> = cloud(count, 3).iter().map(|value| value * 1e30).collect();
            let tiny: Vec<f32> = cloud(count, 3).iter().map(|value| value * 1e-30).collect();
            for (name, values) in [("identical", identical), ("twins", twins), ("line", line), ("huge", huge), ("tiny", tiny)] {
                let found = map(&values, 3, &options);
                assert!(found.coordinates.iter().flatten().all(|place| place.is_finite()), "{name}, {count}");
                assert!(found.kl_divergence.is_finite(), "{name}, {count}");
                let spread = found.coordinates.iter().map(|place| place[1].abs()).fold(0.0, f32::max);
                // Identical points may lie on one spot: nothing tells them apart.
                assert!(name == "identical" || spread > 0.1, "{name}, {count}: all on one line");
            }
        }
    }

    #[test]
    fn rubbish_and_cancelling_are_errors() {
        let values = cloud(20, 2);
        let points = Points::new(&values, 2).unwrap();
        let go_on = &mut |_: Progress<'_>| ControlFlow::Continue(());
        for perplexity in [0.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(tsne(points, &TsneOptions { perplexity, ..TsneOptions::default() }, go_on), Err(ProjectError::Option(_))));
        }
        for options in
            [TsneOptions { iterations: 0, ..TsneOptions::default() }, TsneOptions { snapshot_every: 0, ..TsneOptions::default() }]
        {
            assert!(matches!(tsne(points, &options, go_on), Err(ProjectError::Option(_))));
        }
        let mut seen = Vec::new();
        let cancelled = tsne(points, &TsneOptions { snapshot_every: 20, ..TsneOptions::default() }, &mut |progress| {
            seen.push(progress.iteration);
            if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((cancelled, seen), (Err(ProjectError::Cancelled), vec![0, 20, 40]));
        let many = vec![0.0; MAXIMUM_TSNE_POINTS + 1];
        assert!(matches!(tsne(Points::new(&many, 1).unwrap(), &TsneOptions::default(), go_on), Err(ProjectError::TooMany { .. })));
    }

    #[test]
    fn the_observer_sees_neighbours_found_and_the_map_unfold() {
        let values = cloud(4_000, 3);
        let points = Points::new(&values, 3).unwrap();
        let options = TsneOptions { iterations: 60, snapshot_every: 10, perplexity: 5.0, ..TsneOptions::default() };
        let mut shares = Vec::new();
        let mut maps: Vec<Vec<[f32; 2]>> = Vec::new();
        let found = tsne(points, &options, &mut |progress| {
            shares.push((progress.phase == Phase::Descent, progress.share));
            if progress.phase == Phase::Descent {
                maps.push(progress.coordinates.to_vec());
            }
            ControlFlow::Continue(())
        });
        assert!(shares.is_sorted_by(|one, other| one.partial_cmp(other).is_some_and(std::cmp::Ordering::is_lt)), "{shares:?}");
        assert!(shares.iter().all(|(_, share)| (0.0..=1.0).contains(share)) && !shares[1].0, "{shares:?}");
        // The end is what is given back, not a look on the way.
        assert_eq!(maps.len(), 5);
        assert!(maps.iter().all(|map| map.len() == 4_000) && maps[0] != maps[4]);
        assert_ne!(maps[4], found.unwrap().coordinates);
        let cancelled = tsne(points, &options, &mut |_| ControlFlow::Break(()));
        assert_eq!(cancelled, Err(ProjectError::Cancelled));
    }

    #[test]
    fn one_seed_gives_one_map_whatever_the_threads() {
        for (count, spread_on_several_grids) in [(200, false), (1_400, false), (APPROXIMATE_POINTS, false), (17_000, true)] {
            let values = cloud(count, 3);
            let iterations = if spread_on_several_grids { 12 } else { 60 };
            let options = TsneOptions { iterations, perplexity: 10.0, ..TsneOptions::default() };
            let in_pool =
                |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| map(&values, 3, &options));
            let one = in_pool(1);
            assert_eq!(one, in_pool(2), "{count}");
            assert_eq!(one, in_pool(3), "{count}");
            assert_ne!(one, map(&values, 3, &TsneOptions { seed: 1, ..options }));
        }
    }

    #[test]
    fn few_points_have_their_map() {
        for count in 1..=12 {
            let found = map(&cloud(count, 6), 6, &TsneOptions::default());
            assert_eq!(found.coordinates.len(), count);
            assert!(found.coordinates.iter().flatten().all(|place| place.is_finite()), "{count}: {found:?}");
            assert!(found.perplexity <= 30.0_f64.min((count as f64 - 1.0).max(1.0)));
            assert!((0.0..0.5).contains(&found.kl_divergence), "{count}: {}", found.kl_divergence);
        }
    }
}
