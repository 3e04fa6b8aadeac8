//! The affinities of t-SNE: how much each pair of points belongs together, from distances and a perplexity.

use pulp::{Arch, Simd, WithSimd};

use super::lanes::{LANES, exp};
use super::sparse::SparseAffinities;

/// Joint probabilities of all pairs of few points, in registers side by side: faster than to look up who is whose neighbour.
pub(super) struct Affinities {
    /// How many points there are.
    pub count: usize,
    /// Row length: `count` rounded up to whole SIMD registers.
    pub stride: usize,
    /// `[count, stride]`: symmetric, sums to 1, zero on the diagonal and in the padding.
    pub joint: Vec<f32>,
    /// Sum of p ln p over all pairs, the part of the KL divergence that no map changes. Nats.
    pub negative_entropy: f64,
}

impl Affinities {
    /// All pairs' places filled from those that have a probability.
    pub fn new(sparse: &SparseAffinities) -> Self {
        let count = sparse.count();
        let stride = count.next_multiple_of(LANES);
        let mut joint = vec![0.0_f32; count * stride];
        sparse.pairs().for_each(|(row, other, probability)| joint[row * stride + other] = probability);
        Self { count, stride, joint, negative_entropy: sparse.negative_entropy }
    }
}

/// Turns squared distances from a point into probabilities whose entropy is `target` nats; 0 for the point itself, if it is at `own`.
///
/// Newton's method on the logarithm of the precision, kept inside a bracket; scikit-learn bisects to the same end.
pub(super) fn conditional_probabilities(row: &mut [f32], own: Option<usize>, target: f64) {
    const TOLERANCE: f64 = 1e-7;
    let others = || row.iter().enumerate().filter(|&(index, _)| Some(index) != own).map(|(_, &distance)| f64::from(distance));
    let count = row.len() - usize::from(own.is_some());
    // Only differences matter; the nearest at 0 keeps the sum of weights at 1 or more.
    let nearest = others().fold(f64::INFINITY, f64::min);
    let mean = others().map(|distance| distance - nearest).sum::<f64>() / count.max(1) as f64;
    if count == 0 || mean <= 0.0 {
        row.fill(1.0 / count.max(1) as f32);
        if let Some(own) = own {
            row[own] = 0.0;
        }
        return;
    }
    // In units of their mean, so that the same bracket serves every scale.
    let mut distances: Vec<f64> = row.iter().map(|&distance| (f64::from(distance) - nearest) / mean).collect();
    if let Some(own) = own {
        distances[own] = f64::INFINITY; // weighs nothing
    }
    distances.resize(row.len().next_multiple_of(LANES), f64::INFINITY);

    let (mut low, mut high) = (-20.0_f64, 60.0_f64);
    let mut log_precision = 1.0_f64;
    for _ in 0..100 {
        let precision = log_precision.exp();
        let [sum, first, second] = Arch::new().dispatch(Moments { distances: distances.as_chunks().0, precision });
        let (mean, square) = (first / sum, second / sum);
        let excess = sum.ln() + precision * mean - target;
        if excess.abs() < TOLERANCE || high - low < 1e-12 {
            break;
        }
        if excess > 0.0 {
            low = log_precision;
        } else {
            high = log_precision;
        }
        let slope = precision * precision * (square - mean * mean); // of minus the entropy
        let newton = log_precision + excess / slope;
        log_precision = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
    }
    let precision = log_precision.exp();
    let [sum, ..] = Arch::new().dispatch(Moments { distances: distances.as_chunks().0, precision });
    Arch::new().dispatch(Shares { probabilities: row, distances: &distances, precision, sum });
    if let Some(own) = own {
        row[own] = 0.0;
    }
}

/// Each distance's weight as a share of their sum.
struct Shares<'a> {
    probabilities: &'a mut [f32],
    distances: &'a [f64],
    precision: f64,
    sum: f64,
}

impl WithSimd for Shares<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (probability, &distance) in self.probabilities.iter_mut().zip(self.distances) {
            *probability = (exp(-self.precision * distance) / self.sum) as f32;
        }
    }
}

/// Sums of w, d w and d² w over the distances d, where w = exp(-precision d).
struct Moments<'a> {
    distances: &'a [[f64; LANES]],
    precision: f64,
}

impl WithSimd for Moments<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; 3] {
        let (mut sum, mut first, mut second) = ([0.0_f64; LANES], [0.0_f64; LANES], [0.0_f64; LANES]);
        for lanes in self.distances {
            for lane in 0..LANES {
                let weight = exp(-self.precision * lanes[lane]);
                // The infinitely far have no weight, and must not turn the moments into NaN.
                let weighted = weight * lanes[lane].min(1e100);
                sum[lane] += weight;
                first[lane] += weighted;
                second[lane] += weighted * lanes[lane].min(1e100);
            }
        }
        [sum, first, second].map(|lanes| lanes.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negative_entropy(row: &[f32]) -> f64 {
        row.iter().filter(|&&p| p > 0.0).map(|&p| f64::from(p) * f64::from(p).ln()).sum()
    }

    #[test]
    fn each_point_has_as_many_neighbours_as_the_perplexity_says() {
        let distances: Vec<f32> = (0..100).map(|index| (index as f32 * 0.37).sin().abs() * 9.0).collect();
        for perplexity in [1.5, 5.0, 30.0, 90.0_f64] {
            let mut row = distances.clone();
            conditional_probabilities(&mut row, Some(17), perplexity.ln());
            let entropy = -negative_entropy(&row);
            assert!((entropy.exp() / perplexity - 1.0).abs() < 1e-5, "{perplexity}: {}", entropy.exp());
            assert_eq!(row[17], 0.0);
        }
    }

    #[test]
    fn equal_distances_and_ties_beyond_the_perplexity_share_alike() {
        let mut row = vec![4.0_f32; 5];
        conditional_probabilities(&mut row, Some(2), 1.5_f64.ln());
        assert_eq!(row, [0.25, 0.25, 0.0, 0.25, 0.25]);
        // Three nearest of one distance can't be told down to one and a half.
        let mut row = vec![0.0, 1.0, 1.0, 1.0, 100.0];
        conditional_probabilities(&mut row, Some(0), 1.5_f64.ln());
        assert!((row[1] - 1.0 / 3.0).abs() < 1e-6 && row[4] < 1e-6, "{row:?}");
    }
}
