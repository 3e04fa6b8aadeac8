//! Eight bits a value: what a search reads of the rows that the coarse codes leave.
//!
//! Row after row: the codes, zeros, and in the last bytes the row's [`RowBound`], so that whoever reads a row from a cold place in memory
//! has all of it at once. A code `c` stands for `c * scale`. Products with a query run over whole rows, since its codes are zeros
//! where the bound lies.

use super::{RowBound, error_norm};

/// Values that are multiplied at once.
pub const LANES: usize = 16;

/// The largest code; as many codes lie below zero.
pub const LARGEST_CODE: i8 = i8::MAX;

/// Bytes of one row of `dimension` values: a multiple of [`LANES`].
#[must_use]
pub const fn row_bytes(dimension: usize) -> usize {
    (dimension + size_of::<RowBound>()).next_multiple_of(LANES)
}

/// The bound that `row` carries.
#[inline(always)]
#[must_use]
pub fn bound(row: &[i8]) -> RowBound {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&row[row.len() - size_of::<RowBound>()..]))
}

/// Makes `bound` the one that `row` carries.
#[inline(always)]
pub(super) fn set_bound(row: &mut [i8], bound: RowBound) {
    let start = row.len() - size_of::<RowBound>();
    bytemuck::cast_slice_mut(&mut row[start..]).copy_from_slice(bytemuck::bytes_of(&bound));
}

/// Writes a row with this `unit` vector; `steps` is scratch: `[dimension]`.
#[inline(always)]
pub(super) fn quantise_row(unit: &[f32], row: &mut [i8], steps: &mut [f32]) {
    let largest = unit.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / f32::from(LARGEST_CODE);
    let inverse = f32::from(LARGEST_CODE) / largest;
    for (step, &value) in steps.iter_mut().zip(unit) {
        *step = (value * inverse + 0.5).floor();
    }
    for (code, &step) in row.iter_mut().zip(&*steps) {
        *code = step as i8;
    }
    set_bound(row, RowBound { scale, error: error_norm(unit, scale, steps) });
}
