//! The second convolution, 3×3 without padding, with relu and max-pooling 2×2, by the minimal algorithm F(2×2, 3×3): 16
//! multiplications for the four sums of a window instead of 36. A tile of the algorithm is a window of the pooling, so that what is not
//! pooled never exists.
//!
//! Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks", section 4.1. The transforms add, subtract and
//! halve, so that the rounding errors are those of the plain sums.

use super::{
    lanes::{Eight, LANES},
    product::{PANEL, in_blocks, multiply},
};

/// Numbers that a tile is transformed into.
const POINTS: usize = 16;
/// Windows worked on at once, at most: what multiplication fits in the registers ([`Eight::ROWS`]), and all that is transformed in the first cache.
const WINDOWS: usize = 12;

/// Transformed weights G g Gᵀ as `[panel of 16 filters][16 points][channels]`\[16\], from `PyTorch`'s `[filters, channels, 3, 3]`.
pub(super) fn pack(weight: &[f32], channels: usize, filters: usize) -> Vec<[f32; PANEL]> {
    let mut packed = vec![[0.0; PANEL]; filters.div_ceil(PANEL) * POINTS * channels];
    let three = |g: [f32; 3]| {
        let (ends, middle) = (f32::midpoint(g[0], g[2]), g[1] / 2.0);
        [g[0], ends + middle, ends - middle, g[2]]
    };
    for (filter, kernel) in weight.chunks_exact(9 * channels).enumerate() {
        for (channel, taps) in kernel.chunks_exact(9).enumerate() {
            let lines: [[f32; 4]; 3] = std::array::from_fn(|line| three([taps[3 * line], taps[3 * line + 1], taps[3 * line + 2]]));
            for across in 0..4 {
                let column = three([lines[0][across], lines[1][across], lines[2][across]]);
                for down in 0..4 {
                    let place = (filter / PANEL * POINTS + 4 * down + across) * channels + channel;
                    packed[place][filter % PANEL] = column[down];
                }
            }
        }
    }
    packed
}

/// What the forward pass works in.
pub(super) struct Scratch {
    /// `[windows at once][16 points][channels]`.
    tiles: Vec<f32>,
    /// `[16 points][windows at once][16]`.
    sums: Vec<[f32; PANEL]>,
}

impl Scratch {
    pub(super) fn new(channels: usize) -> Self {
        Self { tiles: vec![0.0; POINTS * WINDOWS * channels], sums: vec![[0.0; PANEL]; POINTS * WINDOWS] }
    }
}

/// An image's features and what they are convolved with.
#[derive(Clone, Copy)]
pub(super) struct Convolution<'a> {
    /// `[height, width, channels]`.
    pub features: &'a [f32],
    pub width: usize,
    pub channels: usize,
    /// Windows down and across.
    pub pooled: [usize; 2],
    /// As [`pack`] has it.
    pub weight: &'a [[f32; PANEL]],
    /// `[filters]`.
    pub bias: &'a [f32],
    /// Factors of dropout, `[window][filters]`; none: all 1.
    pub mask: Option<&'a [f32]>,
}

impl Convolution<'_> {
    /// Writes the pooled features, `[window][filters]`, and for each window and each of its four places (left to right, then down) the
    /// set of filters, as bits, whose greatest value stands there and is not zero. Of equal ones the first counts, as in `PyTorch`.
    #[inline(always)]
    pub(super) fn forward<L: Eight>(self, lanes: L, scratch: &mut Scratch, into: &mut [f32], mut winners: Option<&mut [[u64; 4]]>) {
        let windows = self.pooled[0] * self.pooled[1];
        let mut first = 0;
        while first < windows {
            let count = L::ROWS.min(windows - first);
            for place in 0..count {
                self.transform(lanes, first + place, &mut scratch.tiles[place * POINTS * self.channels..][..POINTS * self.channels]);
            }
            if let Some(winners) = &mut winners {
                winners[first..first + count].fill([0; 4]);
            }
            for panel in 0..self.bias.len().div_ceil(PANEL) {
                self.multiply(lanes, panel, count, scratch);
                for place in 0..count {
                    let winners = winners.as_deref_mut().map(|winners| &mut winners[first + place]);
                    self.pool(lanes, panel, first + place, &scratch.sums[place..], into, winners);
                }
            }
            first += count;
        }
    }

    /// Bᵀ d B of one window's 4×4 pixels.
    #[inline(always)]
    fn transform<L: Eight>(self, lanes: L, window: usize, tile: &mut [f32]) {
        let (y, x) = (2 * (window / self.pooled[1]), 2 * (window % self.pooled[1]));
        let (line, vectors) = (self.width * self.channels, self.channels / LANES);
        let (pixels, _) = self.features[(y * self.width + x) * self.channels..][..3 * line + 4 * self.channels].as_chunks::<LANES>();
        let (tile, _) = tile.as_chunks_mut::<LANES>();
        for vector in 0..vectors {
            let mut lines = [[lanes.splat(0.0); 4]; 4];
            let mut start = vector;
            for down in 0..4 {
                let mut place = start;
                for across in 0..4 {
                    lines[down][across] = lanes.load(&pixels[place]);
                    place = place.wrapping_add(vectors);
                }
                lines[down] = four(lanes, lines[down]);
                start = start.wrapping_add(line / LANES);
            }
            for across in 0..4 {
                let values = four(lanes, [lines[0][across], lines[1][across], lines[2][across], lines[3][across]]);
                for down in 0..4 {
                    let place = vectors.wrapping_mul(4 * down + across).wrapping_add(vector);
                    lanes.store(values[down], &mut tile[place]);
                }
            }
        }
    }

    #[inline(always)]
    fn multiply<L: Eight>(self, lanes: L, panel: usize, count: usize, scratch: &mut Scratch) {
        let weight = &self.weight[panel * POINTS * self.channels..][..POINTS * self.channels];
        for (point, weight) in weight.chunks_exact(self.channels).enumerate() {
            let sums = &mut scratch.sums[point * WINDOWS..][..WINDOWS];
            in_blocks!(L, count, |next, COUNT| {
                let mut rows: [&[f32]; COUNT] = [&[]; COUNT];
                for place in 0..COUNT {
                    rows[place] = &scratch.tiles[((next + place) * POINTS + point) * self.channels..][..self.channels];
                }
                let products = multiply::<L, COUNT, LANES>(lanes, rows, weight, [lanes.splat_pair(0.0); COUNT]);
                for place in 0..COUNT {
                    lanes.store_pair(products[place], &mut sums[next + place]);
                }
            });
        }
    }

    /// Aᵀ m A of one window, and the greatest of the four.
    #[inline(always)]
    fn pool<L: Eight>(
        self,
        lanes: L,
        panel: usize,
        window: usize,
        sums: &[[f32; PANEL]],
        into: &mut [f32],
        mut winners: Option<&mut [u64; 4]>,
    ) {
        let filters = self.bias.len();
        let sums = &sums[..=(POINTS - 1) * WINDOWS];
        for half in 0..PANEL / LANES {
            let start = panel * PANEL + half * LANES;
            if start >= filters {
                break;
            }
            let mut columns = [[lanes.splat(0.0); 2]; 4];
            for across in 0..4 {
                let mut column = [lanes.splat(0.0); 4];
                for down in 0..4 {
                    column[down] = lanes.load(&sums[(4 * down + across) * WINDOWS].as_chunks::<LANES>().0[half]);
                }
                columns[across] = two(lanes, column);
            }
            let top = two(lanes, [columns[0][0], columns[1][0], columns[2][0], columns[3][0]]);
            let bottom = two(lanes, [columns[0][1], columns[1][1], columns[2][1], columns[3][1]]);
            let values = [top[0], top[1], bottom[0], bottom[1]];
            let greatest = lanes.maximum(lanes.maximum(values[0], values[1]), lanes.maximum(values[2], values[3]));
            let place = window * filters + start;
            let mut pooled = lanes.maximum(lanes.add(greatest, lanes.load(&eight(self.bias, start))), lanes.splat(0.0));
            if let Some(mask) = self.mask {
                pooled = lanes.multiply(pooled, lanes.load(&eight(mask, place)));
            }
            if let Some(winners) = &mut winners {
                let mut left = lanes.not_zero(pooled);
                for (value, winners) in values.into_iter().zip(winners.iter_mut()) {
                    let here = lanes.equal(value, greatest) & left;
                    left &= !here;
                    *winners |= u64::from(here) << start;
                }
            }
            if let Some(into) = into[place..].first_chunk_mut() {
                lanes.store(pooled, into);
            }
        }
    }
}

/// Bᵀ d.
#[inline(always)]
fn four<L: Eight>(lanes: L, d: [L::Numbers; 4]) -> [L::Numbers; 4] {
    [lanes.subtract(d[0], d[2]), lanes.add(d[1], d[2]), lanes.subtract(d[2], d[1]), lanes.subtract(d[1], d[3])]
}

/// Aᵀ m.
#[inline(always)]
fn two<L: Eight>(lanes: L, m: [L::Numbers; 4]) -> [L::Numbers; 2] {
    [lanes.add(m[0], lanes.add(m[1], m[2])), lanes.subtract(lanes.subtract(m[1], m[2]), m[3])]
}

/// The eight numbers from `place` on.
#[inline(always)]
fn eight(numbers: &[f32], place: usize) -> [f32; LANES] {
    let mut eight = [0.0; LANES];
    eight.copy_from_slice(&numbers[place..][..LANES]);
    eight
}
