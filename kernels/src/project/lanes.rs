//! Elementary functions and sums in a fixed number of lanes, written so that the compiler vectorises them.
//!
//! The lanes are as many on every machine, and every operation is one that IEEE 754 fixes to the last bit (fused multiply-add
//! included), so that a wider SIMD unit gives the same numbers sooner: a map looks the same wherever it is drawn.

/// Lanes of a sum: one AVX-512 register of f32, two of AVX2.
pub(super) const LANES: usize = 16;

/// eˣ for x ≤ 0, to 1e-15 relative; 0 below -700.
///
/// 2ᵏ times a polynomial in the rest, |r| ≤ ln 2 / 2: the Taylor series to r¹³.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²: adding it rounds to whole numbers, held in the low bits
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const INVERSE_FACTORIALS: [f64; 14] = [
        1.0,
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
        1.0 / 6_227_020_800.0,
    ];
    let clamped = x.max(-700.0);
    let shifted = clamped.mul_add(std::f64::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-LN_2_LOW, whole.mul_add(-LN_2_HIGH, clamped));
    let series = INVERSE_FACTORIALS.iter().rev().fold(0.0, |sum: f64, &coefficient| sum.mul_add(rest, coefficient));
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1.0_f64.to_bits()));
    if x < -700.0 { 0.0 } else { series * power }
}

/// ln x for finite x ≥ 1, to 2e-7.
///
/// The exponent, and 2 artanh((m - 1) / (m + 1)) of the mantissa m in [√½, √2) as a series.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let bits = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = (bits.cast_signed() >> 23) as f32;
    let mantissa = f32::from_bits((bits & 0x007f_ffff).wrapping_add(ROOT_HALF));
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let series = square.mul_add(square.mul_add(square.mul_add(square.mul_add(2.0 / 9.0, 2.0 / 7.0), 2.0 / 5.0), 2.0 / 3.0), 2.0);
    exponent.mul_add(std::f32::consts::LN_2, ratio * series)
}

/// Adds the lanes in f64, in a fixed order.
#[inline(always)]
pub(super) fn total(lanes: [f32; LANES]) -> f64 {
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for step in 0..70_000 {
            let x = f64::from(step) * -0.01;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15 * (1.0 - x / 50.0), "at {x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-701.0), 0.0);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
    }

    #[test]
    fn ln_agrees_with_the_standard_library() {
        for step in 0..100_000 {
            let x = 1.0 + (step as f32 * 0.01).powi(3);
            let exact = f64::from(x).ln();
            assert!((f64::from(ln(x)) - exact).abs() < 2e-7 * exact.max(1.0), "at {x}");
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
