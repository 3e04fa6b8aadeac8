//! Sums of products of codes: what a search spends its arithmetic on.

use super::coarse::Coarse;
use crate::words::quantise::{
    BLOCK_ROWS,
    coarse::{LINE_BYTES, PART_BYTES},
    fine::LANES,
};

/// Work to be compiled for each kernel there is.
pub(super) trait Pass {
    type Output;

    /// Mark it `#[inline(always)]`, and what it calls.
    fn run(self, kernel: impl Kernel) -> Self::Output;
}

/// Runs `pass` with the fastest kernel that the machine has.
pub(super) fn dispatch<P: Pass>(pass: P) -> P::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(
            #[inline(always)]
            || pass.run(Avx2(simd)),
        );
    }
    pass.run(Portable)
}

/// Integer dot products, which every machine computes alike.
pub(super) trait Kernel: Copy {
    /// Of a block's nibbles with several queries at once. `block`: the coarse codes of [`BLOCK_ROWS`] rows.
    fn coarse_dots<const QUERIES: usize>(self, block: &[u8], queries: [&Coarse; QUERIES]) -> [[i32; BLOCK_ROWS]; QUERIES];

    /// Of a row's fine codes with one query: both `[n * LANES]`.
    fn fine_dot(self, row: &[i8], query: &[i16]) -> i32;
}

/// For every machine; written so that compilers vectorise it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl Kernel for Portable {
    #[inline(always)]
    fn coarse_dots<const QUERIES: usize>(self, block: &[u8], queries: [&Coarse; QUERIES]) -> [[i32; BLOCK_ROWS]; QUERIES] {
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

    #[inline(always)]
    fn fine_dot(self, row: &[i8], query: &[i16]) -> i32 {
        let mut sums = [0_i32; LANES];
        for (row, query) in row.as_chunks::<LANES>().0.iter().zip(query.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] = sums[lane].wrapping_add(i32::from(row[lane]).wrapping_mul(i32::from(query[lane])));
            }
        }
        sum(&sums)
    }
}

/// AVX2: 32 products an instruction.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(pub pulp::x86::V3);

#[cfg(target_arch = "x86_64")]
impl Kernel for Avx2 {
    #[inline(always)]
    fn coarse_dots<const QUERIES: usize>(self, block: &[u8], queries: [&Coarse; QUERIES]) -> [[i32; BLOCK_ROWS]; QUERIES] {
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

    #[inline(always)]
    fn fine_dot(self, row: &[i8], query: &[i16]) -> i32 {
        let (avx, avx2) = (self.0.avx, self.0.avx2);
        let mut sums = avx._mm256_set1_epi32(0);
        for (row, query) in row.as_chunks::<LANES>().0.iter().zip(query.as_chunks::<LANES>().0) {
            let wide = avx2._mm256_cvtepi8_epi16(bytemuck::cast(*row));
            sums = avx2._mm256_add_epi32(sums, avx2._mm256_madd_epi16(wide, bytemuck::cast(*query)));
        }
        sum(&bytemuck::cast::<_, [i32; 8]>(sums))
    }
}

#[inline(always)]
fn sum(lanes: &[i32]) -> i32 {
    lanes.iter().fold(0, |sum, &lane| sum.wrapping_add(lane))
}
