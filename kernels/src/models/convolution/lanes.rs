//! Eight or sixteen numbers at once, with the fastest instructions that the machine has.
//!
//! Every operation is one that IEEE 754 fixes to the last bit, fused multiply-add included, so that each kernel gives the same
//! numbers on every machine.

/// Numbers in one [`Lanes::Numbers`].
pub(in crate::models) const LANES: usize = 8;

/// Numbers in one [`Eight::Pair`]: outputs that a panel of packed weights holds.
pub(in crate::models) const PANEL: usize = 2 * LANES;

/// Work to be compiled for each kind of machine.
pub(in crate::models) trait Pass {
    type Output;

    /// Mark it `#[inline(always)]`, and what it calls.
    fn run(self, lanes: impl Eight) -> Self::Output;
}

/// Runs `pass` with the fastest instructions that the machine has.
pub(in crate::models) fn dispatch<P: Pass>(pass: P) -> P::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || pass.run(Avx512(simd)),
            );
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || pass.run(Avx2(simd)),
            );
        }
    }
    pass.run(Portable)
}

/// Arithmetic on as many f32 as a register holds.
pub(in crate::models) trait Lanes: Copy {
    type Numbers: Copy;

    fn splat(self, number: f32) -> Self::Numbers;
    fn add(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn subtract(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    fn multiply(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    /// a · b + c, rounded once.
    fn multiply_add(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers;
    fn maximum(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
}

/// What is done to `I` numbers that gives `O` numbers, in every lane.
pub(in crate::models) trait Along<const I: usize, const O: usize> {
    /// Mark it `#[inline(always)]`, and what it calls.
    fn run<L: Lanes>(lanes: L, numbers: [L::Numbers; I]) -> [L::Numbers; O];
}

/// Operations on eight f32, and on sixteen those that convolutions and products of matrices are made of.
pub(in crate::models) trait Eight: Lanes {
    /// Sixteen numbers: one register or two.
    type Pair: Copy;

    /// Rows whose sums of sixteen numbers fill the registers: 6, or 12 where there are as many registers again and each holds sixteen.
    const ROWS: usize;

    fn load(self, from: &[f32; LANES]) -> Self::Numbers;
    fn store(self, numbers: Self::Numbers, into: &mut [f32; LANES]);
    /// `a` where `b` is above zero, else zero.
    fn where_positive(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers;
    /// Bit i says whether a and b are equal in lane i.
    fn equal(self, a: Self::Numbers, b: Self::Numbers) -> u8;
    /// Bit i says whether lane i is not zero.
    fn not_zero(self, a: Self::Numbers) -> u8;

    fn load_pair(self, from: &[f32; PANEL]) -> Self::Pair;
    fn store_pair(self, pair: Self::Pair, into: &mut [f32; PANEL]);
    fn splat_pair(self, number: f32) -> Self::Pair;
    fn add_pair(self, a: Self::Pair, b: Self::Pair) -> Self::Pair;
    fn maximum_pair(self, a: Self::Pair, b: Self::Pair) -> Self::Pair;
    /// factor · row + sums, rounded once.
    fn add_product(self, factor: f32, row: Self::Pair, sums: Self::Pair) -> Self::Pair;
    /// What `A` makes of sixteen numbers each.
    fn along<A: Along<I, O>, const I: usize, const O: usize>(self, from: [&[f32; PANEL]; I]) -> [Self::Pair; O];
}

/// [`Eight::Pair`] as two of [`Lanes::Numbers`], for sixteen registers of eight numbers.
macro_rules! pair_of_two {
    () => {
        type Pair = [Self::Numbers; 2];

        const ROWS: usize = 6;

        #[inline(always)]
        fn load_pair(self, from: &[f32; PANEL]) -> Self::Pair {
            let (halves, _) = from.as_chunks::<LANES>();
            [self.load(&halves[0]), self.load(&halves[1])]
        }

        #[inline(always)]
        fn store_pair(self, pair: Self::Pair, into: &mut [f32; PANEL]) {
            let (halves, _) = into.as_chunks_mut::<LANES>();
            self.store(pair[0], &mut halves[0]);
            self.store(pair[1], &mut halves[1]);
        }

        #[inline(always)]
        fn splat_pair(self, number: f32) -> Self::Pair {
            [self.splat(number); 2]
        }

        #[inline(always)]
        fn add_pair(self, a: Self::Pair, b: Self::Pair) -> Self::Pair {
            [self.add(a[0], b[0]), self.add(a[1], b[1])]
        }

        #[inline(always)]
        fn maximum_pair(self, a: Self::Pair, b: Self::Pair) -> Self::Pair {
            [self.maximum(a[0], b[0]), self.maximum(a[1], b[1])]
        }

        #[inline(always)]
        fn add_product(self, factor: f32, row: Self::Pair, sums: Self::Pair) -> Self::Pair {
            let factor = self.splat(factor);
            [self.multiply_add(factor, row[0], sums[0]), self.multiply_add(factor, row[1], sums[1])]
        }

        #[inline(always)]
        fn along<A: Along<I, O>, const I: usize, const O: usize>(self, from: [&[f32; PANEL]; I]) -> [Self::Pair; O] {
            let mut pairs = [self.splat_pair(0.0); O];
            // One half after the other, so that what is between needs few registers.
            for half in 0..2 {
                let mut numbers = [self.splat(0.0); I];
                for place in 0..I {
                    numbers[place] = self.load(&from[place].as_chunks::<LANES>().0[half]);
                }
                let numbers = A::run(self, numbers);
                for place in 0..O {
                    pairs[place][half] = numbers[place];
                }
            }
            pairs
        }
    };
}

/// For every machine; written so that compilers vectorise it.
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct Portable;

impl Lanes for Portable {
    type Numbers = [f32; LANES];

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
}

impl Eight for Portable {
    pair_of_two!();

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::Numbers {
        *from
    }

    #[inline(always)]
    fn store(self, numbers: Self::Numbers, into: &mut [f32; LANES]) {
        *into = numbers;
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

/// What both kinds of x86-64 do with eight numbers.
#[cfg(target_arch = "x86_64")]
macro_rules! arithmetic_of_avx2 {
    () => {
        type Numbers = std::arch::x86_64::__m256;

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
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! eight_of_avx2 {
    () => {
        #[inline(always)]
        fn load(self, from: &[f32; LANES]) -> Self::Numbers {
            bytemuck::cast(*from)
        }

        #[inline(always)]
        fn store(self, numbers: Self::Numbers, into: &mut [f32; LANES]) {
            *into = bytemuck::cast(numbers);
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
    };
}

/// AVX2 with fused multiply-add.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct Avx2(pulp::x86::V3);

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    arithmetic_of_avx2!();
}

#[cfg(target_arch = "x86_64")]
impl Eight for Avx2 {
    eight_of_avx2!();
    pair_of_two!();
}

/// AVX-512, whose registers hold sixteen numbers.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct Avx512(pulp::x86::V4);

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx512 {
    arithmetic_of_avx2!();
}

#[cfg(target_arch = "x86_64")]
impl Eight for Avx512 {
    eight_of_avx2!();

    type Pair = std::arch::x86_64::__m512;

    const ROWS: usize = 12;

    #[inline(always)]
    fn load_pair(self, from: &[f32; PANEL]) -> Self::Pair {
        bytemuck::cast(*from)
    }

    #[inline(always)]
    fn store_pair(self, pair: Self::Pair, into: &mut [f32; PANEL]) {
        *into = bytemuck::cast(pair);
    }

    #[inline(always)]
    fn splat_pair(self, number: f32) -> Self::Pair {
        Sixteen(self.0).splat(number)
    }

    #[inline(always)]
    fn add_pair(self, a: Self::Pair, b: Self::Pair) -> Self::Pair {
        Sixteen(self.0).add(a, b)
    }

    #[inline(always)]
    fn maximum_pair(self, a: Self::Pair, b: Self::Pair) -> Self::Pair {
        Sixteen(self.0).maximum(a, b)
    }

    #[inline(always)]
    fn add_product(self, factor: f32, row: Self::Pair, sums: Self::Pair) -> Self::Pair {
        let lanes = Sixteen(self.0);
        lanes.multiply_add(lanes.splat(factor), row, sums)
    }

    #[inline(always)]
    fn along<A: Along<I, O>, const I: usize, const O: usize>(self, from: [&[f32; PANEL]; I]) -> [Self::Pair; O] {
        let mut numbers = [self.splat_pair(0.0); I];
        for place in 0..I {
            numbers[place] = self.load_pair(from[place]);
        }
        A::run(Sixteen(self.0), numbers)
    }
}

/// The arithmetic of [`Avx512`] on sixteen numbers.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
struct Sixteen(pulp::x86::V4);

#[cfg(target_arch = "x86_64")]
impl Lanes for Sixteen {
    type Numbers = std::arch::x86_64::__m512;

    #[inline(always)]
    fn splat(self, number: f32) -> Self::Numbers {
        self.0.avx512f._mm512_set1_ps(number)
    }

    #[inline(always)]
    fn add(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx512f._mm512_add_ps(a, b)
    }

    #[inline(always)]
    fn subtract(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx512f._mm512_sub_ps(a, b)
    }

    #[inline(always)]
    fn multiply(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx512f._mm512_mul_ps(a, b)
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers {
        self.0.avx512f._mm512_fmadd_ps(a, b, c)
    }

    #[inline(always)]
    fn maximum(self, a: Self::Numbers, b: Self::Numbers) -> Self::Numbers {
        self.0.avx512f._mm512_max_ps(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything([[f32; LANES]; 3]);

    /// All arithmetic there is.
    struct Mixed;

    impl Along<3, 2> for Mixed {
        #[inline(always)]
        fn run<L: Lanes>(lanes: L, [a, b, c]: [L::Numbers; 3]) -> [L::Numbers; 2] {
            let sum = lanes.add(lanes.multiply(a, b), lanes.splat(0.3));
            [lanes.multiply_add(a, b, c), lanes.maximum(lanes.subtract(sum, c), b)]
        }
    }

    impl Pass for Everything {
        type Output = (Vec<[u32; LANES]>, Vec<u8>, Vec<[u32; PANEL]>);

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
            let pair = |place: usize| {
                let mut numbers = [0.0; PANEL];
                numbers[..LANES].copy_from_slice(&self.0[place]);
                numbers[LANES..].copy_from_slice(&self.0[(place + 1) % 3]);
                numbers
            };
            let [first, second, third] = [pair(0), pair(1), pair(2)];
            let sums = lanes.add_product(self.0[0][4], lanes.load_pair(&second), lanes.splat_pair(0.0));
            let sums = lanes.add_product(self.0[0][7], lanes.load_pair(&first), sums);
            let [one, other] = lanes.along::<Mixed, _, _>([&first, &second, &third]);
            let of_pairs = [sums, one, other, lanes.add_pair(one, sums), lanes.maximum_pair(sums, lanes.load_pair(&third))];
            let mut pairs = vec![[0.0; PANEL]; of_pairs.len()];
            for place in 0..of_pairs.len() {
                lanes.store_pair(of_pairs[place], &mut pairs[place]);
            }
            let bits = |numbers: Vec<[f32; PANEL]>| numbers.into_iter().map(|numbers| numbers.map(f32::to_bits)).collect();
            (numbers.into_iter().map(|numbers| numbers.map(f32::to_bits)).collect(), sets, bits(pairs))
        }
    }

    #[test]
    fn every_operation_gives_the_same_numbers_with_and_without_the_machines_instructions() {
        let a = [0.1, -2.5, 0.0, 7.0, 1e-20, 3.3, -0.7, 1.000_000_1];
        let b = [0.3, -2.5, 1.0, 0.0, 1e-20, -4.1, -0.7, 1.000_000_1];
        let c = [-0.03, 1.0, 5.0, -7.0, 0.0, 13.0, -0.49, -1.0];
        let found = Everything([a, b, c]).run(Portable);
        assert_eq!(dispatch(Everything([a, b, c])), found);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            // What `dispatch` takes only where there is no more.
            assert_eq!(simd.vectorize(|| Everything([a, b, c]).run(Avx2(simd))), found);
        }
        assert_eq!(found.1, [0b1101_0010, 0b1111_1011, 0b1111_0111]);
        assert_eq!(f32::from_bits(found.0[3][7]), 1.000_000_1_f32.mul_add(1.000_000_1, -1.0));
        assert_eq!(f32::from_bits(found.2[0][PANEL - 1]), 1.000_000_1_f32.mul_add(b[7], 1e-20 * c[7]));
    }
}
