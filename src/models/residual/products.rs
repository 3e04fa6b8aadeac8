//! Products of the transformed tiles: one product of small matrices at each of the 36 points.
//!
//! Each kernel here and in the files beside is a pass of its own: where many are inlined into one function, the compiler keeps the constants of
//! one in the registers that another needs for its sums, which costs it half of its speed.

use super::points::{IN, POINTS, Unit};
use crate::models::convolution::{
    lanes::{Eight, Pass},
    product::{PANEL, load, store},
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
        // Five or six at once, so that none is left over, or few.
        let fives = (6 - tiles % 6) % 6;
        let (sixes, fives) = if 5 * fives <= tiles { ((tiles - 5 * fives) / 6, fives) } else { (0, 0) };
        let depth = weight.len() / POINTS;
        for (point, weight) in weight.chunks_exact(depth).enumerate() {
            let values = &values[point * depth / PANEL * tiles..][..depth / PANEL * tiles];
            let (weight, _) = weight.as_chunks::<PANEL>();
            let into = &mut into.as_chunks_mut::<IN>().0[point / IN * tiles..][..tiles];
            let point = point % IN;
            let mut next = 0;
            for _ in 0..sixes {
                block::<_, 6>(lanes, point, values, weight, next, into);
                next += 6;
            }
            for _ in 0..fives {
                block::<_, 5>(lanes, point, values, weight, next, into);
                next += 5;
            }
            while tiles - next >= 4 {
                block::<_, 4>(lanes, point, values, weight, next, into);
                next += 4;
            }
            while next < tiles {
                block::<_, 1>(lanes, point, values, weight, next, into);
                next += 1;
            }
        }
    }
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
    let mut sums = [[lanes.splat(0.0); 2]; COUNT];
    let mut first = next;
    for weight in weight {
        let Some(rows) = values.get(first..).and_then(|rows| rows.first_chunk::<COUNT>()) else { break };
        for step in 0..PANEL {
            let weight = load::<L, 2>(lanes, &weight[step]);
            for row in 0..COUNT {
                let value = lanes.splat(rows[row][step]);
                sums[row][0] = lanes.multiply_add(value, weight[0], sums[row][0]);
                sums[row][1] = lanes.multiply_add(value, weight[1], sums[row][1]);
            }
        }
        first = first.wrapping_add(into.len());
    }
    for (row, into) in into[next..][..COUNT].iter_mut().enumerate() {
        store(lanes, sums[row], &mut into[point]);
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
                    outer::<_, 6, 0>(lanes, values, slopes, is_first, outputs / PANEL, sums);
                    outer::<_, 6, 6>(lanes, values, slopes, is_first, outputs / PANEL, sums);
                    outer::<_, 4, 12>(lanes, values, slopes, is_first, outputs / PANEL, sums);
                }
            }
        }
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
    let mut sums = [[lanes.splat(0.0); 2]; ROWS];
    if !is_first {
        for row in 0..ROWS {
            sums[row] = load(lanes, &into[(FIRST + row) * stride]);
        }
    }
    for (values, slopes) in values.iter().zip(slopes) {
        let slopes = load::<L, 2>(lanes, slopes);
        for row in 0..ROWS {
            let value = lanes.splat(values[FIRST + row]);
            sums[row][0] = lanes.multiply_add(value, slopes[0], sums[row][0]);
            sums[row][1] = lanes.multiply_add(value, slopes[1], sums[row][1]);
        }
    }
    for row in 0..ROWS {
        store(lanes, sums[row], &mut into[(FIRST + row) * stride]);
    }
}
