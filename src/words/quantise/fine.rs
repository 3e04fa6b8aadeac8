//! Eight bits a value: what a search reads of the rows that the coarse codes leave.
//!
//! Row after row, each padded with zeros to a multiple of [`LANES`] values. A code `c` stands for `c * scale`.

use super::{RowBound, error_norm};

/// Values that are multiplied at once.
pub const LANES: usize = 16;

/// The largest code; as many codes lie below zero.
pub const LARGEST_CODE: i8 = i8::MAX;

/// Codes of one row of `dimension` values.
#[must_use]
pub const fn row_codes(dimension: usize) -> usize {
    dimension.next_multiple_of(LANES)
}

/// Writes the codes of a row with this `unit` vector; `steps` is scratch: `[dimension]`.
#[inline(always)]
pub(super) fn quantise_row(unit: &[f32], codes: &mut [i8], steps: &mut [f32]) -> RowBound {
    let largest = unit.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / f32::from(LARGEST_CODE);
    let inverse = f32::from(LARGEST_CODE) / largest;
    for (step, &value) in steps.iter_mut().zip(unit) {
        *step = (value * inverse + 0.5).floor();
    }
    for (code, &step) in codes.iter_mut().zip(&*steps) {
        *code = step as i8;
    }
    RowBound { scale, error: error_norm(unit, scale, steps) }
}
