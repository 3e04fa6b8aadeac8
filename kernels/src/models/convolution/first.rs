//! The first convolution, 3×3 without padding, with relu: few input channels, so that sums over them are short.

use super::{
    lanes::{Eight, LANES},
    product::{load, store},
};

/// Pixels whose sums are held in registers at once, for four vectors of channels.
const PIXELS: usize = 3;

/// Weights as the kernels read them: `[3 · 3 · channels_in]`\[filters\], from `PyTorch`'s `[filters, channels_in, 3, 3]`.
pub(super) fn pack(weight: &[f32], channels: usize, filters: usize) -> Vec<f32> {
    let mut packed = vec![0.0; weight.len()];
    for (filter, kernel) in weight.chunks_exact(9 * channels).enumerate() {
        for (channel, taps) in kernel.chunks_exact(9).enumerate() {
            for (tap, &value) in taps.iter().enumerate() {
                packed[(tap * channels + channel) * filters + filter] = value;
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
                *value = packed[(tap * channels + channel) * filters + filter];
            }
        }
    }
}

/// An image and what it is convolved with.
#[derive(Clone, Copy)]
pub(super) struct Convolution<'a> {
    /// `[height, width, channels]`.
    pub image: &'a [f32],
    pub width: usize,
    pub channels: usize,
    /// As [`pack`] has it.
    pub weight: &'a [f32],
    pub bias: &'a [f32],
}

impl Convolution<'_> {
    /// Relu of the convolution, into `[height - 2, width - 2, filters]`.
    #[inline(always)]
    pub(super) fn forward<L: Eight>(self, lanes: L, into: &mut [f32]) {
        let filters = self.bias.len();
        let mut start = 0;
        while start < filters {
            if filters - start >= 4 * LANES {
                self.block::<L, 4>(lanes, start, into);
                start += 4 * LANES;
            } else {
                self.block::<L, 1>(lanes, start, into);
                start += LANES;
            }
        }
    }

    /// `VECTORS` vectors of channels from the channel `start` on.
    #[inline(always)]
    fn block<L: Eight, const VECTORS: usize>(self, lanes: L, start: usize, into: &mut [f32]) {
        let filters = self.bias.len();
        let across = self.width - 2;
        for (y, row) in into.chunks_exact_mut(across * filters).enumerate() {
            let mut x = 0;
            while x < across {
                if across - x >= PIXELS {
                    self.pixels::<L, VECTORS, PIXELS>(lanes, start, y, x, row);
                    x += PIXELS;
                } else {
                    self.pixels::<L, VECTORS, 1>(lanes, start, y, x, row);
                    x += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn pixels<L: Eight, const VECTORS: usize, const AT_ONCE: usize>(self, lanes: L, start: usize, y: usize, x: usize, row: &mut [f32]) {
        let filters = self.bias.len();
        let mut sums = [load::<L, VECTORS>(lanes, &self.bias[start..]); AT_ONCE];
        // The three pixels of one line below a kernel are contiguous, their channels too.
        let span = 3 * self.channels;
        for line in 0..3 {
            let pixels = &self.image[((y + line) * self.width + x) * self.channels..];
            let pixels: [&[f32]; AT_ONCE] = std::array::from_fn(|pixel| &pixels[pixel * self.channels..][..span]);
            let weights = &self.weight[line * span * filters..][..span * filters];
            for (tap, weights) in weights.chunks_exact(filters).enumerate().take(span) {
                let weights = &weights[start..].as_chunks::<LANES>().0[..VECTORS];
                let mut values = [lanes.splat(0.0); AT_ONCE];
                for pixel in 0..AT_ONCE {
                    values[pixel] = lanes.splat(pixels[pixel][tap]);
                }
                // Weights one by one: all at once would need a register more than there are.
                for vector in 0..VECTORS {
                    let weight = lanes.load(&weights[vector]);
                    for pixel in 0..AT_ONCE {
                        sums[pixel][vector] = lanes.multiply_add(values[pixel], weight, sums[pixel][vector]);
                    }
                }
            }
        }
        for pixel in 0..AT_ONCE {
            for sum in &mut sums[pixel] {
                *sum = lanes.maximum(*sum, lanes.splat(0.0));
            }
            store(lanes, sums[pixel], &mut row[(x + pixel) * filters + start..]);
        }
    }

    /// Adds to the gradient of the packed weights and of the bias what line `y` of the outputs' gradient, `[width - 2, filters]`, gives.
    #[inline(always)]
    pub(super) fn weight_gradient<L: Eight>(self, lanes: L, y: usize, gradient: &[f32], weight: &mut [f32], bias: &mut [f32]) {
        let filters = self.bias.len();
        let span = 3 * self.channels;
        for start in (0..filters).step_by(LANES) {
            let mut sum = load::<L, 1>(lanes, &bias[start..]);
            for pixel in gradient.chunks_exact(filters) {
                sum[0] = lanes.add(sum[0], load::<L, 1>(lanes, &pixel[start..])[0]);
            }
            store(lanes, sum, &mut bias[start..]);
            let mut tap = 0;
            while tap < 3 * span {
                if self.channels == 1 {
                    self.taps::<L, 3>(lanes, [y, start, tap], gradient, weight);
                    tap += 9;
                } else {
                    self.taps::<L, 1>(lanes, [y, start, tap], gradient, weight);
                    tap += 3;
                }
            }
        }
    }

    /// Three rows of the packed weights from `tap` on, which meet three numbers in a row, and so on for `ROWS` lines of the kernel.
    #[inline(always)]
    fn taps<L: Eight, const ROWS: usize>(self, lanes: L, [y, start, tap]: [usize; 3], gradient: &[f32], weight: &mut [f32]) {
        let filters = self.bias.len();
        let span = 3 * self.channels;
        let reach = (self.width - 2) * self.channels;
        let mut sums = [[lanes.splat(0.0); 3]; ROWS];
        let mut inputs: [&[f32]; ROWS] = [&[]; ROWS];
        for row in 0..ROWS {
            for offset in 0..3 {
                sums[row][offset] = load::<L, 1>(lanes, &weight[(tap + 3 * row + offset) * filters + start..])[0];
            }
            let (line, place) = ((tap + 3 * row) / span, (tap + 3 * row) % span);
            inputs[row] = &self.image[(y + line) * self.width * self.channels + place..][..reach - self.channels + 3];
        }
        let mut place = 0_usize;
        for pixel in gradient.chunks_exact(filters) {
            let pixel = load::<L, 1>(lanes, &pixel[start..])[0];
            for row in 0..ROWS {
                let Some(three) = inputs[row].get(place..).and_then(|from| from.first_chunk::<3>()) else { break };
                for offset in 0..3 {
                    sums[row][offset] = lanes.multiply_add(lanes.splat(three[offset]), pixel, sums[row][offset]);
                }
            }
            place = place.wrapping_add(self.channels);
        }
        for row in 0..ROWS {
            for offset in 0..3 {
                store(lanes, [sums[row][offset]], &mut weight[(tap + 3 * row + offset) * filters + start..]);
            }
        }
    }
}
