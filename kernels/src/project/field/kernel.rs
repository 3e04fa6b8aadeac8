//! The kernel 1 / (1 + d²) in two parts: one that a coarse grid can hold, and the rest between near points.

/// Terms of the smooth part's polynomial within the reach: its value and first four derivatives are the kernel's where they meet.
const TERMS: usize = 5;

/// What of the kernel goes to a grid, and what is summed over near pairs.
///
/// Beyond `reach` the grid has the kernel itself. Within, it has the kernel's Taylor polynomial in d² about reach², which is as smooth as
/// the kernel is out there, so that nodes may be a quarter of the reach apart; what it leaves out is nothing beyond the reach.
///
/// Source: the softening of the multilevel summation method, Skeel, Tezcan and Hardy 2002, section 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kernel {
    /// Distance within which pairs are summed one by one; 0: none are, and the grid has the whole kernel.
    pub reach: f32,
    /// The polynomial's coefficients, in powers of d² - reach².
    smooth: [f32; TERMS],
}

/// The part that the grid does not have: of the potential, and of the push along the distance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    pub potential: f32,
    pub push: f32,
}

impl Kernel {
    pub fn new(reach: f32) -> Self {
        let similarity = 1.0 / reach.mul_add(reach, 1.0);
        let mut smooth = [similarity; TERMS];
        for term in 1..TERMS {
            smooth[term] = -similarity * smooth[term - 1];
        }
        Self { reach, smooth }
    }

    /// What the grid has at the distance whose square is given.
    pub fn smooth(&self, square: f32) -> f32 {
        if square < self.reach * self.reach { self.polynomial(square).0 } else { 1.0 / (1.0 + square) }
    }

    /// What it leaves out; of use for distances within the reach only.
    #[inline(always)]
    pub fn rest(&self, square: f32) -> Rest {
        let similarity = 1.0 / (1.0 + square);
        let (value, slope) = self.polynomial(square);
        // The push is minus half the gradient, and the gradient of a function of d² twice its slope times the distance.
        Rest { potential: similarity - value, push: similarity.mul_add(similarity, slope) }
    }

    /// The polynomial and its slope.
    #[inline(always)]
    fn polynomial(&self, square: f32) -> (f32, f32) {
        let past = square - self.reach * self.reach;
        let (mut value, mut slope) = (self.smooth[TERMS - 1], 0.0_f32);
        for term in (0..TERMS - 1).rev() {
            slope = slope.mul_add(past, value);
            value = value.mul_add(past, self.smooth[term]);
        }
        (value, slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_the_kernel_and_meet_smoothly() {
        for reach in [0.0, 1.0, 2.0, 4.0, 6.0] {
            let kernel = Kernel::new(reach);
            for step in 0..200 {
                let distance = step as f32 * 0.05;
                let square = distance * distance;
                let whole = 1.0 / (1.0 + square);
                if distance < reach {
                    let rest = kernel.rest(square);
                    assert!((kernel.smooth(square) + rest.potential - whole).abs() < 1e-6, "{reach}, {distance}");
                    // By the difference quotient of the potential.
                    let (low, high) = (kernel.rest(square - 0.005).potential, kernel.rest(square + 0.005).potential);
                    assert!((rest.push + (high - low) / 0.01).abs() < 2e-3, "{reach}, {distance}: {rest:?}");
                } else {
                    assert_eq!(kernel.smooth(square), whole);
                }
            }
            if reach > 0.0 {
                let border = kernel.rest(reach * reach * 0.999);
                assert!(border.potential.abs() < 1e-6 && border.push.abs() < 1e-6, "{reach}: {border:?}");
            }
        }
    }
}
