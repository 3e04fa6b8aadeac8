//! The first pass: an upper bound of every row's score from its four-bit codes.

use crate::words::quantise::{GROUP_DIMENSIONS, LINE_BYTES, PART_BYTES, RowBound, ZERO_CODE};

pub(super) use crate::words::quantise::BLOCK_ROWS;

/// A query as the first pass needs it: eight-bit codes and what its bound is made of.
#[derive(Debug)]
pub(super) struct Coarse {
    /// Codes of the query, a group of dimensions at a time, as the rows' low and high nibbles want them.
    groups: Vec<[[i8; PART_BYTES]; 2]>,
    /// What all rows' dot products have too much because nibbles are stored [`ZERO_CODE`] too high.
    offset: i32,
    scale: f32,
    /// The bound is `error * error_factor + slack` above the approximate score.
    error_factor: f32,
    slack: f32,
}

impl Coarse {
    /// Codes for a unit vector (or zeros).
    pub fn new(unit: &[f32]) -> Self {
        let largest = unit.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let codes: Vec<i8> = unit.iter().map(|value| (value / scale).round().clamp(-127.0, 127.0) as i8).collect();
        let square: f64 =
            unit.iter().zip(&codes).map(|(&value, &code)| (f64::from(value) - f64::from(scale) * f64::from(code)).powi(2)).sum();
        let error = (square.sqrt() * (1.0 + 1e-6)) as f32 + f32::MIN_POSITIVE;
        let groups = codes.chunks(GROUP_DIMENSIONS).map(|group| {
            let mut halves = [[0; PART_BYTES]; 2];
            for (j, &code) in group.iter().enumerate() {
                halves[j / PART_BYTES][j % PART_BYTES] = code;
            }
            halves
        });
        // Rounding of the exact score (16 lanes, then a tree), generously, and of the bound's own arithmetic.
        let rounding = (unit.len() as f32 / 16.0 + 16.0) * f32::EPSILON + 4e-6;
        Self {
            groups: groups.collect(),
            offset: i32::from(ZERO_CODE) * codes.iter().map(|&code| i32::from(code)).sum::<i32>(),
            scale,
            error_factor: 1.0 + 1e-5 + error,
            slack: error * 1.0001 + rounding,
        }
    }

    /// Upper bounds of the scores of one block, given its integer dot products with this query.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub fn upper_bounds(&self, dots: &[i32; BLOCK_ROWS], rows: &[RowBound; BLOCK_ROWS]) -> [f32; BLOCK_ROWS] {
        let mut bounds = [0.0; BLOCK_ROWS];
        for lane in 0..BLOCK_ROWS {
            let approximate = dots[lane].wrapping_sub(self.offset) as f32 * (rows[lane].scale * self.scale);
            bounds[lane] = approximate + (rows[lane].error * self.error_factor + self.slack);
        }
        bounds
    }
}

/// Integer dot products of a block's nibbles with several queries at once.
pub(super) trait Kernel: Copy {
    /// `block`: the codes of [`BLOCK_ROWS`] rows.
    fn dots<const QUERIES: usize>(self, block: &[u8], queries: [&Coarse; QUERIES]) -> [[i32; BLOCK_ROWS]; QUERIES];
}

/// For every machine; written so that compilers vectorise it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl Kernel for Portable {
    #[inline(always)]
    fn dots<const QUERIES: usize>(self, block: &[u8], queries: [&Coarse; QUERIES]) -> [[i32; BLOCK_ROWS]; QUERIES] {
        let mut sums = [[0_i32; BLOCK_ROWS]; QUERIES];
        for (sums, query) in sums.iter_mut().zip(queries) {
            for (line, [low, high]) in block.chunks_exact(LINE_BYTES).zip(&query.groups) {
                for (sum, part) in sums.iter_mut().zip(line.chunks_exact(PART_BYTES)) {
                    for j in 0..PART_BYTES {
                        let products = i16::from(part[j] & 0xf)
                            .wrapping_mul(i16::from(low[j]))
                            .wrapping_add(i16::from(part[j] >> 4).wrapping_mul(i16::from(high[j])));
                        *sum = sum.wrapping_add(i32::from(products));
                    }
                }
            }
        }
        sums
    }
}

/// AVX2: 32 products an instruction.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(pub pulp::x86::V3);

#[cfg(target_arch = "x86_64")]
impl Kernel for Avx2 {
    #[inline(always)]
    fn dots<const QUERIES: usize>(self, block: &[u8], queries: [&Coarse; QUERIES]) -> [[i32; BLOCK_ROWS]; QUERIES] {
        use pulp::{cast, i8x32, i16x16, i32x8, u8x32, u16x16};
        const HALF: usize = LINE_BYTES / 2;
        /// A group adds two pairs of at most 15 x 127 to each 16-bit sum twice over: four groups stay below 2^15.
        const GROUPS_BEFORE_OVERFLOW: usize = 4;
        let simd = self.0;
        let mask: u8x32 = simd.splat_u8x32(0xf);
        let ones: i16x16 = simd.splat_i16x16(1);
        let load = |half: &[u8]| -> u8x32 { bytemuck::pod_read_unaligned(half) };
        let high_nibbles = |bytes: u8x32| -> u8x32 { simd.and_u8x32(cast(simd.shr_const_u16x16::<4>(cast::<u8x32, u16x16>(bytes))), mask) };
        let multiply = |codes: u8x32, query: i8x32| simd.multiply_saturating_add_adjacent_i8x32(cast(codes), query);
        let mut sums = [[simd.splat_i32x8(0); 2]; QUERIES];
        let mut group = 0;
        for lines in block.chunks(LINE_BYTES * GROUPS_BEFORE_OVERFLOW) {
            let mut short = [[simd.splat_i16x16(0); 2]; QUERIES];
            for line in lines.chunks_exact(LINE_BYTES) {
                for (half, bytes) in [load(&line[..HALF]), load(&line[HALF..])].into_iter().enumerate() {
                    let (low, high) = (simd.and_u8x32(bytes, mask), high_nibbles(bytes));
                    for query in 0..QUERIES {
                        let parts = queries[query].groups[group];
                        let products_low = multiply(low, cast(simd.splat_i32x8(i32::from_ne_bytes(cast(parts[0])))));
                        let products_high = multiply(high, cast(simd.splat_i32x8(i32::from_ne_bytes(cast(parts[1])))));
                        short[query][half] =
                            simd.wrapping_add_i16x16(short[query][half], simd.wrapping_add_i16x16(products_low, products_high));
                    }
                }
                group += 1;
            }
            for query in 0..QUERIES {
                for half in 0..2 {
                    let wide: i32x8 = simd.multiply_wrapping_add_adjacent_i16x16(short[query][half], ones);
                    sums[query][half] = simd.wrapping_add_i32x8(sums[query][half], wide);
                }
            }
        }
        sums.map(cast)
    }
}
