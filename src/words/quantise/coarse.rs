//! Four bits a value: the first pass of a search reads all of these.
//!
//! Rows are taken [`BLOCK_ROWS`] at a time and interleaved, four dimensions of each row side by side, so that one vector
//! register holds the same dimensions of several rows and each lane sums its own row: no horizontal additions, and no padding
//! beyond eight dimensions. Within a block, byte `64 g + 4 r + j` holds dimensions `8 g + j` (low nibble) and `8 g + 4 + j`
//! (high nibble) of row `r`. A nibble `c` stands for `(c - 8) * scale`.

use super::{BLOCK_ROWS, RowBound, error_norm};

/// Dimensions that share a 64-byte line of a block.
pub const GROUP_DIMENSIONS: usize = 8;

/// Bytes of one row's group.
pub const PART_BYTES: usize = GROUP_DIMENSIONS / 2;

/// Bytes of one group of a whole block.
pub const LINE_BYTES: usize = BLOCK_ROWS * PART_BYTES;

/// The code of the value zero.
pub const ZERO_CODE: u8 = 8;

/// Bytes of codes for one row of `dimension` values.
#[must_use]
pub const fn row_bytes(dimension: usize) -> usize {
    dimension.div_ceil(GROUP_DIMENSIONS) * GROUP_DIMENSIONS / 2
}

/// Bytes of codes for `rows` rows: whole blocks of [`BLOCK_ROWS`].
#[must_use]
pub const fn codes_length(rows: usize, dimension: usize) -> usize {
    rows.div_ceil(BLOCK_ROWS) * BLOCK_ROWS * row_bytes(dimension)
}

/// Writes the codes of row `lane` of a block that holds [`ZERO_CODE`] alone, of its `unit` vector; `steps` is scratch: `[dimension]`.
#[inline(always)]
pub(super) fn quantise_row(unit: &[f32], lane: usize, codes: &mut [u8], steps: &mut Vec<f32>) -> RowBound {
    let scale = best_scale(unit, steps);
    for (j, &step) in steps.iter().enumerate() {
        let code = (step + f32::from(ZERO_CODE)) as u8;
        let (group, within) = (j / GROUP_DIMENSIONS, j % GROUP_DIMENSIONS);
        let byte = &mut codes[group * LINE_BYTES + lane * PART_BYTES + within % PART_BYTES];
        *byte = if within < PART_BYTES { *byte & 0xf0 | code } else { *byte & 0x0f | code << 4 };
    }
    RowBound { scale, error: error_norm(unit, scale, steps) }
}

/// The step size that leaves the least error among some that clip the largest value more and more, and its `steps`.
#[inline(always)]
fn best_scale(unit: &[f32], steps: &mut Vec<f32>) -> f32 {
    let extreme = unit.iter().fold(0.0_f32, |extreme, &value| if value.abs() > extreme.abs() { value } else { extreme });
    let (mut most, mut scale) = (f32::NEG_INFINITY, 1.0);
    let mut trial = steps.clone();
    for clip in [1.0, 0.93, 0.86, 0.79, 0.72, 0.65, 0.58] {
        // The side of the extreme value gets the longer half of the codes (-8 to 7), by the sign of the scale.
        round_to_steps(unit, -extreme * clip / 8.0, &mut trial);
        let (along, square) = lane_sums(unit, &trial);
        // With its least-squares scale `along / square`, a decoded row leaves |unit|^2 - along^2 / square.
        if square > 0.0 && along * along / square > most {
            (most, scale) = (along * along / square, along / square);
            std::mem::swap(steps, &mut trial);
        }
    }
    scale
}

#[inline(always)]
fn round_to_steps(unit: &[f32], scale: f32, steps: &mut [f32]) {
    let inverse = 1.0 / scale;
    for (step, &value) in steps.iter_mut().zip(unit) {
        *step = ((value * inverse).clamp(-8.0, 7.0) + 8.5).floor() - 8.0;
    }
}

/// Sums of `unit * steps` and of `steps * steps`, in lanes so that they vectorise.
#[inline(always)]
fn lane_sums(unit: &[f32], steps: &[f32]) -> (f32, f32) {
    const LANES: usize = 8;
    let (mut along, mut square) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (unit_chunks, step_chunks) = (unit.chunks_exact(LANES), steps.chunks_exact(LANES));
    let tail = unit_chunks.remainder().iter().zip(step_chunks.remainder());
    let (tail_along, tail_square) = tail.fold((0.0, 0.0), |(along, square), (u, s)| (along + u * s, square + s * s));
    for (unit, steps) in unit_chunks.zip(step_chunks) {
        for lane in 0..LANES {
            along[lane] += unit[lane] * steps[lane];
            square[lane] += steps[lane] * steps[lane];
        }
    }
    (along.iter().sum::<f32>() + tail_along, square.iter().sum::<f32>() + tail_square)
}
