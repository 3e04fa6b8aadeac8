//! t-distributed stochastic neighbour embedding. van der Maaten and Hinton 2008.

use std::ops::ControlFlow;

use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::affinities::Affinities;
use super::descent::{PARALLEL_POINTS, Plane};
use super::{Points, ProjectError, pca};

/// The most points [`tsne`] takes: time and memory grow with their square (at this many, 400 MB).
pub const MAXIMUM_TSNE_POINTS: usize = 10_000;

/// Iterations with the affinities exaggerated, in which clusters find each other.
const EXAGGERATED_ITERATIONS: usize = 250;
const EXAGGERATION: f32 = 12.0;
/// Descents of a small map, of which the best is kept.
const STARTS: u64 = 4;
/// How often the divergence is computed, and the observer asked.
const CHECK_EVERY: usize = 50;
/// The descent ends when the divergence has not fallen for so many iterations.
const PATIENCE: usize = 300;
/// Or when the gradient is shorter than this.
const MINIMUM_GRADIENT: f64 = 1e-7;
/// Standard deviation of the starting map along its first axis.
const START_SCALE: f64 = 1e-4;

/// What can be chosen about a t-SNE map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TsneOptions {
    /// Effective number of neighbours of each point; brought down to (n - 1) / 3 where the points are few.
    pub perplexity: f64,
    /// Iterations at most, the 250 of early exaggeration included.
    pub iterations: usize,
    /// The same points, options and seed give the same map.
    pub seed: u64,
}

impl Default for TsneOptions {
    fn default() -> Self {
        Self { perplexity: 30.0, iterations: 1_000, seed: 0 }
    }
}

/// How far the descent has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Iterations done.
    pub iteration: usize,
    /// Iterations at most.
    pub iterations: usize,
    /// KL divergence of the map so far, in nats.
    pub kl_divergence: f64,
}

/// Why the descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All iterations were done.
    Iterations,
    /// The divergence had not fallen for 300 iterations.
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

/// Maps `points` on the plane so that near points stay near, by exact t-SNE.
///
/// Starts from the first two principal components, as scikit-learn does, plus a seeded jitter a hundredth as wide, which parts
/// points that would otherwise lie on one spot or line for ever. Few points (below 1,500) are mapped from four such starts, one on
/// each thread, and the map with the least divergence is kept: descents end in different valleys, some 7% apart. Early exaggeration 12 for 250 iterations, learning rate
/// max(n / 48, 50), momentum .5 and then .8, gains for each coordinate. The result depends on the seed, not on the number of
/// threads.
///
/// `observe` is called every 50 iterations with the best divergence so far, and stops the descent by returning [`ControlFlow::Break`].
///
/// # Errors
/// [`ProjectError::TooMany`] beyond [`MAXIMUM_TSNE_POINTS`], [`ProjectError::Option`] for a perplexity below 1 or no iterations,
/// [`ProjectError::Cancelled`] when the observer says so.
///
/// Source: van der Maaten and Hinton 2008; learning rate: Belkina et al. 2019; start: Kobak and Berens 2019.
pub fn tsne(points: Points, options: &TsneOptions, observe: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Tsne, ProjectError> {
    let count = points.count();
    if count > MAXIMUM_TSNE_POINTS {
        return Err(ProjectError::TooMany { count, maximum: MAXIMUM_TSNE_POINTS });
    }
    if !(options.perplexity >= 1.0 && options.perplexity.is_finite()) {
        return Err(ProjectError::Option("perplexity must be a number of at least 1".into()));
    }
    if options.iterations == 0 {
        return Err(ProjectError::Option("t-SNE needs at least one iteration".into()));
    }
    let perplexity = usable_perplexity(options.perplexity, count);
    let affinities = Affinities::new(points, perplexity);
    let starts = if count < PARALLEL_POINTS { STARTS } else { 1 };
    let start = |number: u64| start(points, options.seed.wrapping_add(number << 32));
    let mut courses = (0..starts).map(|number| Ok(Course::new(start(number)?, &affinities))).collect::<Result<Vec<_>, ProjectError>>()?;
    loop {
        courses.par_iter_mut().filter(|course| course.stop.is_none()).for_each(|course| course.advance(&affinities, options.iterations));
        // The first of equals, so that the number of threads does not show.
        let best = courses.iter().min_by(|a, b| a.kl_divergence.total_cmp(&b.kl_divergence));
        let Some(best) = best.filter(|_| courses.iter().all(|course| course.stop.is_some())) else {
            let iteration = courses.iter().map(|course| course.iteration).max().unwrap_or_default();
            let kl_divergence = best.map_or(f64::INFINITY, |best| best.kl_divergence);
            if observe(Progress { iteration, iterations: options.iterations, kl_divergence }).is_break() {
                return Err(ProjectError::Cancelled);
            }
            continue;
        };
        return Ok(Tsne {
            coordinates: best.descent.centred(),
            perplexity,
            kl_divergence: best.kl_divergence,
            iterations: best.iteration,
            stop: best.stop.unwrap_or(Stop::Iterations),
        });
    }
}

/// One descent and how far it has come.
struct Course {
    descent: Descent,
    iteration: usize,
    kl_divergence: f64,
    /// The lowest divergence so far, and when it was reached.
    lowest: (f64, usize),
    stop: Option<Stop>,
}

impl Course {
    fn new(start: Vec<[f32; 2]>, affinities: &Affinities) -> Self {
        Self {
            descent: Descent::new(start, affinities),
            iteration: 0,
            kl_divergence: f64::INFINITY,
            lowest: (f64::INFINITY, 0),
            stop: None,
        }
    }

    /// Goes on to the next check.
    fn advance(&mut self, affinities: &Affinities, iterations: usize) {
        for _ in 0..CHECK_EVERY.min(iterations - self.iteration) {
            self.descent.step(affinities, self.iteration);
            self.iteration += 1;
        }
        self.kl_divergence = self.descent.plane.divergence(affinities);
        if self.iteration == iterations {
            self.stop = Some(Stop::Iterations);
        } else if self.iteration <= EXAGGERATED_ITERATIONS {
            // It is not the divergence that falls while the affinities are exaggerated.
        } else if self.kl_divergence < self.lowest.0 {
            self.lowest = (self.kl_divergence, self.iteration);
        } else if self.iteration - self.lowest.1 > PATIENCE {
            self.stop = Some(Stop::NoProgress);
        }
        if self.stop.is_none() && self.iteration > EXAGGERATED_ITERATIONS && self.descent.slope() <= MINIMUM_GRADIENT {
            self.stop = Some(Stop::Gradient);
        }
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

/// Gradient descent with momentum and gains (Jacobs 1988).
struct Descent {
    plane: Plane,
    gradient: Vec<[f32; 2]>,
    velocity: Vec<[f32; 2]>,
    gains: Vec<[f32; 2]>,
    learning_rate: f32,
}

impl Descent {
    fn new(start: Vec<[f32; 2]>, affinities: &Affinities) -> Self {
        let count = affinities.count;
        Self {
            plane: Plane::new(start.into_iter(), affinities.stride),
            gradient: vec![[0.0; 2]; count],
            velocity: vec![[0.0; 2]; count],
            gains: vec![[1.0; 2]; count],
            learning_rate: (count as f32 / EXAGGERATION / 4.0).max(50.0),
        }
    }

    fn step(&mut self, affinities: &Affinities, iteration: usize) {
        let early = iteration < EXAGGERATED_ITERATIONS;
        let (exaggeration, momentum) = if early { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        if iteration == EXAGGERATED_ITERATIONS {
            // The second phase is a descent of its own.
            self.velocity.fill([0.0; 2]);
            self.gains.fill([1.0; 2]);
        }
        self.plane.gradient(affinities, exaggeration, &mut self.gradient);
        for (axis, places) in [&mut self.plane.x, &mut self.plane.y].into_iter().enumerate() {
            for (index, place) in places.iter_mut().enumerate().take(affinities.count) {
                let (slope, velocity, gain) = (self.gradient[index][axis], &mut self.velocity[index][axis], &mut self.gains[index][axis]);
                *gain = if *velocity * slope < 0.0 { *gain + 0.2 } else { (*gain * 0.8).max(0.01) };
                *velocity = momentum * *velocity - self.learning_rate * *gain * slope;
                *place += *velocity;
            }
        }
    }

    /// Length of the gradient of the last step.
    fn slope(&self) -> f64 {
        self.gradient.iter().flatten().map(|&slope| f64::from(slope) * f64::from(slope)).sum::<f64>().sqrt()
    }

    fn centred(&self) -> Vec<[f32; 2]> {
        let count = self.gradient.len();
        let mean = |places: &[f32]| places[..count].iter().map(|&place| f64::from(place)).sum::<f64>() / count as f64;
        let (x, y) = (mean(&self.plane.x), mean(&self.plane.y));
        (0..count).map(|index| [(f64::from(self.plane.x[index]) - x) as f32, (f64::from(self.plane.y[index]) - y) as f32]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(count: usize, dimension: usize) -> Vec<f32> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        // Three blobs, so that there is something to see.
        (0..count * dimension).map(|index| normal(&mut random) as f32 + 6.0 * ((index / dimension) % 3) as f32).collect()
    }

    fn map(values: &[f32], dimension: usize, options: &TsneOptions) -> Tsne {
        tsne(Points::new(values, dimension).unwrap(), options, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let (values, count) = (cloud(40, 5), 40);
        let affinities = Affinities::new(Points::new(&values, 5).unwrap(), 8.0);
        let places: Vec<[f32; 2]> = cloud(count, 2).chunks_exact(2).map(|place| [place[0], place[1]]).collect();
        let plane = |places: &[[f32; 2]]| Plane::new(places.iter().copied(), affinities.stride);
        let mut gradient = vec![[0.0; 2]; count];
        plane(&places).gradient(&affinities, 1.0, &mut gradient);
        let mut largest_error = 0.0_f64;
        for (index, axis) in (0..count).flat_map(|index| [(index, 0), (index, 1)]) {
            let shifted = |by: f32| {
                let mut places = places.clone();
                places[index][axis] += by;
                plane(&places).divergence(&affinities)
            };
            let slope = (shifted(0.01) - shifted(-0.01)) / 0.02;
            largest_error = largest_error.max((slope - f64::from(gradient[index][axis])).abs());
        }
        assert!(largest_error < 1e-4, "{largest_error}");
    }

    #[test]
    fn affinities_are_symmetric_and_sum_to_one() {
        let values = cloud(100, 4);
        let affinities = Affinities::new(Points::new(&values, 4).unwrap(), 12.0);
        let total: f64 = affinities.joint.iter().map(|&p| f64::from(p)).sum();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
        let at = |row: usize, column: usize| affinities.joint[row * affinities.stride + column];
        assert!((0..100).all(|row| at(row, row) == 0.0 && (0..100).all(|column| at(row, column) == at(column, row))));
    }

    #[test]
    fn blobs_are_told_apart() {
        let values = cloud(90, 8);
        let found = map(&values, 8, &TsneOptions::default());
        // Every point's nearest is of its own blob: the blobs take turns in `cloud`.
        for (index, place) in found.coordinates.iter().enumerate() {
            let distance = |other: &[f32; 2]| (other[0] - place[0]).hypot(other[1] - place[1]);
            let others = found.coordinates.iter().enumerate().filter(|&(other, _)| other != index);
            let nearest = others.min_by(|one, other| distance(one.1).total_cmp(&distance(other.1))).unwrap().0;
            assert_eq!(nearest % 3, index % 3);
        }
        assert!(found.kl_divergence > 0.0 && found.kl_divergence < 1.0, "{}", found.kl_divergence);
    }

    #[test]
    fn the_best_of_several_descents_is_kept() {
        let values = cloud(200, 6);
        let points = Points::new(&values, 6).unwrap();
        let options = TsneOptions { iterations: 400, ..TsneOptions::default() };
        let affinities = Affinities::new(points, options.perplexity);
        let alone = (0..STARTS).map(|number| {
            let mut course = Course::new(start(points, number << 32).unwrap(), &affinities);
            while course.stop.is_none() {
                course.advance(&affinities, options.iterations);
            }
            course.kl_divergence
        });
        let alone: Vec<f64> = alone.collect();
        let least = alone.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(alone.iter().any(|&divergence| divergence > least), "starts that all end alike show nothing: {alone:?}");
        assert_eq!(map(&values, 6, &options).kl_divergence, least);
    }

    #[test]
    fn duplicates_and_a_single_dimension_have_their_map() {
        let twins = [vec![1.0_f32; 8 * 3], cloud(8, 3)].concat();
        assert!(map(&twins, 3, &TsneOptions::default()).coordinates.iter().flatten().all(|place| place.is_finite()));
        let line = map(&cloud(30, 1), 1, &TsneOptions::default());
        let spread = line.coordinates.iter().map(|place| place[1].abs()).fold(0.0, f32::max);
        assert!(spread > 0.1, "a line must be able to leave the line");
    }

    #[test]
    fn rubbish_and_cancelling_are_errors() {
        let values = cloud(20, 2);
        let points = Points::new(&values, 2).unwrap();
        let go_on = &mut |_: Progress| ControlFlow::Continue(());
        for perplexity in [0.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(tsne(points, &TsneOptions { perplexity, ..TsneOptions::default() }, go_on), Err(ProjectError::Option(_))));
        }
        assert!(matches!(tsne(points, &TsneOptions { iterations: 0, ..TsneOptions::default() }, go_on), Err(ProjectError::Option(_))));
        let mut seen = Vec::new();
        let cancelled = tsne(points, &TsneOptions::default(), &mut |progress| {
            seen.push(progress.iteration);
            if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((cancelled, seen), (Err(ProjectError::Cancelled), vec![50, 100, 150]));
        let many = vec![0.0; MAXIMUM_TSNE_POINTS + 1];
        assert!(matches!(tsne(Points::new(&many, 1).unwrap(), &TsneOptions::default(), go_on), Err(ProjectError::TooMany { .. })));
    }

    #[test]
    fn one_seed_gives_one_map_whatever_the_threads() {
        let values = cloud(1_600, 3);
        let options = TsneOptions { iterations: 60, ..TsneOptions::default() };
        let in_pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| map(&values, 3, &options));
        let one = in_pool(1);
        assert_eq!(one, in_pool(2));
        assert_eq!(one, in_pool(3));
        assert_ne!(one, map(&values, 3, &TsneOptions { seed: 1, ..options }));
    }

    #[test]
    fn few_points_have_their_map() {
        for count in 1..=12 {
            let found = map(&cloud(count, 6), 6, &TsneOptions::default());
            assert_eq!(found.coordinates.len(), count);
            assert!(found.coordinates.iter().flatten().all(|place| place.is_finite()), "{count}: {found:?}");
            assert!(found.perplexity <= 30.0_f64.min((count as f64 - 1.0).max(1.0)));
            println!("{count}: perplexity {} KL {}", found.perplexity, found.kl_divergence);
            assert!((0.0..0.5).contains(&found.kl_divergence), "{count}: {}", found.kl_divergence);
        }
    }
}
