//! The first pass: an upper bound of every row's score from its four-bit codes.

use crate::words::quantise::{GROUP_DIMENSIONS, LINE_BYTES, PART_BYTES, RowBound, ZERO_CODE};

pub(super) use crate::words::quantise::BLOCK_ROWS;

/// A query as the first pass needs it: eight-bit codes and what its bound is made of.
#[derive(Debug)]
pub(super) struct Coarse {
    /// Codes of the query, four bytes of eight bits in one number: for each group of dimensions those that meet the rows' low nibbles,
    /// and those that meet the high ones.
    groups: Vec<[i32; 2]>,
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
            let mut parts = [[0; PART_BYTES]; 2];
            for (j, &code) in group.iter().enumerate() {
                parts[j / PART_BYTES][j % PART_BYTES] = code.to_ne_bytes()[0];
            }
            parts.map(i32::from_ne_bytes)
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
            for (line, parts) in block.chunks_exact(LINE_BYTES).zip(&query.groups) {
                let [low, high] = parts.map(|part| part.to_ne_bytes().map(|byte| i16::from(byte.cast_signed())));
                for (sum, part) in sums.iter_mut().zip(line.chunks_exact(PART_BYTES)) {
                    for j in 0..PART_BYTES {
                        let products = (i16::from(part[j] & 0xf).wrapping_mul(low[j]), i16::from(part[j] >> 4).wrapping_mul(high[j]));
                        *sum = sum.wrapping_add(i32::from(products.0.wrapping_add(products.1)));
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
        use std::arch::x86_64::__m256i;
        const HALF: usize = LINE_BYTES / 2;
        /// A group adds two pairs of products of at most 15 x 127 to each 16-bit sum: four groups stay below 2^15.
        const GROUPS_BEFORE_OVERFLOW: usize = 4;
        let (avx, avx2) = (self.0.avx, self.0.avx2);
        let (mask, ones, zero) = (avx._mm256_set1_epi8(0xf), avx._mm256_set1_epi16(1), avx._mm256_set1_epi32(0));
        let mut sums = [[zero; 2]; QUERIES];
        let mut group = 0;
        for lines in block.chunks(LINE_BYTES * GROUPS_BEFORE_OVERFLOW) {
            let mut short = [[zero; 2]; QUERIES];
            for line in lines.chunks_exact(LINE_BYTES) {
                for half in 0..2 {
                    let bytes: __m256i = bytemuck::pod_read_unaligned(&line[half * HALF..(half + 1) * HALF]);
                    let low = avx2._mm256_and_si256(bytes, mask);
                    let high = avx2._mm256_and_si256(avx2._mm256_srli_epi16::<4>(bytes), mask);
                    for query in 0..QUERIES {
                        let [with_low, with_high] = queries[query].groups[group];
                        let products_low = avx2._mm256_maddubs_epi16(low, avx._mm256_set1_epi32(with_low));
                        let products_high = avx2._mm256_maddubs_epi16(high, avx._mm256_set1_epi32(with_high));
                        let products = avx2._mm256_add_epi16(products_low, products_high);
                        short[query][half] = avx2._mm256_add_epi16(short[query][half], products);
                    }
                }
                group += 1;
            }
            for query in 0..QUERIES {
                for half in 0..2 {
                    let wide = avx2._mm256_madd_epi16(short[query][half], ones);
                    sums[query][half] = avx2._mm256_add_epi32(sums[query][half], wide);
                }
            }
        }
        sums.map(bytemuck::cast)
    }
}
