//! Images blended with others of their batch, and their targets with them.

use std::ops::Range;

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_distr::{Beta, Distribution as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::{Kind, Tensor};

/// How images are blended. Where both ways are wanted, each image goes one of them, by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// Both shape parameters of the Beta distribution that an image's share in a blend of whole images follows; 0: no such blends.
    ///
    /// Source: Zhang, Cisse, Dauphin and Lopez-Paz 2018 (mixup).
    pub mixup: f64,
    /// The same of an image of which a rectangle is another's.
    ///
    /// Source: Yun, Han, Oh, Chun, Choe and Yoo 2019 (`CutMix`).
    pub cutmix: f64,
}

/// The blends of one epoch, in its order.
pub struct Blends {
    /// With which image of the epoch each is blended: one of its own batch.
    partners: Vec<i64>,
    /// Its share in the blend, from 0 to 1.
    shares: Vec<f32>,
    /// What of it is the partner's; of height or width 0 where whole images are blended.
    rectangles: Vec<Rectangle>,
    height: usize,
    width: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rectangle {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Rectangle {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() || self.columns.is_empty()
    }
}

impl Mixing {
    /// Blends for `count` images of `height` and `width` in batches of `batch_size`; `None` where none are wanted.
    ///
    /// # Panics
    /// Never: the configuration's limits are those of the distribution.
    pub fn draw(self, seed: u64, count: usize, batch_size: usize, [height, width]: [usize; 2]) -> Option<Blends> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let beta = |shape: f64| (shape > 0.0).then(|| Beta::new(shape, shape).expect("a shape above 0"));
        let (whole, cut) = (beta(self.mixup), beta(self.cutmix));
        let mut blends = Blends { partners: Vec::new(), shares: Vec::new(), rectangles: Vec::new(), height, width };
        for start in (0..count).step_by(batch_size) {
            let mut batch: Vec<i64> = (start..count.min(start + batch_size)).map(|place| place as i64).collect();
            batch.shuffle(&mut random);
            blends.partners.extend(batch);
        }
        for _ in 0..count {
            let is_cut = match (&whole, &cut) {
                (None, None) => return None,
                (Some(_), Some(_)) => random.random_bool(0.5),
                (_, cut) => cut.is_some(),
            };
            let drawn = if is_cut { &cut } else { &whole }.as_ref().map_or(1.0, |beta| beta.sample(&mut random));
            let rectangle = if is_cut { rectangle(1.0 - drawn, [height, width], &mut random) } else { Rectangle::default() };
            // Cut at the border, a rectangle may be smaller than was drawn.
            let share =
                if is_cut { 1.0 - (rectangle.rows.len() * rectangle.columns.len()) as f64 / (height * width) as f64 } else { drawn };
            blends.shares.push(share as f32);
            blends.rectangles.push(rectangle);
        }
        Some(blends)
    }
}

/// A rectangle of this share of the area about a place of chance, cut at the border.
fn rectangle(share: f64, sides: [usize; 2], random: &mut Xoshiro256PlusPlus) -> Rectangle {
    let [rows, columns] = sides.map(|side| {
        let (middle, half) = (random.random_range(0..side) as f64, side as f64 * share.sqrt() / 2.0);
        (middle - half).round().max(0.0) as usize..(middle + half).round().min(side as f64) as usize
    });
    Rectangle { rows, columns }
}

impl Blends {
    /// Targets `[count, classes]` of the epoch, blended.
    pub fn targets(&self, targets: &Tensor) -> Tensor {
        let shares = Tensor::from_slice(&self.shares).to_device(targets.device()).unsqueeze(1);
        blend(targets, &Tensor::from_slice(&self.partners), &shares)
    }

    /// The images `[rows, height, width, channels]` at `range` of the epoch, whole batches, blended.
    pub fn images(&self, images: &Tensor, range: Range<usize>) -> Tensor {
        let partners: Vec<i64> = self.partners[range.clone()].iter().map(|partner| partner - range.start as i64).collect();
        let (shares, rectangles) = (&self.shares[range.clone()], &self.rectangles[range]);
        let rows = shares.len() as i64;
        let shares = if rectangles.iter().all(Rectangle::is_empty) {
            Tensor::from_slice(shares).view([rows, 1, 1, 1])
        } else {
            let pixels: Vec<f32> = shares.iter().zip(rectangles).flat_map(|(share, rectangle)| self.pixels(*share, rectangle)).collect();
            Tensor::from_slice(&pixels).view([rows, self.height as i64, self.width as i64, 1])
        };
        blend(images, &Tensor::from_slice(&partners), &shares.to_device(images.device()))
    }

    /// The share of an image in each pixel of its blend.
    fn pixels(&self, share: f32, rectangle: &Rectangle) -> Vec<f32> {
        if rectangle.is_empty() {
            return vec![share; self.height * self.width];
        }
        let mut pixels = vec![1.0; self.height * self.width];
        rectangle.rows.clone().for_each(|row| pixels[row * self.width..][rectangle.columns.clone()].fill(0.0));
        pixels
    }
}

/// `share` of each row and the rest of its partner.
fn blend(rows: &Tensor, partners: &Tensor, shares: &Tensor) -> Tensor {
    let partners = rows.index_select(0, &partners.to_kind(Kind::Int64).to_device(rows.device()));
    partners.lerp_tensor(rows, &shares.expand_as(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of 4 × 5 × 1 whose pixels are all their place in the epoch, and targets that are it too.
    fn epoch(count: i64) -> [Tensor; 2] {
        let places = Tensor::arange(count, (Kind::Float, tch::Device::Cpu));
        [places.view([count, 1, 1, 1]).expand([count, 4, 5, 1], false).contiguous(), places.view([count, 1])]
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.contiguous().view(-1)).unwrap()
    }

    #[test]
    fn nothing_is_blended_where_nothing_is_asked_for() {
        assert!(Mixing { mixup: 0.0, cutmix: 0.0 }.draw(1, 10, 4, [4, 5]).is_none());
    }

    #[test]
    fn whole_images_and_their_targets_are_blended_alike_and_within_their_batch() {
        let blends = Mixing { mixup: 0.3, cutmix: 0.0 }.draw(1, 10, 4, [4, 5]).unwrap();
        let [images, targets] = epoch(10);
        let blended = values(&blends.targets(&targets));
        // The images in two pieces, of one batch and of two.
        let pieces = [0..4_usize, 4..10].map(|range| {
            let piece = images.narrow(0, range.start as i64, range.len() as i64);
            values(&blends.images(&piece, range))
        });
        for (place, pixels) in pieces.concat().chunks_exact(20).enumerate() {
            assert!(pixels.iter().all(|pixel| (pixel - blended[place]).abs() < 1e-5), "{place}");
            assert_eq!(blends.partners[place] / 4, place as i64 / 4);
        }
        assert_ne!(blended, values(&targets));
        assert_eq!(blends.shares, Mixing { mixup: 0.3, cutmix: 0.0 }.draw(1, 10, 4, [4, 5]).unwrap().shares);
    }

    #[test]
    fn a_rectangle_of_the_partner_counts_by_its_area() {
        let blends = Mixing { mixup: 0.0, cutmix: 1.0 }.draw(3, 40, 40, [4, 5]).unwrap();
        let [images, targets] = epoch(40);
        let (blended, means) = (values(&blends.targets(&targets)), blends.images(&images, 0..40));
        for (place, pixels) in values(&means).chunks_exact(20).enumerate() {
            let partner = blends.partners[place] as f32;
            assert!(pixels.iter().all(|pixel| *pixel == place as f32 || *pixel == partner), "{place}");
            assert!((pixels.iter().sum::<f32>() / 20.0 - blended[place]).abs() < 1e-4, "{place}");
        }
        let cut = blends.rectangles.iter().filter(|rectangle| !rectangle.is_empty()).count();
        assert!(cut > 20, "{cut}");
    }

    #[test]
    fn both_ways_are_gone_and_shares_follow_their_distribution() {
        let both = Mixing { mixup: 0.3, cutmix: 1.0 }.draw(5, 4_000, 64, [28, 28]).unwrap();
        let cut = both.rectangles.iter().filter(|rectangle| !rectangle.is_empty()).count();
        assert!((1_600..2_200).contains(&cut), "{cut} of 4,000: half, less those that came out empty");
        let shares = Mixing { mixup: 0.3, cutmix: 0.0 }.draw(5, 4_000, 64, [28, 28]).unwrap().shares;
        let mean = shares.iter().sum::<f32>() / 4_000.0;
        let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f32>() / 4_000.0;
        // Of Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)).
        assert!((mean - 0.5).abs() < 0.03 && (variance - 1.0 / (4.0 * 1.6)).abs() < 0.01, "{mean} {variance}");
    }
}
