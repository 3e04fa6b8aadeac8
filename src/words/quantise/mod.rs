//! Rows in few bits, with a proven bound of what that leaves out: what a search reads instead of the f32 matrix.
//!
//! Each row is kept twice, [`coarse`] in four bits a value and [`fine`] in eight. Both stand for the row's unit vector, and both
//! come with a [`RowBound`]: the scale of the codes, and how far the decoded row lies from the unit vector at most.

pub mod coarse;
pub mod fine;

use rayon::prelude::*;

use super::simd::vectorised;

/// Rows whose coarse codes are interleaved with one another.
pub const BLOCK_ROWS: usize = 16;

/// Norms outside this range are too near the ends of f32 for `row / norm` to be trusted: such rows are always scored exactly.
pub const ORDINARY_NORMS: std::ops::RangeInclusive<f32> = 1e-30..=1e30;

/// Borrowed view of all quantised rows of a set.
#[derive(Debug, Clone, Copy)]
pub struct QuantisedRows<'set> {
    /// [`coarse::codes_length`] bytes.
    pub coarse_codes: &'set [u8],
    /// One per row.
    pub coarse_bounds: &'set [RowBound],
    /// `[rows, fine::row_bytes(dimension)]`.
    pub fine_rows: &'set [i8],
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

/// Quantised rows while they are made; the parts are those of [`QuantisedRows`].
#[derive(Debug, Default)]
pub struct Quantised {
    pub coarse_codes: Vec<u8>,
    pub coarse_bounds: Vec<RowBound>,
    pub fine_rows: Vec<i8>,
}

impl Quantised {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.coarse_bounds.len()
    }

    /// Appends rows, in parallel. `values`: `[rows, dimension]`; `norms`: `[rows]`.
    ///
    /// A zero row decodes to zero without error.
    ///
    /// # Panics
    /// When the lengths don't fit one another, or an earlier call left a block of [`BLOCK_ROWS`] rows unfilled.
    pub fn append(&mut self, values: &[f32], norms: &[f32], dimension: usize) {
        assert_eq!(values.len(), norms.len() * dimension, "values are [rows, dimension]");
        assert!(norms.is_empty() || self.len().is_multiple_of(BLOCK_ROWS), "only the last block may be unfilled");
        let (first, coarse_start, fine_start) = (self.len(), self.coarse_codes.len(), self.fine_rows.len());
        let zeros = coarse::ZERO_CODE | coarse::ZERO_CODE << 4;
        self.coarse_codes.resize(coarse_start + coarse::codes_length(norms.len(), dimension), zeros);
        self.coarse_bounds.resize(first + norms.len(), RowBound::default());
        self.fine_rows.resize(fine_start + norms.len() * fine::row_bytes(dimension), 0);
        let coarse = self.coarse_codes[coarse_start..]
            .par_chunks_mut(BLOCK_ROWS * coarse::row_bytes(dimension))
            .zip(self.coarse_bounds[first..].par_chunks_mut(BLOCK_ROWS));
        let fine = self.fine_rows[fine_start..].par_chunks_mut(BLOCK_ROWS * fine::row_bytes(dimension));
        let rows = norms.par_chunks(BLOCK_ROWS).zip(values.par_chunks(BLOCK_ROWS * dimension));
        coarse.zip(fine).zip(rows).for_each(|((coarse, fine), (norms, values))| {
            vectorised(
                #[inline(always)]
                || quantise_block(values, norms, dimension, coarse, fine),
            );
        });
    }
}

/// Inlined into its dispatcher, so that it is compiled once for each instruction set; so are the functions that it calls.
#[inline(always)]
fn quantise_block(
    values: &[f32],
    norms: &[f32],
    dimension: usize,
    (coarse_codes, coarse_bounds): (&mut [u8], &mut [RowBound]),
    fine_rows: &mut [i8],
) {
    let (mut unit, mut steps) = (vec![0.0; dimension], vec![0.0; dimension]);
    let quantised = coarse_bounds.iter_mut().zip(fine_rows.chunks_exact_mut(fine::row_bytes(dimension)));
    for (lane, ((row, &norm), (coarse_bound, fine_row))) in values.chunks_exact(dimension).zip(norms).zip(quantised).enumerate() {
        for (unit, &value) in unit.iter_mut().zip(row) {
            *unit = value / norm;
        }
        if norm == 0.0 {
            // Its codes are zeros already, and say all that there is.
        } else if !ORDINARY_NORMS.contains(&norm) || !is_unit(row, norm) {
            let unknown = RowBound { scale: 0.0, error: f32::INFINITY };
            *coarse_bound = unknown;
            fine::set_bound(fine_row, unknown);
        } else {
            *coarse_bound = coarse::quantise_row(&unit, lane, coarse_codes, &mut steps);
            fine::quantise_row(&unit, fine_row, &mut steps);
        }
    }
}

/// Whether `row / norm` has length 1, nearly.
#[inline(always)]
fn is_unit(row: &[f32], norm: f32) -> bool {
    let square: f64 = row.iter().map(|&value| (f64::from(value) / f64::from(norm)).powi(2)).sum();
    (square - 1.0).abs() <= 1e-5
}

/// Norm of `unit - scale * steps` in f64, rounded up to f32.
#[inline(always)]
fn error_norm(unit: &[f32], scale: f32, steps: &[f32]) -> f32 {
    let scale = f64::from(scale);
    let square: f64 = unit.iter().zip(steps).map(|(&unit, &step)| (f64::from(unit) - scale * f64::from(step)).powi(2)).sum();
    // One part in a million is above the rounding of this sum and of the conversion; `unit` itself is off by half a unit in the last
    // place of each value, 2^-24 of its length at most.
    (square.sqrt() * (1.0 + 1e-6)) as f32 + f32::EPSILON
}
