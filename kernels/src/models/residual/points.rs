//! The transforms of the minimal algorithm along one axis.
//!
//! The points are 0, ±3/4, ±3/2 and ∞ where Lavin and Gray have 0, ±1, ±2 and ∞: the constants of inputs and outputs stay exact in f32, and a
//! convolution's rounding error falls to half of theirs, 2.4 times that of plain sums (root mean square, 64 channels). How much the choice of
//! points matters: Barabasz, Anderson, Soodhalter and Gregg 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
//! Neural Networks".

use crate::models::convolution::lanes::{Along, Eight, Lanes, PANEL};

/// Sixteen channels at one place or point: two vectors.
pub(super) type Unit = [f32; PANEL];

/// Outputs of a tile along each side, inputs, and numbers that it is transformed into.
pub(super) const OUT: usize = 4;
pub(super) const IN: usize = OUT + 2;
pub(super) const POINTS: usize = IN * IN;

/// The points: ±A and ±B beside 0 and ∞.
const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;
/// Factors of the weights: 1 / Π (point − each other point).
const OF_ZERO: f32 = 1.0 / (A2 * B2);
const OF_A: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
const OF_B: f32 = 1.0 / (2.0 * B2 * (B2 - A2));

/// Equal parts of `values`.
#[inline(always)]
pub(super) fn split<T, const PARTS: usize>(values: &[T]) -> [&[T]; PARTS] {
    let size = values.len() / PARTS;
    let mut parts: [&[T]; PARTS] = [&[]; PARTS];
    for part in 0..PARTS {
        parts[part] = &values[part * size..][..size];
    }
    parts
}

#[inline(always)]
pub(super) fn split_mut<T, const PARTS: usize>(mut values: &mut [T]) -> [&mut [T]; PARTS] {
    let size = values.len() / PARTS;
    let mut parts: [&mut [T]; PARTS] = [(); PARTS].map(|()| Default::default());
    for part in &mut parts {
        (*part, values) = values.split_at_mut(size);
    }
    parts
}

/// Bᵀ d.
pub(super) struct OfInputs;

impl Along<IN, IN> for OfInputs {
    #[inline(always)]
    fn run<L: Lanes>(lanes: L, d: [L::Numbers; IN]) -> [L::Numbers; IN] {
        let (a, a2, b, b2) = (lanes.splat(A), lanes.splat(-A2), lanes.splat(B), lanes.splat(-B2));
        let (both, product) = (lanes.splat(-(A2 + B2)), lanes.splat(A2 * B2));
        let zero = lanes.multiply_add(product, d[0], lanes.multiply_add(both, d[2], d[4]));
        let (even, odd) = (lanes.multiply_add(b2, d[2], d[4]), lanes.multiply_add(b2, d[1], d[3]));
        let (of_a, of_minus_a) = (lanes.multiply_add(a, odd, even), lanes.multiply_add(lanes.splat(-A), odd, even));
        let (even, odd) = (lanes.multiply_add(a2, d[2], d[4]), lanes.multiply_add(a2, d[1], d[3]));
        let (of_b, of_minus_b) = (lanes.multiply_add(b, odd, even), lanes.multiply_add(lanes.splat(-B), odd, even));
        let infinity = lanes.multiply_add(product, d[1], lanes.multiply_add(both, d[3], d[5]));
        [zero, of_a, of_minus_a, of_b, of_minus_b, infinity]
    }
}

/// Aᵀ m.
pub(super) struct OfSums;

impl Along<IN, OUT> for OfSums {
    #[inline(always)]
    fn run<L: Lanes>(lanes: L, m: [L::Numbers; IN]) -> [L::Numbers; OUT] {
        let (sum_a, difference_a) = (lanes.add(m[1], m[2]), lanes.subtract(m[1], m[2]));
        let (sum_b, difference_b) = (lanes.add(m[3], m[4]), lanes.subtract(m[3], m[4]));
        let of = |factor: f32| lanes.splat(factor);
        [
            lanes.add(m[0], lanes.add(sum_a, sum_b)),
            lanes.multiply_add(of(A), difference_a, lanes.multiply(of(B), difference_b)),
            lanes.multiply_add(of(A2), sum_a, lanes.multiply(of(B2), sum_b)),
            lanes.multiply_add(of(A * A2), difference_a, lanes.multiply_add(of(B * B2), difference_b, m[5])),
        ]
    }
}

/// A y.
pub(super) struct OfSlopes;

impl Along<OUT, IN> for OfSlopes {
    #[inline(always)]
    fn run<L: Lanes>(lanes: L, y: [L::Numbers; OUT]) -> [L::Numbers; IN] {
        let (a2, b2) = (lanes.splat(A2), lanes.splat(B2));
        let (even, odd) = (lanes.multiply_add(a2, y[2], y[0]), lanes.multiply_add(a2, y[3], y[1]));
        let (of_a, of_minus_a) = (lanes.multiply_add(lanes.splat(A), odd, even), lanes.multiply_add(lanes.splat(-A), odd, even));
        let (even, odd) = (lanes.multiply_add(b2, y[2], y[0]), lanes.multiply_add(b2, y[3], y[1]));
        let (of_b, of_minus_b) = (lanes.multiply_add(lanes.splat(B), odd, even), lanes.multiply_add(lanes.splat(-B), odd, even));
        [y[0], of_a, of_minus_a, of_b, of_minus_b, y[3]]
    }
}

/// G g.
#[inline(always)]
pub(super) fn kernel<L: Eight>(lanes: L, g: [L::Numbers; 3]) -> [L::Numbers; IN] {
    let even = lanes.multiply(lanes.splat(OF_A), lanes.multiply_add(lanes.splat(A2), g[2], g[0]));
    let odd = lanes.multiply(lanes.splat(OF_A * A), g[1]);
    let (of_a, of_minus_a) = (lanes.add(even, odd), lanes.subtract(even, odd));
    let even = lanes.multiply(lanes.splat(OF_B), lanes.multiply_add(lanes.splat(B2), g[2], g[0]));
    let odd = lanes.multiply(lanes.splat(OF_B * B), g[1]);
    let (of_b, of_minus_b) = (lanes.add(even, odd), lanes.subtract(even, odd));
    [lanes.multiply(lanes.splat(OF_ZERO), g[0]), of_a, of_minus_a, of_b, of_minus_b, g[2]]
}

/// Gᵀ s.
#[inline(always)]
pub(super) fn three<L: Eight>(lanes: L, s: [L::Numbers; IN]) -> [L::Numbers; 3] {
    let (sum_a, difference_a) = (lanes.add(s[1], s[2]), lanes.subtract(s[1], s[2]));
    let (sum_b, difference_b) = (lanes.add(s[3], s[4]), lanes.subtract(s[3], s[4]));
    let of = |factor: f32| lanes.splat(factor);
    let ends = lanes.multiply_add(of(OF_A), sum_a, lanes.multiply(of(OF_B), sum_b));
    [
        lanes.multiply_add(of(OF_ZERO), s[0], ends),
        lanes.multiply_add(of(OF_A * A), difference_a, lanes.multiply(of(OF_B * B), difference_b)),
        lanes.multiply_add(of(OF_A * A2), sum_a, lanes.multiply_add(of(OF_B * B2), sum_b, s[5])),
    ]
}
