//! Images whose colours change a little each time they are seen.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::{Kind, Tensor};

/// Brightness, contrast and saturation of an image, each times a number of chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// How far each number is from 1 at most.
    pub strength: f64,
}

/// Weights of red, green and blue in a pixel's lightness. Source: ITU-R BT.601, as torchvision has them.
const LIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// Factors of one epoch's images, in its order.
pub struct Factors(Vec<[f32; 3]>);

impl Jitter {
    /// Factors for `count` images; `None` where none are wanted.
    pub fn draw(self, seed: u64, count: usize) -> Option<Factors> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut factor = || random.random_range(1.0 - self.strength..=1.0 + self.strength) as f32;
        (self.strength > 0.0).then(|| Factors((0..count).map(|_| [factor(), factor(), factor()]).collect()))
    }
}

impl Factors {
    /// The images `[rows, height, width, channels]` from 0 to 1, the first of which is the epoch's at `start`, with other colours: brightness, then contrast about the
    /// image's mean lightness, then, of three channels, saturation about each pixel's lightness. Cut to 0 to 1 after each.
    pub fn images(&self, images: &Tensor, start: usize) -> Tensor {
        let (rows, channels) = (images.size()[0], images.size()[3]);
        let factors = &self.0[start..start + rows as usize];
        let [brightness, contrast, saturation] = [0, 1, 2].map(|which| {
            let factors: Vec<f32> = factors.iter().map(|factors| factors[which]).collect();
            Tensor::from_slice(&factors).to_device(images.device()).view([rows, 1, 1, 1])
        });
        let weights = Tensor::from_slice(&LIGHTNESS).to_device(images.device());
        let lightness = |images: &Tensor| {
            if channels == 3 {
                (images * &weights).sum_dim_intlist(-1_i64, true, Kind::Float)
            } else {
                images.mean_dim(-1_i64, true, Kind::Float)
            }
        };
        let images = (images * brightness).clamp_(0.0, 1.0);
        let mean = lightness(&images).mean_dim([1_i64, 2].as_slice(), true, Kind::Float); // [rows, 1, 1, 1]
        let images = mean.lerp_tensor(&images, &contrast).clamp_(0.0, 1.0);
        if channels == 3 { lightness(&images).lerp_tensor(&images, &saturation).clamp_(0.0, 1.0) } else { images }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.contiguous().view(-1)).unwrap()
    }

    fn close(one: &[f32], other: &[f32]) {
        assert!(one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-5), "{one:?} {other:?}");
    }

    #[test]
    fn each_factor_does_what_its_name_says() {
        // Two pixels, one red, one grey.
        let images = Tensor::from_slice(&[0.8_f32, 0.2, 0.2, 0.5, 0.5, 0.5]).view([1, 1, 2, 3]);
        let jittered = |factors| values(&Factors(vec![factors]).images(&images, 0));
        close(&jittered([1.0, 1.0, 1.0]), &[0.8, 0.2, 0.2, 0.5, 0.5, 0.5]);
        close(&jittered([1.5, 1.0, 1.0]), &[1.0, 0.3, 0.3, 0.75, 0.75, 0.75]);
        // Lightness of the red pixel: .2 + .6 · .299.
        let red = 0.2 + 0.6 * 0.299;
        close(&jittered([1.0, 1.0, 0.0]), &[red, red, red, 0.5, 0.5, 0.5]);
        close(&jittered([1.0, 0.0, 1.0]), &[f32::midpoint(red, 0.5); 6]);
        let grey = Tensor::from_slice(&[0.2_f32, 0.6]).view([1, 1, 2, 1]);
        close(&values(&Factors(vec![[1.0, 0.5, 0.0]]).images(&grey, 0)), &[0.3, 0.5]);
    }

    #[test]
    fn factors_are_drawn_for_each_image_and_stay_within_what_is_asked() {
        assert!(Jitter { strength: 0.0 }.draw(1, 3).is_none());
        let Factors(factors) = Jitter { strength: 0.2 }.draw(1, 1_000).unwrap();
        let all: Vec<f32> = factors.concat();
        assert!(all.iter().all(|factor| (0.8..=1.2).contains(factor)));
        assert!(all.iter().any(|factor| *factor < 0.81) && all.iter().any(|factor| *factor > 1.19));
        let images = Tensor::from_slice(&[0.4_f32; 6]).view([2, 1, 1, 3]);
        let seen = values(&Factors(factors).images(&images, 7));
        assert!((seen[0] - seen[3]).abs() > 1e-4, "each image has factors of its own");
    }
}
