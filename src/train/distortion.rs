//! Images turned and scaled a little each time they are seen.

use rand::{Rng, RngExt as _};

/// By how much images are turned and scaled at most.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Distortions {
    /// Degrees each way, each angle as likely.
    pub rotation: f64,
    /// Share of the size by which an image grows or shrinks, each as likely.
    pub zoom: f64,
}

/// One turn and scale about an image's middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distortion {
    /// Degrees, clockwise as the image is seen.
    turn: f64,
    /// How large it becomes; 1 is as large as it was.
    scale: f64,
}

impl Distortions {
    /// One of them; `None` where none are wanted.
    pub fn draw(self, random: &mut impl Rng) -> Option<Distortion> {
        if self == Self::default() {
            return None;
        }
        let mut within = |most: f64| if most > 0.0 { random.random_range(-most..=most) } else { 0.0 };
        Some(Distortion { turn: within(self.rotation), scale: 1.0 + within(self.zoom) })
    }
}

impl Distortion {
    /// Appends `image`, `[height, width, channels]`, distorted so, to `pixels`: between four pixels in proportion; what comes in is 0.
    pub fn append(self, image: &[u8], [height, width, channels]: [usize; 3], pixels: &mut Vec<u8>) {
        let (sine, cosine) = self.turn.to_radians().sin_cos();
        let (sine, cosine) = ((sine / self.scale) as f32, (cosine / self.scale) as f32);
        let middle = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        let pixel = |row: i32, column: i32, channel: usize| {
            let inside = (0..height as i32).contains(&row) && (0..width as i32).contains(&column);
            if inside { f32::from(image[(row as usize * width + column as usize) * channels + channel]) } else { 0.0 }
        };
        for row in 0..height {
            for column in 0..width {
                // Where this pixel comes from: the turn and the scale undone.
                let (down, right) = (row as f32 - middle[0], column as f32 - middle[1]);
                let from = [middle[0] + cosine * down - sine * right, middle[1] + cosine * right + sine * down];
                let [top, left] = from.map(f32::floor);
                let (below, beside) = (from[0] - top, from[1] - left);
                let (top, left) = (top as i32, left as i32);
                for channel in 0..channels {
                    let line = |row| pixel(row, left, channel) * (1.0 - beside) + pixel(row, left + 1, channel) * beside;
                    pixels.push((line(top) * (1.0 - below) + line(top + 1) * below).round() as u8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn distorted(image: &[u8], shape: [usize; 3], turn: f64, scale: f64) -> Vec<u8> {
        let mut pixels = vec![7];
        Distortion { turn, scale }.append(image, shape, &mut pixels);
        assert_eq!(pixels.remove(0), 7);
        pixels
    }

    #[test]
    fn a_quarter_turn_and_no_turn_are_exact() {
        let image = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(distorted(&image, [3, 3, 1], 0.0, 1.0), image);
        assert_eq!(distorted(&image, [3, 3, 1], 90.0, 1.0), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        assert_eq!(distorted(&image, [3, 3, 1], -90.0, 1.0), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        let colours: Vec<u8> = (1..=12).collect();
        assert_eq!(distorted(&colours, [2, 2, 3], 180.0, 1.0), [10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn scaling_is_about_the_middle() {
        let image = [10, 20, 30, 40, 50, 60, 70, 80, 90];
        // Half as large: the corners come from beyond the border.
        assert_eq!(distorted(&image, [3, 3, 1], 0.0, 0.5), [0, 0, 0, 0, 50, 0, 0, 0, 0]);
        // Twice as large: from half a pixel off the middle.
        assert_eq!(distorted(&image, [3, 3, 1], 0.0, 2.0), [30, 35, 40, 45, 50, 55, 60, 65, 70]);
    }

    #[test]
    fn draws_stay_within_what_is_asked_and_differ() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        assert_eq!(Distortions::default().draw(&mut random), None);
        let asked = Distortions { rotation: 15.0, zoom: 0.1 };
        let drawn: Vec<Distortion> = (0..1_000).map(|_| asked.draw(&mut random).unwrap()).collect();
        assert!(drawn.iter().all(|one| one.turn.abs() <= 15.0 && (one.scale - 1.0).abs() <= 0.1));
        assert!(drawn.iter().any(|one| one.turn > 14.0) && drawn.iter().any(|one| one.turn < -14.0));
        assert!(drawn.iter().any(|one| one.scale > 1.09) && drawn.iter().any(|one| one.scale < 0.91));
        assert_eq!(Distortions { zoom: 0.0, ..asked }.draw(&mut random).unwrap().scale, 1.0);
    }
}
