//! Eight numbers at once, with the fastest instructions that the machine has.
//!
//! Every operation is one that IEEE 754 fixes to the last bit, fused multiply-add included, so that each kernel gives the same
//! numbers on every machine.

/// Numbers in one [`Eight::Numbers`].
pub(in crate::models) const LANES: usize = 8;

/// Work to be compiled for each kind of machine.
pub(in crate::models) trait Pass {
    type Output;

    /// Mark it `#[inline(always)]`, and what it calls.
    fn run(self, lanes: impl Eight) -> Self::Output;
}

/// Runs `pass` with the fastest instructions that the machine has.
pub(in crate::models) fn dispatch<P: Pass>(pass: P) -> P::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(
            #[inline(always)]
            || pass.run(Avx2(simd)),
        );
    }
    pass.run(Portable)
}

/// Operations on eight f32.
pub(in crate::models) trait Eight: Copy {
    type Numbers: Copy;

    fn load(self, from: &[f32; LANES]) -> Self::Numbers;
    fn store(self, numbers: Self::Numbers, into: &mut [f32; LANES]);
    fn splat(self, number: f32) -> Self::Numbers;
    fn add(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn subtract(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn multiply(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    /// a · b + c, rounded once.
    fn multiply_add(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers;
    fn maximum(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    /// `a` where `b` is above zero, else zero.
    fn where_positive(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    /// Bit i says whether a and b are equal in lane i.
    fn equal(self, a: Self::Numbers, b: Self::Numbers) -> u8;
    /// Bit i says whether lane i is not zero.
    fn not_zero(self, a: Self::Numbers) -> u8;
}

/// For every machine; written so that compilers vectorise it.
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct Portable;

impl Eight for Portable {
    type Numbers = [f32; LANES];

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::Numbers {
        *from
    }

    #[inline(always)]
    fn store(self, numbers: Self::Numbers, into: &mut [f32; LANES]) {
        *into = numbers;
    }

    #[inline(always)]
    fn splat(self, number: f32) -> Self::Numbers {
        [number; LANES]
    }

    #[inline(always)]
    fn add(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn subtract(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    fn multiply(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }

    #[inline(always)]
    fn maximum(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    fn where_positive(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        std::array::from_fn(|lane| if b[lane] > 0.0 { a[lane] } else { 0.0 })
    }

    #[inline(always)]
    fn equal(self, a: Self::Numbers, b: Self::Numbers) -> u8 {
        (0..LANES).fold(0, |bits, lane| bits | u8::from(a[lane] == b[lane]) << lane)
    }

    #[inline(always)]
    fn not_zero(self, a: Self::Numbers) -> u8 {
        (0..LANES).fold(0, |bits, lane| bits | u8::from(a[lane] != 0.0) << lane)
    }
}

/// AVX2 with fused multiply-add.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct Avx2(pulp::x86::V3);

#[cfg(target_arch = "x86_64")]
impl Eight for Avx2 {
    type Numbers = std::arch::x86_64::__m256;

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::Numbers {
        bytemuck::cast(*from)
    }

    #[inline(always)]
    fn store(self, numbers: Self::Numbers, into: &mut [f32; LANES]) {
        *into = bytemuck::cast(numbers);
    }

    #[inline(always)]
    fn splat(self, number: f32) -> Self::Numbers {
        self.0.avx._mm256_set1_ps(number)
    }

    #[inline(always)]
    fn add(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx._mm256_add_ps(a, b)
    }

    #[inline(always)]
    fn subtract(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx._mm256_sub_ps(a, b)
    }

    #[inline(always)]
    fn multiply(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx._mm256_mul_ps(a, b)
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers {
        self.0.fma._mm256_fmadd_ps(a, b, c)
    }

    #[inline(always)]
    fn maximum(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx._mm256_max_ps(a, b)
    }

    #[inline(always)]
    fn where_positive(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        const GREATER: i32 = std::arch::x86_64::_CMP_GT_OQ;
        let avx = self.0.avx;
        avx._mm256_and_ps(a, avx._mm256_cmp_ps::<GREATER>(b, avx._mm256_setzero_ps()))
    }

    #[inline(always)]
    fn equal(self, a: Self::Numbers, b: Self::Numbers) -> u8 {
        const EQUAL: i32 = std::arch::x86_64::_CMP_EQ_OQ;
        self.0.avx._mm256_movemask_ps(self.0.avx._mm256_cmp_ps::<EQUAL>(a, b)) as u8
    }

    #[inline(always)]
    fn not_zero(self, a: Self::Numbers) -> u8 {
        const NOT_EQUAL: i32 = std::arch::x86_64::_CMP_NEQ_UQ;
        let avx = self.0.avx;
        avx._mm256_movemask_ps(avx._mm256_cmp_ps::<NOT_EQUAL>(a, avx._mm256_setzero_ps())) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything([[f32; LANES]; 3]);

    impl Pass for Everything {
        type Output = (Vec<[u32; LANES]>, Vec<u8>);

        #[inline(always)]
        fn run(self, lanes: impl Eight) -> Self::Output {
            let [a, b, c] = [lanes.load(&self.0[0]), lanes.load(&self.0[1]), lanes.load(&self.0[2])];
            let results = [
                lanes.add(a, b),
                lanes.subtract(a, b),
                lanes.multiply(a, b),
                lanes.multiply_add(a, b, c),
                lanes.maximum(a, b),
                lanes.where_positive(a, b),
                lanes.splat(self.0[0][3]),
            ];
            let mut numbers = vec![[0.0; LANES]; results.len()];
            for place in 0..results.len() {
                lanes.store(results[place], &mut numbers[place]);
            }
            let sets = vec![lanes.equal(a, b), lanes.not_zero(a), lanes.not_zero(b)];
            (numbers.into_iter().map(|numbers| numbers.map(f32::to_bits)).collect(), sets)
        }
    }

    #[test]
    fn every_operation_gives_the_same_numbers_with_and_without_the_machines_instructions() {
        let a = [0.1, -2.5, 0.0, 7.0, 1e-20, 3.3, -0.7, 1.000_000_1];
        let b = [0.3, -2.5, 1.0, 0.0, 1e-20, -4.1, -0.7, 1.000_000_1];
        let c = [-0.03, 1.0, 5.0, -7.0, 0.0, 13.0, -0.49, -1.0];
        let found = dispatch(Everything([a, b, c]));
        assert_eq!(found, Everything([a, b, c]).run(Portable));
        assert_eq!(found.1, [0b1101_0010, 0b1111_1011, 0b1111_0111]);
        assert_eq!(f32::from_bits(found.0[3][7]), 1.000_000_1_f32.mul_add(1.000_000_1, -1.0));
    }
}
