//! The one product of matrices that the forward pass is made of, and sums of rows for the backward pass.
//!
//! Here and in all kernels: vectors are never touched in a closure that the standard library calls (`from_fn`, `map`), since such a
//! call is not compiled for the machine's vector instructions, which costs several times the time.

pub(in crate::models) use super::lanes::PANEL;
use super::lanes::{Eight, LANES};

/// Does something to rows in blocks of nearly one size, each as many rows at once as registers hold: `$block` with the constant `$COUNT`, from the row
/// `$first` on. A macro, since how many rows a block has must be known when it is compiled.
macro_rules! in_blocks {
    ($L:ident, $rows:expr, |$first:ident, $COUNT:ident| $block:expr) => {{
        let rows: usize = $rows;
        let mut $first = 0;
        for left in (1..=rows.div_ceil($L::ROWS)).rev() {
            let size = (rows - $first).div_ceil(left);
            $crate::models::convolution::product::in_blocks!(@ size, $first, $COUNT, $block, $L::ROWS > 6, 12 11 10 9 8 7);
            $crate::models::convolution::product::in_blocks!(@ size, $first, $COUNT, $block, true, 6 5 4 3 2 1);
            $first += size;
        }
    }};
    (@ $size:ident, $first:ident, $COUNT:ident, $block:expr, $is_held:expr, $($count:literal)*) => {
        $(if $is_held && $size == $count {
            const $COUNT: usize = $count;
            $block
        })*
    };
}
pub(in crate::models) use in_blocks;

/// Σₖ `rows[r][k] · panel[k]` for each row r. The sums of a row are the same whatever the number of rows. Rows are as long as a multiple of
/// `STEPS`, the steps between two checks of bounds.
#[inline(always)]
pub(in crate::models) fn multiply<L: Eight, const ROWS: usize, const STEPS: usize>(
    lanes: L,
    rows: [&[f32]; ROWS],
    panel: &[[f32; PANEL]],
    mut sums: [L::Pair; ROWS],
) -> [L::Pair; ROWS] {
    let (panel, _) = panel.as_chunks::<STEPS>();
    let mut ends: [&[[f32; STEPS]]; ROWS] = [&[]; ROWS];
    for row in 0..ROWS {
        ends[row] = &rows[row].as_chunks::<STEPS>().0[..panel.len()];
    }
    for k in 0..panel.len() {
        for step in 0..STEPS {
            let weights = lanes.load_pair(&panel[k][step]);
            for row in 0..ROWS {
                sums[row] = lanes.add_product(ends[row][k][step], weights, sums[row]);
            }
        }
    }
    sums
}

/// The sixteen first numbers of `from`.
#[inline(always)]
pub(in crate::models) fn load_pair<L: Eight>(lanes: L, from: &[f32]) -> L::Pair {
    lanes.load_pair(&from.as_chunks::<PANEL>().0[0])
}

/// Writes sixteen numbers to the front of `into`.
#[inline(always)]
pub(in crate::models) fn store_pair<L: Eight>(lanes: L, pair: L::Pair, into: &mut [f32]) {
    lanes.store_pair(pair, &mut into.as_chunks_mut::<PANEL>().0[0]);
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
