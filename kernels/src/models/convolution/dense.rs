//! The dense layer after the pooling. Forward it is a product of matrices; backward three of four hidden units have no gradient (relu
//! and dropout cut it), so that the sums run over those that have one.

use super::{
    lanes::{Eight, LANES},
    product::{PANEL, add_row, in_blocks, load, load_pair, multiply, store, store_pair},
};

/// Features that the backward kernels hold in registers: eight vectors, so that the weights of a block stay in the first cache.
pub(super) const BLOCK: usize = 8 * LANES;
/// Rows that one task multiplies.
pub(super) const ROWS: usize = 48;
/// Features after which the kernel turns to the next panel: a panel's part and the rows stay in the caches.
const DEPTH: usize = 256;
/// Rows of the batch whose features stay in the first cache while the gradients of all units sum over them.
const SUMMED: usize = 64;

/// How `PyTorch` orders the inputs of a layer, `[channels, places]`, where ours are `[places, channels]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub places: usize,
    pub channels: usize,
}

impl Order {
    pub(super) fn inputs(self) -> usize {
        self.places * self.channels
    }

    /// Inputs with those added that are always zero.
    pub(super) fn padded(self) -> usize {
        self.inputs().next_multiple_of(BLOCK)
    }

    /// From one row of inputs to the next: a cache line more than they need, lest all rows of a block meet in a few sets of the cache.
    pub(super) fn stride(self) -> usize {
        self.padded() + PANEL
    }

    /// The column of `PyTorch`'s weight that our input meets.
    #[inline(always)]
    fn column(self, input: usize) -> usize {
        input % self.channels * self.places + input / self.channels
    }

    /// Sixteen units' weights, `[inputs]`\[16\], for the forward pass.
    pub(super) fn pack_panel(self, weight: &[f32], panel: usize, into: &mut [[f32; PANEL]]) {
        let rows: Vec<&[f32]> = weight.chunks_exact(self.inputs()).skip(panel * PANEL).take(PANEL).collect();
        for (input, into) in into.iter_mut().enumerate().take(self.inputs()) {
            let column = self.column(input);
            for (into, row) in into.iter_mut().zip(&rows) {
                *into = row[column];
            }
        }
    }

    /// Weights of one block of inputs, `[units]`\[[`BLOCK`]\], for the backward pass.
    pub(super) fn pack_block(self, weight: &[f32], block: usize, into: &mut [f32]) {
        let first = block * BLOCK;
        let columns: Vec<usize> = (first..self.inputs().min(first + BLOCK)).map(|input| self.column(input)).collect();
        for (row, into) in weight.chunks_exact(self.inputs()).zip(into.chunks_exact_mut(BLOCK)) {
            for (into, &column) in into.iter_mut().zip(&columns) {
                *into = row[column];
            }
        }
    }

    /// One unit's row of `PyTorch`'s weight from blocks, `[blocks][units]`\[[`BLOCK`]\].
    pub(super) fn unpack_row(self, blocks: &[f32], units: usize, unit: usize, into: &mut [f32]) {
        for (block, values) in blocks.chunks_exact(units * BLOCK).enumerate() {
            let first = block * BLOCK;
            let count = BLOCK.min(self.inputs() - first);
            for (offset, &value) in values[unit * BLOCK..][..count].iter().enumerate() {
                into[self.column(first + offset)] = value;
            }
        }
    }
}

/// Σ rows · weights + bias into `[rows][units padded to whole panels]`; rows are `[stride]` long, panels `[depth]`\[16\].
#[inline(always)]
pub(super) fn forward<L: Eight>(
    lanes: L,
    rows: &[f32],
    stride: usize,
    panels: &[[f32; PANEL]],
    depth: usize,
    bias: &[f32],
    into: &mut [f32],
) {
    let width = panels.len() / depth * PANEL;
    for first in (0..depth).step_by(DEPTH) {
        let depth_here = DEPTH.min(depth - first);
        for (panel, weights) in panels.chunks_exact(depth).enumerate() {
            let weights = &weights[first..][..depth_here];
            let bias = &bias[panel * PANEL..][..PANEL];
            let bias = if first == 0 { Some(bias) } else { None };
            let at = |row: usize| &rows[row * stride + first..][..depth_here];
            in_blocks!(L, rows.len() / stride, |row, COUNT| {
                let mut here: [&[f32]; COUNT] = [&[]; COUNT];
                for place in 0..COUNT {
                    here[place] = at(row + place);
                }
                forward_rows(lanes, here, weights, bias, width, &mut into[row * width + panel * PANEL..]);
            });
        }
    }
}

#[inline(always)]
fn forward_rows<L: Eight, const COUNT: usize>(
    lanes: L,
    rows: [&[f32]; COUNT],
    weights: &[[f32; PANEL]],
    bias: Option<&[f32]>,
    width: usize,
    into: &mut [f32],
) {
    let mut sums = [lanes.splat_pair(0.0); COUNT];
    for row in 0..COUNT {
        sums[row] = load_pair(lanes, bias.unwrap_or(&into[row * width..]));
    }
    let sums = multiply::<L, COUNT, LANES>(lanes, rows, weights, sums);
    for row in 0..COUNT {
        store_pair(lanes, sums[row], &mut into[row * width..]);
    }
}

/// Numbers that are not zero, and where they stand.
#[derive(Debug, Default, Clone)]
pub(super) struct Sparse {
    entries: Vec<(u32, f32)>,
    ends: Vec<usize>,
}

impl Sparse {
    /// The rows of `[rows, columns]`.
    pub(super) fn rows(values: &[f32], columns: usize) -> Self {
        let mut sparse = Self::default();
        for row in values.chunks_exact(columns) {
            let present = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
            sparse.entries.extend(present.map(|(column, &value)| (column as u32, value)));
            sparse.ends.push(sparse.entries.len());
        }
        sparse
    }

    /// The columns of `[rows, columns]`, in pieces of [`SUMMED`] rows: piece by piece, each with all its columns.
    pub(super) fn columns(values: &[f32], columns: usize) -> Self {
        let mut sparse = Self::default();
        for rows in values.chunks(SUMMED * columns) {
            for column in 0..columns {
                let present = rows[column..].iter().step_by(columns).enumerate().filter(|(_, value)| **value != 0.0);
                sparse.entries.extend(present.map(|(row, &value)| (row as u32, value)));
                sparse.ends.push(sparse.entries.len());
            }
        }
        sparse
    }

    pub(super) fn list(&self, place: usize) -> &[(u32, f32)] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.entries[start..self.ends[place]]
    }
}

/// The gradient of the weights of one block of inputs, `[units]`\[[`BLOCK`]\]: rows of inputs times the gradient of the units, given as
/// [`Sparse::columns`]. `rows` begins at the block.
#[inline(always)]
pub(super) fn weight_gradient<L: Eight>(lanes: L, rows: &[f32], stride: usize, gradient: &Sparse, into: &mut [f32]) {
    let units = into.len() / BLOCK;
    into.fill(0.0);
    for (piece, rows) in rows.chunks(SUMMED * stride).enumerate() {
        for (unit, into) in into.chunks_exact_mut(BLOCK).enumerate() {
            sum_rows(lanes, gradient.list(piece * units + unit), rows, stride, into);
        }
    }
}

/// The gradient of one block of inputs, `[rows]`\[[`BLOCK`]\], times `scale`: the gradient of the units is given as [`Sparse::rows`],
/// `weights` is `[units]`\[[`BLOCK`]\].
#[inline(always)]
pub(super) fn input_gradient<L: Eight>(lanes: L, gradient: &Sparse, weights: &[f32], scale: f32, into: &mut [f32]) {
    for (row, into) in into.chunks_exact_mut(BLOCK).enumerate() {
        into.fill(0.0);
        sum_rows(lanes, gradient.list(row), weights, BLOCK, into);
        into.iter_mut().for_each(|value| *value *= scale);
    }
}

/// Adds to `into` the listed rows times their factors.
#[inline(always)]
fn sum_rows<L: Eight>(lanes: L, list: &[(u32, f32)], rows: &[f32], stride: usize, into: &mut [f32]) {
    let mut sums = load::<L, { BLOCK / LANES }>(lanes, into);
    for &(row, factor) in list {
        add_row(lanes, factor, &rows[(row as usize).wrapping_mul(stride)..], &mut sums);
    }
    store(lanes, sums, into);
}
