//! What a training learns from, in the order it does: shuffled, moved, cut into batches.

use std::{ops::Range, sync::Arc};

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64_with_seed};

use super::views::{Augmentation, View};
use crate::{
    data::{Dataset, Datasets, Examples, Split},
    error::AppResult,
};

/// A part of a data set's split, by places.
#[derive(Clone)]
pub struct Part {
    /// The whole split.
    pub examples: Arc<Examples>,
    /// Which of it.
    pub range: Range<usize>,
}

/// Which examples an epoch shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Each once, in an order of chance.
    #[default]
    Shuffled,
    /// As many in all, each of a class of chance, each class as likely: rare examples come often, common ones not always.
    Balanced,
}

impl Sampling {
    /// Places of the examples with these labels.
    fn order(self, labels: &[u8], random: &mut Xoshiro256PlusPlus) -> Vec<u32> {
        let places = 0..labels.len() as u32;
        if self == Self::Shuffled {
            let mut order: Vec<u32> = places.collect();
            order.shuffle(random);
            return order;
        }
        let mut classes = vec![Vec::new(); 256];
        places.for_each(|place| classes[usize::from(labels[place as usize])].push(place));
        classes.retain(|class| !class.is_empty());
        let mut draw = || {
            let class = &classes[random.random_range(0..classes.len())];
            class[random.random_range(0..class.len())]
        };
        labels.iter().map(|_| draw()).collect()
    }
}

/// The examples of one epoch, in its order.
pub struct Epoch<'part> {
    part: &'part Part,
    augmentation: Augmentation,
    order: Vec<u32>,
    /// Number of the view of each image, in this order; empty when each is seen as it is.
    views: Vec<u16>,
}

/// A seed for one purpose within one epoch: unlike seeds give unlike streams.
#[must_use]
pub fn seed_of(seed: u64, epoch: u64, purpose: &str) -> u64 {
    xxh3_64_with_seed(format!("{purpose} {epoch}").as_bytes(), seed)
}

impl Part {
    /// The first and the last part of `examples`; the last is `share` of them, as Keras's `validation_split` cuts.
    #[must_use]
    pub fn split(examples: &Arc<Examples>, share: f64) -> (Self, Self) {
        let cut = Self::cut(examples.len(), share);
        let part = |range| Self { examples: Arc::clone(examples), range };
        (part(0..cut), part(cut..examples.len()))
    }

    /// What a run learns from and what it validates on: the validation split of `dataset` where it has one, else the last `share` of what
    /// there is to learn from.
    ///
    /// # Errors
    /// As [`Datasets::examples`].
    pub fn training(datasets: &Datasets, dataset: &'static Dataset, share: f64) -> AppResult<(Self, Self)> {
        let train = datasets.examples(dataset, Split::Train)?;
        if !dataset.has(Split::Validation) {
            return Ok(Self::split(&train, share));
        }
        Ok((Self::whole(train), Self::whole(datasets.examples(dataset, Split::Validation)?)))
    }

    /// All of a split.
    #[must_use]
    pub fn whole(examples: Arc<Examples>) -> Self {
        let range = 0..examples.len();
        Self { examples, range }
    }

    /// How many of `count` examples stand before the last `share` of them.
    #[must_use]
    pub fn cut(count: usize, share: f64) -> usize {
        (count as f64 * (1.0 - share)).floor() as usize
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Values of an image.
    #[must_use]
    pub fn image_size(&self) -> usize {
        self.examples.shape().iter().product()
    }

    /// Labels, in the data set's order.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.examples.labels()[self.range.clone()]
    }

    /// Pixels of the images in `range` of this part, `[count, height, width, channels]`.
    #[must_use]
    pub fn pixels(&self, range: Range<usize>) -> &[u8] {
        let size = self.image_size();
        &self.examples.pixels()[(self.range.start + range.start) * size..(self.range.start + range.end) * size]
    }

    /// XXH3 (128 bits, hexadecimal) of pixels and labels.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hash = Xxh3Default::new();
        hash.update(self.pixels(0..self.len()));
        hash.update(self.labels());
        format!("{:032x}", hash.digest128())
    }

    /// The examples in the order of `epoch`, which `seed` and the epoch's number decide.
    #[must_use]
    pub fn epoch(&self, seed: u64, epoch: u64, sampling: Sampling, augmentation: Augmentation) -> Epoch<'_> {
        let order = sampling.order(self.labels(), &mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, epoch, "order")));
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, epoch, "augmentation"));
        let views = match augmentation.views() as u16 {
            1 => Vec::new(),
            count => order.iter().map(|_| random.random_range(0..count)).collect(),
        };
        Epoch { part: self, augmentation, order, views }
    }

    /// Appends an image, seen so, to `pixels`.
    pub fn append(&self, place: usize, view: View, pixels: &mut Vec<u8>) {
        let image = self.pixels(place..place + 1);
        if view == View::default() {
            pixels.extend_from_slice(image);
        } else {
            view.append(image, self.examples.shape(), pixels);
        }
    }
}

impl Epoch<'_> {
    /// Labels in this epoch's order.
    pub fn labels(&self) -> impl Iterator<Item = u8> {
        let labels = self.part.labels();
        self.order.iter().map(move |place| labels[*place as usize])
    }

    /// Where the answer to each image as it is seen in this epoch stands among the answers to all views: view · examples + place.
    pub fn answer_places(&self) -> impl Iterator<Item = usize> {
        let views = self.views.iter().copied().chain(std::iter::repeat(0));
        self.order.iter().zip(views).map(|(place, view)| usize::from(view) * self.part.len() + *place as usize)
    }

    /// Writes the images at `range` of this epoch's order to `pixels`, `[count, height, width, channels]`.
    pub fn fill(&self, range: Range<usize>, pixels: &mut Vec<u8>) {
        pixels.clear();
        for place in range {
            let view = self.views.get(place).map_or(View::default(), |view| self.augmentation.view(usize::from(*view)));
            self.part.append(self.order[place] as usize, view, pixels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Images of 2 × 3, whose pixels are 10 × their place + 0 to 5.
    fn part(count: usize) -> Part {
        let pixels = (0..count).flat_map(|place| (0..6).map(move |pixel| (10 * place + pixel) as u8)).collect();
        let labels = (0..count).map(|place| place as u8).collect();
        let examples = Arc::new(Examples::new(Path::new("x"), pixels, labels, [2, 3, 1], 20).unwrap());
        Part { examples, range: 0..count }
    }

    #[test]
    fn the_last_share_validates_as_in_keras() {
        let whole = part(10);
        let (train, validation) = Part::split(&whole.examples, 0.2);
        assert_eq!((train.range, validation.range.clone()), (0..8, 8..10));
        assert_eq!(validation.labels(), [8, 9]);
        assert_eq!(validation.pixels(1..2), [90, 91, 92, 93, 94, 95]);
        assert!(Part::split(&whole.examples, 0.0).1.is_empty());
    }

    #[test]
    fn an_epoch_shows_every_image_once_with_its_label_in_an_order_of_its_own() {
        let part = part(20);
        let labels = |seed, number| part.epoch(seed, number, Sampling::Shuffled, Augmentation::default()).labels().collect::<Vec<_>>();
        assert_eq!(labels(1, 1), labels(1, 1));
        assert_ne!(labels(1, 1), labels(1, 2));
        assert_ne!(labels(1, 1), labels(2, 1));
        let mut sorted = labels(1, 1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<u8>>());

        let epoch = part.epoch(1, 1, Sampling::Shuffled, Augmentation::default());
        let labels: Vec<u8> = epoch.labels().collect();
        let mut pixels = Vec::new();
        epoch.fill(3..5, &mut pixels);
        assert_eq!(pixels[0], (10 * usize::from(labels[3])) as u8);
        assert_eq!(pixels[6], (10 * usize::from(labels[4])) as u8);
        assert_eq!(pixels.len(), 12);
    }

    #[test]
    fn balanced_sampling_shows_every_class_as_often() {
        // 18 examples of class 3, two of class 1, none of the others.
        let labels: Vec<u8> = (0..20).map(|place| if place < 18 { 3 } else { 1 }).collect();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let drawn: Vec<u32> = (0..200).flat_map(|_| Sampling::Balanced.order(&labels, &mut random)).collect();
        assert_eq!(drawn.len(), 4_000, "an epoch has as many examples as there are");
        let rare = drawn.iter().filter(|place| **place >= 18).count();
        assert!((1_800..2_200).contains(&rare), "{rare} of 4,000: half, within six standard deviations");
        assert!((0..20).all(|place| drawn.contains(&place)));
    }

    #[test]
    fn an_epoch_draws_every_view_and_knows_where_its_answers_stand() {
        let part = part(20);
        let augmentation = Augmentation { shift: 1, flip: true, ..Augmentation::default() };
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..40 {
            let epoch = part.epoch(1, number, Sampling::Shuffled, augmentation);
            let mut pixels = Vec::new();
            epoch.fill(0..20, &mut pixels);
            for (place, answer) in epoch.answer_places().enumerate() {
                let (view, example) = (answer / 20, answer % 20);
                let mut image = Vec::new();
                part.append(example, augmentation.view(view), &mut image);
                assert_eq!(image, pixels[6 * place..6 * (place + 1)]);
                seen.insert(view);
            }
        }
        assert_eq!(seen.len(), 18);
        let plain: Vec<usize> = part.epoch(1, 1, Sampling::Shuffled, Augmentation::default()).answer_places().collect();
        assert!(plain.iter().all(|place| *place < 20));
    }
}
