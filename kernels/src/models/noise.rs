//! Randomness of a training step.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::{Device, Tensor};

/// Draws the masks of dropout. Its own generator and not libtorch's, which is global: two trainings in one process would disturb
/// each other, and a GPU would draw other masks than a CPU.
pub struct Noise {
    random: Xoshiro256PlusPlus,
    device: Device,
    values: Vec<f32>,
}

impl Noise {
    /// Always the same masks for one seed.
    #[must_use]
    pub fn new(seed: u64, device: Device) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed), device, values: Vec::new() }
    }

    /// A seed for whoever draws masks of its own.
    pub fn draw(&mut self) -> u64 {
        self.random.random()
    }

    /// A mask `[rows, columns]` for dropout: zero with probability `rate`, else 1 / (1 − `rate`), so that the mean stays.
    ///
    /// Source: Srivastava et al. 2014, in the inverted form that Keras and `PyTorch` use. The rate is rounded to 1/65536.
    pub fn mask(&mut self, rows: i64, columns: i64, rate: f64) -> Tensor {
        let count = (rows * columns) as usize;
        let dropped = (rate * 65536.0).round() as u16;
        let kept = (1.0 / (1.0 - f64::from(dropped) / 65536.0)) as f32;
        self.values.resize(count.next_multiple_of(4), 0.0);
        // Four decisions to a draw: a mask then costs a tenth of the matrix products it goes with.
        for four in self.values.chunks_exact_mut(4) {
            let drawn: u64 = self.random.random();
            for (place, value) in four.iter_mut().enumerate() {
                *value = if (drawn >> (16 * place)) as u16 >= dropped { kept } else { 0.0 };
            }
        }
        Tensor::from_slice(&self.values[..count]).view([rows, columns]).to_device(self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_drops_its_share_and_keeps_the_mean() {
        let mut noise = Noise::new(3, Device::Cpu);
        let mask = noise.mask(1001, 333, 0.25);
        assert_eq!(mask.size(), [1001, 333]);
        assert!((mask.mean(tch::Kind::Double).double_value(&[]) - 1.0).abs() < 0.01);
        let dropped = mask.eq(0.0).to_kind(tch::Kind::Double).mean(tch::Kind::Double).double_value(&[]);
        assert!((dropped - 0.25).abs() < 0.01, "{dropped}");
    }

    #[test]
    fn one_seed_gives_one_mask_and_the_next_mask_is_another() {
        let (mut one, mut other) = (Noise::new(5, Device::Cpu), Noise::new(5, Device::Cpu));
        let first = one.mask(8, 100, 0.5);
        assert_eq!(first, other.mask(8, 100, 0.5));
        assert_ne!(first, one.mask(8, 100, 0.5));
    }
}
