//! Four-bit rows with a proven error bound: what the first pass of a search reads instead of the f32 matrix.
//!
//! Rows are taken [`BLOCK_ROWS`] at a time and interleaved, four dimensions of each row side by side, so that one vector
//! register holds the same dimensions of several rows and each lane sums its own row: no horizontal additions, and no padding
//! beyond eight dimensions. Within a block, byte `64 g + 4 r + j` holds dimensions `8 g + j` (low nibble) and `8 g + 4 + j`
//! (high nibble) of row `r`. A nibble `c` stands for `(c - 8) * scale`.

use rayon::prelude::*;

use super::simd::vectorised;

/// Rows that are interleaved with one another.
pub const BLOCK_ROWS: usize = 16;

/// Dimensions that share a 64-byte line of a block.
pub const GROUP_DIMENSIONS: usize = 8;

/// Bytes of one row's group.
pub const PART_BYTES: usize = GROUP_DIMENSIONS / 2;

/// Bytes of one group of a whole block.
pub const LINE_BYTES: usize = BLOCK_ROWS * PART_BYTES;

/// The code of the value zero.
pub const ZERO_CODE: u8 = 8;

/// Norms outside this range are too near the ends of f32 for `row / norm` to be trusted: such rows are always scored exactly.
pub const ORDINARY_NORMS: std::ops::RangeInclusive<f32> = 1e-30..=1e30;

/// Borrowed view of all quantised rows of a set.
#[derive(Debug, Clone, Copy)]
pub struct QuantisedRows<'set> {
    /// Packed codes: [`codes_length`] bytes.
    pub codes: &'set [u8],
    /// One scale and one error norm per row.
    pub bounds: &'set [RowBound],
}

/// What turns a row's codes back into a unit vector, and how far off that can be.
#[derive(Debug, Clone, Copy, PartialEq, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct RowBound {
    /// Value of one code step.
    pub scale: f32,
    /// Euclidean norm of (unit row - decoded row), rounded up; infinite where the row must always be scored exactly.
    pub error: f32,
}

/// Quantises `values / norms` row by row, in parallel.
///
/// `values`: `[rows, dimension]`; `norms`: `[rows]`; `codes`: `[codes_length(rows, dimension)]`; `bounds`: `[rows]`. A large matrix may be
/// quantised in pieces, as long as every piece but the last has a multiple of [`BLOCK_ROWS`] rows. A zero row decodes to
/// zero without error.
///
/// # Panics
/// When the lengths don't fit one another.
pub fn quantise(values: &[f32], norms: &[f32], dimension: usize, codes: &mut [u8], bounds: &mut [RowBound]) {
    assert_eq!(values.len(), norms.len() * dimension, "values are [rows, dimension]");
    assert_eq!(codes.len(), codes_length(norms.len(), dimension), "codes are packed by blocks");
    assert_eq!(bounds.len(), norms.len(), "one bound per row");
    if norms.is_empty() {
        return;
    }
    codes
        .par_chunks_mut(BLOCK_ROWS * code_bytes(dimension))
        .zip(bounds.par_chunks_mut(BLOCK_ROWS))
        .zip(norms.par_chunks(BLOCK_ROWS).zip(values.par_chunks(BLOCK_ROWS * dimension)))
        .for_each(|((codes, bounds), (norms, values))| {
            vectorised(
                #[inline(always)]
                || quantise_block(values, norms, dimension, codes, bounds),
            );
        });
}

/// Bytes of codes for one row of `dimension` values.
#[must_use]
pub const fn code_bytes(dimension: usize) -> usize {
    dimension.div_ceil(GROUP_DIMENSIONS) * GROUP_DIMENSIONS / 2
}

/// Bytes of codes for `rows` rows: whole blocks of [`BLOCK_ROWS`].
#[must_use]
pub const fn codes_length(rows: usize, dimension: usize) -> usize {
    rows.div_ceil(BLOCK_ROWS) * BLOCK_ROWS * code_bytes(dimension)
}

/// Inlined into its dispatcher, so that it is compiled once for each instruction set; so are the functions below.
#[inline(always)]
#[allow(clippy::inline_always)]
fn quantise_block(values: &[f32], norms: &[f32], dimension: usize, codes: &mut [u8], bounds: &mut [RowBound]) {
    codes.fill(ZERO_CODE | ZERO_CODE << 4);
    let (mut unit, mut steps) = (vec![0.0; dimension], vec![0.0; dimension]);
    for (lane, ((row, &norm), bound)) in values.chunks_exact(dimension).zip(norms).zip(bounds).enumerate() {
        if norm == 0.0 || !ORDINARY_NORMS.contains(&norm) {
            *bound = RowBound { scale: 0.0, error: if norm == 0.0 { 0.0 } else { f32::INFINITY } };
            continue;
        }
        for (unit, &value) in unit.iter_mut().zip(row) {
            *unit = value / norm;
        }
        let scale = best_scale(&unit, &mut steps);
        *bound = RowBound { scale, error: error_norm(row, norm, scale, &steps) };
        for (j, &step) in steps.iter().enumerate() {
            let code = (step + f32::from(ZERO_CODE)) as u8;
            let (group, within) = (j / GROUP_DIMENSIONS, j % GROUP_DIMENSIONS);
            let byte = &mut codes[group * LINE_BYTES + lane * PART_BYTES + within % PART_BYTES];
            *byte = if within < PART_BYTES { *byte & 0xf0 | code } else { *byte & 0x0f | code << 4 };
        }
    }
}

/// The step size that leaves the least error among some that clip the largest value more and more, and its `steps`.
#[inline(always)]
#[allow(clippy::inline_always)]
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
#[allow(clippy::inline_always)]
fn round_to_steps(unit: &[f32], scale: f32, steps: &mut [f32]) {
    let inverse = 1.0 / scale;
    for (step, &value) in steps.iter_mut().zip(unit) {
        *step = ((value * inverse).clamp(-8.0, 7.0) + 8.5).floor() - 8.0;
    }
}

/// Sums of `unit * steps` and of `steps * steps`, in lanes so that they vectorise.
#[inline(always)]
#[allow(clippy::inline_always)]
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

/// Norm of `row / norm - scale * steps` in f64, rounded up to f32; infinite where `row / norm` is no unit vector.
#[inline(always)]
#[allow(clippy::inline_always)]
fn error_norm(row: &[f32], norm: f32, scale: f32, steps: &[f32]) -> f32 {
    let (norm, scale) = (f64::from(norm), f64::from(scale));
    let (mut square, mut length) = (0.0, 0.0);
    for (&value, &step) in row.iter().zip(steps) {
        let unit = f64::from(value) / norm;
        square += (unit - scale * f64::from(step)).powi(2);
        length += unit * unit;
    }
    if (length - 1.0).abs() > 1e-5 {
        return f32::INFINITY;
    }
    // One part in a million is above the rounding of this sum and of the conversion.
    (square.sqrt() * (1.0 + 1e-6)) as f32 + f32::MIN_POSITIVE
}
