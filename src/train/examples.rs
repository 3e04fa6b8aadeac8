//! What a training learns from, in the order it does: shuffled, moved, cut into batches.

use std::{ops::Range, sync::Arc};

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64_with_seed};

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

/// How images change each time they are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Augmentation {
    /// Moved by at most so many pixels each way, each offset as likely; what comes in is 0.
    pub shift: usize,
    /// Mirrored left to right, every second time.
    pub flip: bool,
    /// Turned by none, one, two or three quarters, each as likely. Of square images only.
    pub turn: bool,
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
    pub fn epoch(&self, seed: u64, epoch: u64, augmentation: Augmentation) -> Epoch<'_> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, epoch, "order")));
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
            let start = pixels.len();
            pixels.resize(start + image.len(), 0);
            moved(image, self.examples.shape(), view, &mut pixels[start..]);
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

/// One way to see an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct View {
    right: isize,
    down: isize,
    mirrored: bool,
    /// Quarters of a turn, clockwise.
    quarters: u8,
}

impl Augmentation {
    /// How many ways to see an image there are.
    #[must_use]
    pub fn views(self) -> usize {
        let offsets = 2 * self.shift + 1;
        offsets * offsets * self.sides() * if self.turn { 4 } else { 1 }
    }

    /// The way of this number, below [`Self::views`].
    #[must_use]
    pub fn view(self, number: usize) -> View {
        let (offsets, reach) = (2 * self.shift + 1, self.shift as isize);
        let offset = |number: usize| (number % offsets) as isize - reach;
        let rest = number / (offsets * offsets);
        let (mirrored, quarters) = (rest % self.sides() == 1, (rest / self.sides()) as u8);
        View { right: offset(number), down: offset(number / offsets), mirrored, quarters }
    }

    fn sides(self) -> usize {
        if self.flip { 2 } else { 1 }
    }
}

/// A square image turned clockwise by so many quarters.
fn turned(image: &[u8], side: usize, channels: usize, quarters: u8) -> Vec<u8> {
    let mut turned = Vec::with_capacity(image.len());
    for (row, column) in (0..side).flat_map(|row| (0..side).map(move |column| (row, column))) {
        let [row, column] = match quarters % 4 {
            0 => [row, column],
            1 => [side - 1 - column, row],
            2 => [side - 1 - row, side - 1 - column],
            _ => [column, side - 1 - row],
        };
        turned.extend_from_slice(&image[(row * side + column) * channels..][..channels]);
    }
    turned
}

/// Writes `image` moved right and down, after turning and mirroring it where that is asked for, into `target`, which is all 0.
fn moved(image: &[u8], [height, width, channels]: [usize; 3], view: View, target: &mut [u8]) {
    let View { right, down, mirrored, quarters } = view;
    let turned = (quarters > 0).then(|| turned(image, height, channels, quarters));
    let image = turned.as_deref().unwrap_or(image);
    let line = width * channels;
    let right = right.clamp(-(width as isize), width as isize);
    // Columns that are filled, and where the first of them comes from.
    let filled = right.max(0) as usize..(width as isize + right.min(0)).max(0) as usize;
    let from = (-right).max(0) as usize;
    for row in 0..height {
        let Some(source) = row.checked_add_signed(-down).filter(|source| *source < height) else { continue };
        let source = &image[source * line..(source + 1) * line];
        let target = &mut target[row * line..(row + 1) * line];
        if !mirrored {
            let count = filled.len() * channels;
            target[filled.start * channels..][..count].copy_from_slice(&source[from * channels..][..count]);
            continue;
        }
        for (step, column) in filled.clone().enumerate() {
            let pixel = (width - 1 - from - step) * channels;
            target[column * channels..][..channels].copy_from_slice(&source[pixel..pixel + channels]);
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
        let labels = |seed, number| part.epoch(seed, number, Augmentation::default()).labels().collect::<Vec<_>>();
        assert_eq!(labels(1, 1), labels(1, 1));
        assert_ne!(labels(1, 1), labels(1, 2));
        assert_ne!(labels(1, 1), labels(2, 1));
        let mut sorted = labels(1, 1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<u8>>());

        let epoch = part.epoch(1, 1, Augmentation::default());
        let labels: Vec<u8> = epoch.labels().collect();
        let mut pixels = Vec::new();
        epoch.fill(3..5, &mut pixels);
        assert_eq!(pixels[0], (10 * usize::from(labels[3])) as u8);
        assert_eq!(pixels[6], (10 * usize::from(labels[4])) as u8);
        assert_eq!(pixels.len(), 12);
    }

    #[test]
    fn images_move_and_mirror() {
        let image = [1, 2, 3, 4, 5, 6];
        let view = |right, down, mirrored| {
            let mut target = [0; 6];
            moved(&image, [2, 3, 1], View { right, down, mirrored, quarters: 0 }, &mut target);
            target
        };
        assert_eq!(view(0, 0, false), image);
        assert_eq!(view(1, 0, false), [0, 1, 2, 0, 4, 5]);
        assert_eq!(view(-1, 0, false), [2, 3, 0, 5, 6, 0]);
        assert_eq!(view(0, 1, false), [0, 0, 0, 1, 2, 3]);
        assert_eq!(view(0, -1, false), [4, 5, 6, 0, 0, 0]);
        assert_eq!(view(0, 0, true), [3, 2, 1, 6, 5, 4]);
        assert_eq!(view(1, 0, true), [0, 3, 2, 0, 6, 5]);
        assert_eq!(view(-1, 0, true), [2, 1, 0, 5, 4, 0]);
        assert_eq!(view(3, 0, false), [0; 6]);
        assert_eq!((view(7, 0, false), view(-7, 5, true)), ([0; 6], [0; 6]));
        let mut colours = [0; 6];
        moved(&image, [1, 2, 3], View { mirrored: true, ..View::default() }, &mut colours);
        assert_eq!(colours, [4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn squares_turn_by_quarters_before_they_are_mirrored_and_moved() {
        let image = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let view = |view| {
            let mut target = [0; 9];
            moved(&image, [3, 3, 1], view, &mut target);
            target
        };
        let quarters = |quarters| View { quarters, ..View::default() };
        assert_eq!(view(quarters(1)), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        assert_eq!(view(quarters(2)), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(view(quarters(3)), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(view(View { mirrored: true, ..quarters(1) }), [1, 4, 7, 2, 5, 8, 3, 6, 9]);
        assert_eq!(view(View { right: 1, ..quarters(2) }), [0, 9, 8, 0, 6, 5, 0, 3, 2]);
        let mut colours = [0; 12];
        moved(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 2, 3], quarters(1), &mut colours);
        assert_eq!(colours, [7, 8, 9, 1, 2, 3, 10, 11, 12, 4, 5, 6]);
    }

    #[test]
    fn views_are_all_offsets_on_both_sides() {
        let augmentation = Augmentation { shift: 1, flip: true, turn: false };
        let views: std::collections::BTreeSet<View> = (0..augmentation.views()).map(|number| augmentation.view(number)).collect();
        assert_eq!(views.len(), 18);
        assert!(views.iter().all(|view| view.right.abs() <= 1 && view.down.abs() <= 1));
        assert_eq!((Augmentation::default().views(), Augmentation::default().view(0)), (1, View::default()));
        for (flip, count) in [(false, 4), (true, 8)] {
            let turning = Augmentation { shift: 0, flip, turn: true };
            let views: std::collections::BTreeSet<View> = (0..turning.views()).map(|number| turning.view(number)).collect();
            assert_eq!((views.len(), turning.views()), (count, count));
            assert!(views.iter().all(|view| view.quarters < 4));
        }
    }

    #[test]
    fn an_epoch_draws_every_view_and_knows_where_its_answers_stand() {
        let part = part(20);
        let augmentation = Augmentation { shift: 1, flip: true, turn: false };
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..40 {
            let epoch = part.epoch(1, number, augmentation);
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
        let plain: Vec<usize> = part.epoch(1, 1, Augmentation::default()).answer_places().collect();
        assert!(plain.iter().all(|place| *place < 20));
    }
}
