//! A Gaussian process with its hyperparameters integrated out.
//!
//! Values are a constant plus a smooth function plus noise: Matérn 5/2 with one length scale to each dimension (Rasmussen and Williams
//! 2006, eq. 4.17). Length scales, signal and noise are drawn from their posterior by slice sampling (Neal 2003), and answers
//! are averaged over the draws (Snoek et al. 2012, section 3.2): with a dozen values, the one most likely set of hyperparameters is
//! often a confident mistake.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, Par};
use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;

/// What is known: places and values.
#[derive(Debug, Clone)]
pub struct Observations {
    /// Points of the unit cube, `[count, dimensions]`; see [`super::Space::place`].
    pub places: Vec<Vec<f64>>,
    /// One value each, any units.
    pub values: Vec<f64>,
    /// Which dimensions have an order; along the others two places are equal or not.
    pub ordered: Vec<bool>,
}

/// One draw of the hyperparameters, for values of mean 0 and variance 1.
#[derive(Debug, Clone, PartialEq)]
struct Kernel {
    /// Natural logarithms of: the length scale of each dimension, the signal's variance, the noise's variance.
    logarithms: Vec<f64>,
}

/// Variance of the constant, in units of the values' variance: wide enough to leave it to the values.
const CONSTANT: f64 = 1.0;
/// Added to the diagonal, so that equal places do not make the matrix singular.
const JITTER: f64 = 1e-8;
/// Means and standard deviations of the logarithms, normal a priori: a function that bends a few times along each dimension, and a
/// little noise.
const LENGTH: (f64, f64) = (-0.5, 0.8);
const SIGNAL: (f64, f64) = (0.0, 1.0);
const NOISE: (f64, f64) = (-3.5, 1.2);

impl Kernel {
    fn lengths(&self) -> &[f64] {
        &self.logarithms[..self.logarithms.len() - 2]
    }

    fn signal(&self) -> f64 {
        self.logarithms[self.logarithms.len() - 2].exp()
    }

    fn noise(&self) -> f64 {
        self.logarithms[self.logarithms.len() - 1].exp()
    }

    /// Logarithm of the prior density, up to a constant.
    fn log_prior(&self) -> f64 {
        let normal = |value: f64, (mean, deviation): (f64, f64)| -0.5 * ((value - mean) / deviation).powi(2);
        let [lengths @ .., signal, noise] = self.logarithms.as_slice() else { return f64::NEG_INFINITY };
        lengths.iter().map(|&length| normal(length, LENGTH)).sum::<f64>() + normal(*signal, SIGNAL) + normal(*noise, NOISE)
    }

    /// Covariance of the function, without the constant, at two places.
    fn covariance(&self, one: &[f64], other: &[f64], ordered: &[bool], inverse_squares: &[f64]) -> f64 {
        let mut square = 0.0;
        for (axis, inverse_square) in inverse_squares.iter().enumerate() {
            let apart = if ordered[axis] { (one[axis] - other[axis]).powi(2) } else { f64::from(u8::from(one[axis] != other[axis])) };
            square += apart * inverse_square;
        }
        let distance = (5.0 * square).sqrt();
        self.signal() * (1.0 + distance + distance * distance / 3.0) * (-distance).exp()
    }

    fn inverse_squares(&self) -> Vec<f64> {
        self.lengths().iter().map(|length| (-2.0 * length).exp()).collect()
    }
}

/// A process under one draw of its hyperparameters, told the values.
#[derive(Debug, Clone)]
struct Told {
    kernel: Kernel,
    places: Vec<Vec<f64>>,
    values: Vec<f64>,
    /// Lower Cholesky factor of the values' covariance, `[count, count]`.
    factor: Mat<f64>,
    /// The covariance's inverse times the values.
    weights: Mat<f64>,
}

impl Told {
    /// `None` when the covariance is singular to machine precision.
    fn new(kernel: Kernel, places: &[Vec<f64>], values: &[f64], ordered: &[bool]) -> Option<Self> {
        let count = places.len();
        let inverse_squares = kernel.inverse_squares();
        let own = kernel.noise() + JITTER;
        let mut factor = Mat::<f64>::zeros(count, count);
        for column in 0..count {
            for row in column..count {
                let covariance = kernel.covariance(&places[row], &places[column], ordered, &inverse_squares) + CONSTANT;
                factor[(row, column)] = if row == column { covariance + own } else { covariance };
            }
        }
        let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(count, Par::Seq, faer::Spec::default()));
        // One thread, so that no sum depends on how many there are.
        let stack = MemStack::new(&mut memory);
        cholesky_in_place(factor.as_mut(), LltRegularization::default(), Par::Seq, stack, faer::Spec::default()).ok()?;
        let mut weights = Mat::from_fn(count, 1, |row, _| values[row]);
        solve_lower_triangular_in_place(factor.as_ref(), weights.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(factor.transpose(), weights.as_mut(), Par::Seq);
        Some(Self { kernel, places: places.to_vec(), values: values.to_vec(), factor, weights })
    }

    /// Logarithm of the posterior density of the kernel, up to a constant (Rasmussen and Williams 2006, eq. 5.8).
    fn log_posterior(&self) -> f64 {
        let fit: f64 = self.values.iter().enumerate().map(|(row, value)| value * self.weights[(row, 0)]).sum();
        let determinant: f64 = (0..self.values.len()).map(|row| self.factor[(row, row)].ln()).sum();
        -0.5 * fit - determinant + self.kernel.log_prior()
    }

    /// Mean and variance of the function at each of `places` (eqs. 2.25 and 2.26).
    fn predict(&self, places: &[Vec<f64>], ordered: &[bool]) -> Vec<(f64, f64)> {
        let inverse_squares = self.kernel.inverse_squares();
        let mut across = Mat::from_fn(self.places.len(), places.len(), |row, column| {
            self.kernel.covariance(&self.places[row], &places[column], ordered, &inverse_squares) + CONSTANT
        });
        let means: Vec<f64> =
            across.col_iter().map(|column| column.iter().zip(self.weights.col(0).iter()).map(|(one, other)| one * other).sum()).collect();
        solve_lower_triangular_in_place(self.factor.as_ref(), across.as_mut(), Par::Seq);
        let prior = self.kernel.signal() + CONSTANT;
        let variances = across.col_iter().map(|column| (prior - column.squared_norm_l2()).max(1e-12));
        means.into_iter().zip(variances).collect()
    }
}

/// Draws of a process that was told the observations, each as likely as the next.
#[derive(Debug, Clone)]
pub struct Process {
    draws: Vec<Told>,
    ordered: Vec<bool>,
    mean: f64,
    deviation: f64,
}

/// What one draw expects at a place, in the observations' units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The function's mean.
    pub mean: f64,
    /// The function's variance.
    pub variance: f64,
    /// What noise adds to the variance of a value.
    pub noise: f64,
}

/// Draws kept, and passes of the slice sampler before the first and between two.
const DRAWS: usize = 10;
const BURN_IN: usize = 12;
const THINNING: usize = 3;

impl Process {
    /// Learns from `observations`, of which there must be at least one.
    #[must_use]
    pub fn new(observations: &Observations, random: &mut Xoshiro256PlusPlus) -> Self {
        let Observations { places, values, ordered } = observations;
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let deviation = if deviation > 0.0 { deviation } else { 1.0 };
        let standard: Vec<f64> = values.iter().map(|value| (value - mean) / deviation).collect();
        let told = |logarithms: &[f64]| Told::new(Kernel { logarithms: logarithms.to_vec() }, places, &standard, ordered);

        let mut logarithms: Vec<f64> = std::iter::repeat_n(LENGTH.0, ordered.len()).chain([SIGNAL.0, NOISE.0]).collect();
        let mut density = |logarithms: &[f64]| told(logarithms).map_or(f64::NEG_INFINITY, |told| told.log_posterior());
        let mut draws = Vec::with_capacity(DRAWS);
        for pass in 1..=BURN_IN + DRAWS * THINNING {
            for axis in 0..logarithms.len() {
                slice_sample(&mut logarithms, axis, &mut density, random);
            }
            if pass > BURN_IN && (pass - BURN_IN).is_multiple_of(THINNING) {
                draws.extend(told(&logarithms));
            }
        }
        Self { draws, ordered: ordered.clone(), mean, deviation }
    }

    /// What each draw expects at each place: `[draws, places]`.
    #[must_use]
    pub fn expect(&self, places: &[Vec<f64>]) -> Vec<Vec<Expected>> {
        let square = self.deviation * self.deviation;
        let expected = |draw: &Told| {
            let noise = draw.kernel.noise() * square;
            draw.predict(places, &self.ordered)
                .into_iter()
                .map(|(mean, variance)| Expected { mean: mean * self.deviation + self.mean, variance: variance * square, noise })
                .collect()
        };
        self.draws.iter().map(expected).collect()
    }

    /// Mean and standard deviation of the function at each place, over all draws.
    #[must_use]
    pub fn summary(&self, places: &[Vec<f64>]) -> Vec<(f64, f64)> {
        let draws = self.expect(places);
        let count = draws.len().max(1) as f64;
        (0..places.len())
            .map(|place| {
                let mean = draws.iter().map(|draw| draw[place].mean).sum::<f64>() / count;
                // The variance of a mixture: the mean variance, and the variance of the means.
                let variance = draws.iter().map(|draw| draw[place].variance + (draw[place].mean - mean).powi(2)).sum::<f64>() / count;
                (mean, variance.sqrt())
            })
            .collect()
    }

    /// The same process when it is also told, at `places`, just what each draw expects there: it learns nothing of the values but
    /// where not to look again (the kriging believer of Ginsbourger et al. 2010).
    #[must_use]
    pub fn believing(&self, places: &[Vec<f64>]) -> Self {
        let believe = |draw: &Told| {
            let expected = draw.predict(places, &self.ordered).into_iter().map(|(mean, _)| mean);
            let values: Vec<f64> = draw.values.iter().copied().chain(expected).collect();
            Told::new(draw.kernel.clone(), &[&draw.places, places].concat(), &values, &self.ordered)
        };
        Self { draws: self.draws.iter().filter_map(believe).collect(), ..self.clone() }
    }
}

/// Moves one coordinate to a draw from its conditional density (Neal 2003, figures 3 and 5).
fn slice_sample(point: &mut [f64], axis: usize, log_density: &mut impl FnMut(&[f64]) -> f64, random: &mut Xoshiro256PlusPlus) {
    const WIDTH: f64 = 1.5;
    const STEPS: usize = 6;
    let start = point[axis];
    let level = log_density(point) + random.random::<f64>().max(f64::MIN_POSITIVE).ln();
    let mut inside = |point: &mut [f64], value: f64| {
        point[axis] = value;
        log_density(point) > level
    };
    let mut low = start - WIDTH * random.random::<f64>();
    let mut high = low + WIDTH;
    for _ in 0..STEPS {
        if !inside(point, low) {
            break;
        }
        low -= WIDTH;
    }
    for _ in 0..STEPS {
        if !inside(point, high) {
            break;
        }
        high += WIDTH;
    }
    for _ in 0..100 {
        let value = low + (high - low) * random.random::<f64>();
        if inside(point, value) {
            return;
        }
        if value < start { low = value } else { high = value }
    }
    point[axis] = start;
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn told(lengths: &[f64], noise: f64, places: &[Vec<f64>], values: &[f64], ordered: &[bool]) -> Told {
        let logarithms = lengths.iter().map(|length| length.ln()).chain([0.0, noise.ln()]).collect();
        Told::new(Kernel { logarithms }, places, values, ordered).unwrap()
    }

    #[test]
    fn the_covariance_is_matern_five_halves() {
        let kernel = Kernel { logarithms: vec![0.5_f64.ln(), 2.0_f64.ln(), 0.0] };
        // Half a length scale apart: sqrt(5) / 2 = 1.118034; (1 + 1.118034 + 0.416667) e^-1.118034 = 0.828649, twice for the signal.
        let covariance = kernel.covariance(&[0.5], &[0.75], &[true], &kernel.inverse_squares());
        assert!((covariance - 2.0 * 0.828_649).abs() < 1e-5, "{covariance}");
        // Without an order any two are one apart: two length scales; sqrt(5) 2 = 4.472136; (1 + 4.472136 + 6.666667) e^-4.472136 = 0.138660.
        let covariance = kernel.covariance(&[0.0], &[7.0], &[false], &kernel.inverse_squares());
        assert!((covariance - 2.0 * 0.138_660).abs() < 1e-5, "{covariance}");
    }

    #[test]
    fn one_observation_gives_the_posterior_worked_out_by_hand() {
        // Variances: signal 1, constant 1, noise 0.5. Told 1 at a place: there, mean 2 / 2.5 and variance 2 - 4 / 2.5.
        let process = told(&[0.5], 0.5, &[vec![0.5]], &[1.0], &[true]);
        let (mean, variance) = process.predict(&[vec![0.5]], &[true])[0];
        assert!((mean - 0.8).abs() < 1e-6 && (variance - 0.4).abs() < 1e-6, "{mean} {variance}");
        // Density: -1/2 1 / 2.5 - 1/2 ln 2.5, and the priors of 0.5, 1 and 0.5.
        let prior = -0.5 * (((0.5_f64.ln() + 0.5) / 0.8).powi(2) + ((0.5_f64.ln() + 3.5) / 1.2).powi(2));
        assert!((process.log_posterior() - (-0.2 - 0.5 * 2.5_f64.ln() + prior)).abs() < 1e-6);
    }

    #[test]
    fn without_noise_it_passes_through_the_values_and_forgets_far_from_them() {
        let places = [vec![0.0, 0.0], vec![0.4, 1.0], vec![1.0, 0.0]];
        let process = told(&[0.3, 1.0], 1e-9, &places, &[1.0, -1.0, 0.5], &[true, false]);
        for ((mean, variance), value) in process.predict(&places, &[true, false]).into_iter().zip([1.0, -1.0, 0.5]) {
            assert!((mean - value).abs() < 1e-6 && variance < 1e-6);
        }
        let (_, far) = process.predict(&[vec![99.0, 5.0]], &[true, false])[0];
        assert!(far > 1.0, "the signal's whole variance is open there, and some of the constant's: {far}");
    }

    #[test]
    fn it_finds_which_dimension_matters() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let places: Vec<Vec<f64>> = (0..25).map(|_| vec![random.random(), random.random()]).collect();
        let values: Vec<f64> = places.iter().map(|place| 10.0 + (6.0 * place[0]).sin()).collect();
        let process = Process::new(&Observations { places, values, ordered: vec![true, true] }, &mut random);
        let mean_length = |axis: usize| process.draws.iter().map(|draw| draw.kernel.logarithms[axis]).sum::<f64>() / DRAWS as f64;
        assert!(mean_length(1) > mean_length(0) + 0.5, "{} {}", mean_length(0), mean_length(1));
        let (mean, deviation) = process.summary(&[vec![0.25, 0.9]])[0];
        assert!((mean - (10.0 + 1.5_f64.sin())).abs() < 0.1 && deviation < 0.2, "{mean} {deviation}");
    }

    #[test]
    fn what_it_believes_leaves_its_means_alone_and_its_doubts_smaller() {
        let observations = Observations { places: vec![vec![0.1], vec![0.9]], values: vec![1.0, 2.0], ordered: vec![true] };
        let process = Process::new(&observations, &mut Xoshiro256PlusPlus::seed_from_u64(0));
        let believing = process.believing(&[vec![0.5]]);
        for (before, after) in process.expect(&[vec![0.5], vec![0.6]]).iter().zip(believing.expect(&[vec![0.5], vec![0.6]])) {
            for (before, after) in before.iter().zip(after) {
                assert!((before.mean - after.mean).abs() < 1e-6 && after.variance < before.variance);
            }
        }
    }

    #[test]
    fn equal_values_and_a_single_one_are_no_obstacle() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(0);
        for count in [1, 5] {
            let places = (0..count).map(|index| vec![f64::from(index) / 4.0]).collect();
            let observations = Observations { places, values: vec![0.25; count as usize], ordered: vec![true] };
            let (mean, deviation) = Process::new(&observations, &mut random).summary(&[vec![0.3]])[0];
            assert!((mean - 0.25).abs() < 1e-9 && deviation.is_finite(), "{mean} {deviation}");
        }
    }

    #[test]
    fn slices_are_drawn_from_the_density() {
        // A normal of mean 2 and deviation 3: 20,000 draws, of which each tells a little of the next.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut point = [0.0];
        let draws: Vec<f64> = (0..20_000)
            .map(|_| {
                slice_sample(&mut point, 0, &mut |point| -0.5 * ((point[0] - 2.0) / 3.0).powi(2), &mut random);
                point[0]
            })
            .collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((mean - 2.0).abs() < 0.15 && (variance.sqrt() - 3.0).abs() < 0.15, "{mean} {variance}");
    }
}
