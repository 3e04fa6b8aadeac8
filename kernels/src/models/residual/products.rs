//! Products of the transformed tiles: one product of small matrices at each of the 36 points.
//!
//! Each kernel here and in the files beside is a pass of its own: where many are inlined into one function, the compiler keeps the constants of
//! one in the registers that another needs for its sums, which costs it half of its speed.

use super::points::{IN, POINTS, Unit};
use crate::models::convolution::{
    lanes::{Eight, Pass},
    product::{PANEL, in_blocks},
};

/// Transformed inputs times the transformed weights of sixteen outputs.
pub(super) struct Multiply<'a> {
    pub tiles: usize,
    /// `[36 points][units of inputs][tiles]`.
    pub values: &'a [Unit],
    /// `[36 points][inputs]`.
    pub weight: &'a [Unit],
    /// `[6][tiles][6]`.
    pub into: &'a mut [Unit],
}

impl Pass for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let Self { tiles, values, weight, into } = self;
        let depth = weight.len() / POINTS;
        for (point, weight) in weight.chunks_exact(depth).enumerate() {
            let values = &values[point * depth / PANEL * tiles..][..depth / PANEL * tiles];
            let (weight, _) = weight.as_chunks::<PANEL>();
            let into = &mut into.as_chunks_mut::<IN>().0[point / IN * tiles..][..tiles];
            at_point(lanes, point % IN, values, weight, into);
        }
    }
}

/// The sums of all tiles at one point.
#[inline(always)]
fn at_point<L: Eight>(lanes: L, point: usize, values: &[Unit], weight: &[[Unit; PANEL]], into: &mut [[Unit; IN]]) {
    in_blocks!(L, into.len(), |next, COUNT| block::<L, COUNT>(lanes, point, values, weight, next, into));
}

/// The sums of `COUNT` tiles.
#[inline(always)]
fn block<L: Eight, const COUNT: usize>(
    lanes: L,
    point: usize,
    values: &[Unit],
    weight: &[[Unit; PANEL]],
    next: usize,
    into: &mut [[Unit; IN]],
) {
    let mut sums = [lanes.splat_pair(0.0); COUNT];
    let mut first = next;
    for weight in weight {
        let Some(rows) = values.get(first..).and_then(|rows| rows.first_chunk::<COUNT>()) else { break };
        for step in 0..PANEL {
            let weight = lanes.load_pair(&weight[step]);
            for row in 0..COUNT {
                sums[row] = lanes.add_product(rows[row][step], weight, sums[row]);
            }
        }
        first = first.wrapping_add(into.len());
    }
    for (row, into) in into[next..][..COUNT].iter_mut().enumerate() {
        lanes.store_pair(sums[row], &mut into[point]);
    }
}

/// Transformed inputs times transformed gradients of the outputs, summed over tiles.
pub(super) struct Outer<'a> {
    pub tiles: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// `[36 points][units of inputs][tiles]`.
    pub values: &'a [Unit],
    /// `[36 points][units of outputs][tiles]`.
    pub slopes: &'a [Unit],
    /// `[36 points][inputs][outputs]`.
    pub sums: &'a mut [f32],
    /// Whether they begin here, or are added to.
    pub is_first: bool,
}

impl Pass for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let Self { tiles, inputs, outputs, values, slopes, sums, is_first } = self;
        let (sums, _) = sums.as_chunks_mut::<PANEL>();
        let points = values.chunks_exact(values.len() / POINTS).zip(slopes.chunks_exact(slopes.len() / POINTS));
        for ((values, slopes), sums) in points.zip(sums.chunks_exact_mut(inputs * outputs / PANEL)) {
            for (unit, slopes) in slopes.chunks_exact(tiles).enumerate() {
                for (row, values) in values.chunks_exact(tiles).enumerate() {
                    let sums = &mut sums[row * outputs + unit..];
                    of_unit(lanes, values, slopes, is_first, outputs / PANEL, sums);
                }
            }
        }
    }
}

/// Adds Σ over tiles of sixteen inputs times sixteen outputs; where `is_first`, to nothing.
#[inline(always)]
fn of_unit<L: Eight>(lanes: L, values: &[Unit], slopes: &[Unit], is_first: bool, stride: usize, into: &mut [Unit]) {
    if L::ROWS > 6 {
        outer::<_, 16, 0>(lanes, values, slopes, is_first, stride, into);
    } else {
        outer::<_, 6, 0>(lanes, values, slopes, is_first, stride, into);
        outer::<_, 6, 6>(lanes, values, slopes, is_first, stride, into);
        outer::<_, 4, 12>(lanes, values, slopes, is_first, stride, into);
    }
}

/// Adds Σ over tiles of `ROWS` inputs from `FIRST` on times sixteen outputs; where `is_first`, to nothing.
#[inline(always)]
fn outer<L: Eight, const ROWS: usize, const FIRST: usize>(
    lanes: L,
    values: &[Unit],
    slopes: &[Unit],
    is_first: bool,
    stride: usize,
    into: &mut [Unit],
) {
    let mut sums = [lanes.splat_pair(0.0); ROWS];
    if !is_first {
        for row in 0..ROWS {
            sums[row] = lanes.load_pair(&into[(FIRST + row) * stride]);
        }
    }
    for (values, slopes) in values.iter().zip(slopes) {
        let slopes = lanes.load_pair(slopes);
        for row in 0..ROWS {
            sums[row] = lanes.add_product(values[FIRST + row], slopes, sums[row]);
        }
    }
    for row in 0..ROWS {
        lanes.store_pair(sums[row], &mut into[(FIRST + row) * stride]);
    }
}
