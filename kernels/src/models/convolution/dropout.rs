//! Dropout, drawn for each image from a generator of its own, so that the masks do not depend on who draws first.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a training step leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Decides every mask of one batch: give each step another.
    pub seed: u64,
    /// Share of the pooled features that is left out, from 0 to below 1; rounded to 1/65536.
    pub pooled: f64,
    /// Share of the hidden units that is left out, likewise.
    pub hidden: f64,
}

impl Dropout {
    /// Fills the factors of one image of the batch: zero with the probability given, else 1 / (1 − rate), so that the mean stays. The
    /// pooled features are in the order `[height, width, filters]`.
    ///
    /// Source: Srivastava et al. 2014, in the inverted form that Keras and `PyTorch` use.
    pub fn draw(&self, image: usize, pooled: &mut [f32], hidden: &mut [f32]) {
        /// Odd and unlike the step of the generator's seeding, so that neighbouring images share no state.
        const SPREAD: u64 = 0xd1b5_4a32_d192_ed03;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ (image as u64 + 1).wrapping_mul(SPREAD));
        fill(&mut random, self.pooled, pooled);
        fill(&mut random, self.hidden, hidden);
    }

    /// Factors of the pooled features and of the hidden units that are kept.
    pub(super) fn scales(&self) -> [f32; 2] {
        [self.pooled, self.hidden].map(|rate| scale(threshold(rate)))
    }
}

fn threshold(rate: f64) -> u16 {
    (rate * 65536.0).round() as u16
}

fn scale(dropped: u16) -> f32 {
    (1.0 / (1.0 - f64::from(dropped) / 65536.0)) as f32
}

/// Four decisions to a draw, and the draws ahead of the decisions: so the latter are vectorised.
#[inline(always)]
fn fill(random: &mut Xoshiro256PlusPlus, rate: f64, into: &mut [f32]) {
    const DRAWS: usize = 16;
    let dropped = threshold(rate);
    let kept = scale(dropped);
    for factors in into.chunks_mut(4 * DRAWS) {
        let drawn: [u64; DRAWS] = std::array::from_fn(|_| random.random());
        let decisions: [u16; 4 * DRAWS] = bytemuck::cast(drawn.map(u64::to_le));
        for (factor, decision) in factors.iter_mut().zip(decisions.map(u16::from_le)) {
            *factor = if decision >= dropped { kept } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_drops_its_share_keeps_the_mean_and_is_another_for_each_image_and_seed() {
        let draw = |seed, image| {
            let (mut pooled, mut hidden) = (vec![0.0; 46_080], vec![0.0; 1001]);
            Dropout { seed, pooled: 0.25, hidden: 0.5 }.draw(image, &mut pooled, &mut hidden);
            (pooled, hidden)
        };
        let (pooled, hidden) = draw(3, 0);
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean(&pooled) - 1.0).abs() < 0.02, "{}", mean(&pooled));
        assert!((mean(&hidden) - 1.0).abs() < 0.1, "{}", mean(&hidden));
        assert!(pooled.iter().all(|&factor| factor == 0.0 || factor == 4.0 / 3.0));
        assert!(hidden.iter().all(|&factor| factor == 0.0 || factor == 2.0));
        assert_eq!(draw(3, 0), (pooled.clone(), hidden));
        let differ = |other: &[f32]| pooled.iter().zip(other).filter(|(one, other)| one != other).count() as f64 / 46_080.0;
        for other in [draw(3, 1).0, draw(4, 0).0] {
            assert!((differ(&other) - 0.375).abs() < 0.02, "independent masks differ in 2 · ¼ · ¾ of their places: {}", differ(&other));
        }
    }
}
