//! Gradients of the second convolution. Of the four places of a window only the one with the greatest value has a gradient, and that
//! only where neither relu nor dropout cut it: about one in eight. So the sums run over these winners alone, each of which is a row of
//! contiguous numbers times one factor.

use super::{
    lanes::{Eight, LANES},
    product::{add_row, load, store},
};

/// Lines of windows whose winners are listed at once, so that the features below them stay in the first cache.
const LINES: usize = 3;

/// Weights for the gradient of the features: `[3 lines][filters][3 · channels]`, from `PyTorch`'s `[filters, channels, 3, 3]`.
pub(super) fn pack(weight: &[f32], channels: usize, filters: usize) -> Vec<f32> {
    let mut packed = vec![0.0; weight.len()];
    for (filter, kernel) in weight.chunks_exact(9 * channels).enumerate() {
        for (channel, taps) in kernel.chunks_exact(9).enumerate() {
            for (tap, &value) in taps.iter().enumerate() {
                packed[((tap / 3 * filters + filter) * 3 + tap % 3) * channels + channel] = value;
            }
        }
    }
    packed
}

/// The inverse of [`pack`], for gradients.
pub(super) fn unpack(packed: &[f32], channels: usize, filters: usize, into: &mut [f32]) {
    for (filter, kernel) in into.chunks_exact_mut(9 * channels).enumerate() {
        for (channel, taps) in kernel.chunks_exact_mut(9).enumerate() {
            for (tap, value) in taps.iter_mut().enumerate() {
                *value = packed[((tap / 3 * filters + filter) * 3 + tap % 3) * channels + channel];
            }
        }
    }
}

/// One image's winners, and the gradient of what they won.
#[derive(Clone, Copy)]
pub(super) struct Winners<'a> {
    /// Windows down and across.
    pub pooled: [usize; 2],
    /// Of the features that were convolved.
    pub width: usize,
    pub channels: usize,
    pub filters: usize,
    /// For each window and each of its places the filters that won there, as bits.
    pub sets: &'a [[u64; 4]],
    /// `[window][filters]`.
    pub gradient: &'a [f32],
}

/// The winners of each filter in a few lines of windows: where their features begin, and their gradient.
pub(super) struct Lists {
    entries: Vec<(u32, f32)>,
    lengths: Vec<usize>,
}

impl Lists {
    pub(super) fn new(filters: usize, across: usize) -> Self {
        Self { entries: vec![(0, 0.0); filters * LINES * across], lengths: vec![0; filters] }
    }
}

impl Winners<'_> {
    /// Adds to the gradient of the weights, laid out as [`pack`] has them. `features` is `[height, width, channels]`.
    #[inline(always)]
    pub(super) fn weight_gradient<L: Eight>(self, lanes: L, features: &[f32], lists: &mut Lists, weight: &mut [f32], bias: &mut [f32]) {
        let span = 3 * self.channels;
        let capacity = lists.entries.len() / self.filters;
        for first in (0..self.pooled[0]).step_by(LINES) {
            self.list(first, capacity, lists);
            for filter in 0..self.filters {
                let entries = &lists.entries[filter * capacity..][..lists.lengths[filter]];
                bias[filter] += entries.iter().map(|&(_, gradient)| gradient).sum::<f32>();
                for line in 0..3 {
                    let sums = &mut weight[(line * self.filters + filter) * span..][..span];
                    let features = &features[line * self.width * self.channels..];
                    let mut start = 0;
                    while start < span {
                        if span - start >= 12 * LANES {
                            add_all::<L, 12>(lanes, entries, &features[start..], &mut sums[start..]);
                            start += 12 * LANES;
                        } else {
                            add_all::<L, 3>(lanes, entries, &features[start..], &mut sums[start..]);
                            start += 3 * LANES;
                        }
                    }
                }
            }
        }
    }

    /// Lists the winners in [`LINES`] lines of windows from `first` on.
    #[inline(always)]
    fn list(self, first: usize, capacity: usize, lists: &mut Lists) {
        lists.lengths.fill(0);
        for line in first..self.pooled[0].min(first + LINES) {
            for across in 0..self.pooled[1] {
                let window = line * self.pooled[1] + across;
                let gradient = &self.gradient[window * self.filters..][..self.filters];
                for (place, &set) in self.sets[window].iter().enumerate() {
                    let offset = ((2 * line + place / 2) * self.width + 2 * across + place % 2) * self.channels;
                    let mut left = set;
                    while left != 0 {
                        let filter = left.trailing_zeros() as usize;
                        left &= left.wrapping_sub(1);
                        let length = &mut lists.lengths[filter];
                        lists.entries[filter.wrapping_mul(capacity).wrapping_add(*length)] = (offset as u32, gradient[filter]);
                        *length = length.wrapping_add(1);
                    }
                }
            }
        }
    }

    /// The gradient of line `y` of the features, `[width, channels]`; `weight` as [`pack`] has it.
    #[inline(always)]
    pub(super) fn feature_gradient<L: Eight>(self, lanes: L, y: usize, weight: &[f32], into: &mut [f32]) {
        into.fill(0.0);
        for line in 0..3 {
            let below = y.wrapping_sub(line);
            if below >= 2 * self.pooled[0] {
                continue;
            }
            let weight = &weight[line * self.filters * 3 * self.channels..][..self.filters * 3 * self.channels];
            let mut start = 0;
            while start < self.channels {
                if self.channels - start >= 4 * LANES {
                    self.add_line::<L, 4>(lanes, below, start, weight, into);
                    start += 4 * LANES;
                } else {
                    self.add_line::<L, 1>(lanes, below, start, weight, into);
                    start += LANES;
                }
            }
        }
    }

    /// Adds what the winners of line `y` of the convolution give through one line of the kernel. The sums of the three pixels that a
    /// winner reaches stay in registers, and move on by one with it.
    #[inline(always)]
    fn add_line<L: Eight, const VECTORS: usize>(self, lanes: L, y: usize, start: usize, weight: &[f32], into: &mut [f32]) {
        let span = 3 * self.channels;
        let zero = [lanes.splat(0.0); VECTORS];
        let mut sums = [zero; 3];
        let across = self.pooled[1];
        let sets = &self.sets[y / 2 * across..][..across];
        let gradients = &self.gradient[y / 2 * across * self.filters..][..across * self.filters];
        let mut pixels = into.chunks_exact_mut(self.channels);
        for (sets, gradient) in sets.iter().zip(gradients.chunks_exact(self.filters)) {
            for side in 0..2 {
                let mut left = sets[(y % 2) * 2 + side];
                while left != 0 {
                    let filter = left.trailing_zeros() as usize;
                    left &= left.wrapping_sub(1);
                    let row = &weight[filter.wrapping_mul(span)..][..span];
                    for column in 0..3 {
                        add_row(lanes, gradient[filter], &row[column * self.channels + start..], &mut sums[column]);
                    }
                }
                add(lanes, sums[0], pixels.next(), start);
                sums = [sums[1], sums[2], zero];
            }
        }
        add(lanes, sums[0], pixels.next(), start);
        add(lanes, sums[1], pixels.next(), start);
    }
}

/// Adds vectors to a pixel, from the channel `start` on.
#[inline(always)]
fn add<L: Eight, const VECTORS: usize>(lanes: L, mut sums: [L::Numbers; VECTORS], pixel: Option<&mut [f32]>, start: usize) {
    if let Some(pixel) = pixel {
        let before = load::<L, VECTORS>(lanes, &pixel[start..]);
        for vector in 0..VECTORS {
            sums[vector] = lanes.add(before[vector], sums[vector]);
        }
        store(lanes, sums, &mut pixel[start..]);
    }
}

#[inline(always)]
fn add_all<L: Eight, const VECTORS: usize>(lanes: L, entries: &[(u32, f32)], features: &[f32], into: &mut [f32]) {
    let mut sums = load::<L, VECTORS>(lanes, into);
    for &(offset, gradient) in entries {
        add_row(lanes, gradient, &features[offset as usize..], &mut sums);
    }
    store(lanes, sums, into);
}
