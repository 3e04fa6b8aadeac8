//! The one product of matrices that the forward pass is made of, and sums of rows for the backward pass.
//!
//! Here and in all kernels: vectors are never touched in a closure that the standard library calls (`from_fn`, `map`), since such a
//! call is not compiled for the machine's vector instructions, which costs several times the time.

use super::lanes::{Eight, LANES};

/// Outputs that a panel of packed weights holds: two vectors, so that six rows fill the registers.
pub(in crate::models) const PANEL: usize = 2 * LANES;

/// Σₖ `rows[r][k] · panel[k]` for each row r. The sums of a row are the same whatever the number of rows. Rows are as long as a multiple of
/// `STEPS`, the steps between two checks of bounds.
#[inline(always)]
pub(in crate::models) fn multiply<L: Eight, const ROWS: usize, const STEPS: usize>(
    lanes: L,
    rows: [&[f32]; ROWS],
    panel: &[[f32; PANEL]],
    mut sums: [[L::Numbers; 2]; ROWS],
) -> [[L::Numbers; 2]; ROWS] {
    let (panel, _) = panel.as_chunks::<STEPS>();
    let mut ends: [&[[f32; STEPS]]; ROWS] = [&[]; ROWS];
    for row in 0..ROWS {
        ends[row] = &rows[row].as_chunks::<STEPS>().0[..panel.len()];
    }
    for k in 0..panel.len() {
        for step in 0..STEPS {
            let (halves, _) = panel[k][step].as_chunks::<LANES>();
            let (first, second) = (lanes.load(&halves[0]), lanes.load(&halves[1]));
            for row in 0..ROWS {
                let value = lanes.splat(ends[row][k][step]);
                sums[row][0] = lanes.multiply_add(value, first, sums[row][0]);
                sums[row][1] = lanes.multiply_add(value, second, sums[row][1]);
            }
        }
    }
    sums
}

/// The `VECTORS` first vectors of `from`.
#[inline(always)]
pub(in crate::models) fn load<L: Eight, const VECTORS: usize>(lanes: L, from: &[f32]) -> [L::Numbers; VECTORS] {
    let from = &from.as_chunks::<LANES>().0[..VECTORS];
    let mut vectors = [lanes.splat(0.0); VECTORS];
    for vector in 0..VECTORS {
        vectors[vector] = lanes.load(&from[vector]);
    }
    vectors
}

/// Writes vectors to the front of `into`.
#[inline(always)]
pub(in crate::models) fn store<L: Eight, const VECTORS: usize>(lanes: L, vectors: [L::Numbers; VECTORS], into: &mut [f32]) {
    let into = &mut into.as_chunks_mut::<LANES>().0[..VECTORS];
    for vector in 0..VECTORS {
        lanes.store(vectors[vector], &mut into[vector]);
    }
}

/// sums + factor · row.
#[inline(always)]
pub(in crate::models) fn add_row<L: Eight, const VECTORS: usize>(lanes: L, factor: f32, row: &[f32], sums: &mut [L::Numbers; VECTORS]) {
    let row = &row.as_chunks::<LANES>().0[..VECTORS];
    let factor = lanes.splat(factor);
    for vector in 0..VECTORS {
        sums[vector] = lanes.multiply_add(factor, lanes.load(&row[vector]), sums[vector]);
    }
}
