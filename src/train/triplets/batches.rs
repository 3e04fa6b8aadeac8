//! Batches in which every label has several images, so that triplets can be built within each.

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Triplet, TripletError, by_label, require, require_triplet};
use crate::train::examples::seed_of;

/// Batches of `classes` labels (P) with `images` images each (K).
///
/// Source: Hermans et al. 2017, section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batches {
    /// Labels in a batch.
    pub classes: usize,
    /// Images of each.
    pub images: usize,
}

impl Batches {
    /// How many batches an epoch of `count` images has: as many as show `count` images, at least one.
    #[must_use]
    pub fn count(&self, count: usize) -> usize {
        let size = (self.classes * self.images).max(1);
        ((count as f64 / size as f64).round() as usize).max(1)
    }

    /// The batches of `epoch`, each the places of its images, label after label; `seed` and the epoch's number decide them.
    ///
    /// Labels take part in proportion to their images, so that each image is seen once or so: a label's images come in an order of their
    /// own, and when they are used up, once more in a new one, so that no group of them is smaller than the others. Where that would put a
    /// label twice in one batch, it is in every batch, and the rest is shared among the others. With as many labels in a batch as there
    /// are, all are shown equally often: images of frequent labels less than once, others the next epoch. A label with fewer than
    /// `images` images brings all it has, and the batch is smaller.
    ///
    /// # Errors
    /// [`TripletError::Setting`] when `classes` or `images` is below 2, or `classes` more than there are labels;
    /// [`TripletError::NoTriplet`] of labels without any triplet.
    pub fn epoch(&self, labels: &[u8], seed: u64, epoch: u64) -> Result<Vec<Vec<u32>>, TripletError> {
        require_triplet(labels)?;
        let present: Vec<Vec<u32>> = by_label(labels).into_iter().filter(|places| !places.is_empty()).collect();
        let (classes, images) = (self.classes, self.images);
        require((2..=present.len()).contains(&classes), "the number of labels in a batch", classes as f64, {
            "2 or more, and at most the number of labels there are"
        })?;
        require(images > 1, "the number of images of each label in a batch", images as f64, "2 or more")?;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, epoch, "batches"));
        let count = self.count(labels.len());
        let mut left = turns(&present, count, classes, &mut random);
        let mut streams: Vec<Stream> = present.into_iter().map(|places| Stream::new(places, &mut random)).collect();
        let mut batches = Vec::with_capacity(count);
        for remaining in (1..=count).rev() {
            let mut batch = Vec::with_capacity(classes * images);
            for label in choose(&mut left, remaining, classes, &mut random) {
                streams[label].take(images, &mut batch, &mut random);
            }
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// In how many of `count` batches each label takes part: in proportion to its images, at most in all, `count * classes` together.
fn turns(places: &[Vec<u32>], count: usize, classes: usize, random: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    let mut turns = vec![0; places.len()];
    let mut open: Vec<usize> = (0..places.len()).collect();
    let mut slots = count * classes;
    loop {
        let images: usize = open.iter().map(|&label| places[label].len()).sum();
        let full = |label: &usize| places[*label].len() * slots >= count * images;
        let (in_all, rest): (Vec<usize>, Vec<usize>) = open.iter().partition(|label| full(label));
        in_all.iter().for_each(|&label| turns[label] = count);
        slots -= in_all.len() * count;
        open = rest;
        if in_all.is_empty() || open.is_empty() {
            break;
        }
    }
    // What is left of a turn goes to whom a draw in proportion to it falls: systematic sampling, which keeps the total exact.
    let images: usize = open.iter().map(|&label| places[label].len()).sum();
    open.shuffle(random);
    let offset: f64 = random.random();
    let (mut sum, mut given) = (0, 0);
    for &label in &open {
        sum += places[label].len();
        let reached = if sum == images { slots } else { (sum as f64 * slots as f64 / images as f64 + offset).floor() as usize };
        turns[label] = reached.saturating_sub(given).min(count);
        given += turns[label];
    }
    turns
}

/// Draws the labels of a batch by how many turns they have left, and takes these turns. Those that must be in every batch that remains
/// always are, so that nobody is left with more turns than there are batches.
fn choose(left: &mut [usize], remaining: usize, classes: usize, random: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    // The greatest keys of u^(1/weight) are a draw without replacement by weight (Efraimidis and Spirakis 2006).
    let mut keys: Vec<(f64, usize)> = (left.iter().enumerate())
        .map(|(label, &turns)| {
            let key = (1.0 - random.random::<f64>()).ln() / turns as f64;
            (if turns >= remaining { f64::INFINITY } else { key }, label)
        })
        .filter(|&(_, label)| left[label] > 0)
        .collect();
    keys.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<usize> = keys.into_iter().take(classes).map(|(_, label)| label).collect();
    chosen.iter().for_each(|&label| left[label] -= 1);
    chosen.sort_unstable();
    chosen
}

/// The images of a label in a random order, and in another one after that.
struct Stream {
    places: Vec<u32>,
    next: usize,
}

impl Stream {
    fn new(mut places: Vec<u32>, random: &mut Xoshiro256PlusPlus) -> Self {
        places.shuffle(random);
        Self { places, next: 0 }
    }

    /// Appends so many images, none twice.
    fn take(&mut self, images: usize, batch: &mut Vec<u32>, random: &mut Xoshiro256PlusPlus) {
        let images = images.min(self.places.len());
        let first = self.places.len().min(self.next + images);
        let tail = self.places[self.next..first].to_vec();
        batch.extend_from_slice(&tail);
        self.next = first;
        if tail.len() < images {
            self.places.shuffle(random);
            // Those that this batch has already come last this time.
            self.places.sort_by_key(|place| tail.contains(place));
            self.next = images - tail.len();
            batch.extend_from_slice(&self.places[..self.next]);
        }
    }
}

/// So many triplets drawn blindly from a batch: an anchor among the images that have a positive, one of its positives and one image of
/// another label, each as likely as any other. What mining is compared with at the same number of images seen.
///
/// # Errors
/// [`TripletError::NoTriplet`] of labels without any triplet.
pub fn random_triplets(labels: &[u8], count: usize, seed: u64) -> Result<Vec<Triplet>, TripletError> {
    require_triplet(labels)?;
    let places = by_label(labels);
    let anchors: Vec<u32> = (0..labels.len() as u32).filter(|&place| places[usize::from(labels[place as usize])].len() > 1).collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let draw = |_| {
        let anchor = anchors[random.random_range(0..anchors.len())];
        let label = labels[anchor as usize];
        let own = &places[usize::from(label)];
        let mut other = |from: &mut dyn FnMut(usize) -> u32, count: usize, holds: &dyn Fn(u32) -> bool| loop {
            let place = from(random.random_range(0..count));
            if holds(place) {
                break place;
            }
        };
        let positive = other(&mut |index| own[index], own.len(), &|place| place != anchor);
        let negative = other(&mut |index| index as u32, labels.len(), &|place| labels[place as usize] != label);
        [anchor, positive, negative]
    };
    Ok((0..count).map(draw).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::testing;
    use super::*;

    fn of_counts(counts: &[usize]) -> Vec<u8> {
        counts.iter().enumerate().flat_map(|(label, &count)| vec![label as u8; count]).collect()
    }

    fn times_seen(batches: &[Vec<u32>], images: usize) -> Vec<usize> {
        let mut times = vec![0; images];
        batches.iter().flatten().for_each(|&place| times[place as usize] += 1);
        times
    }

    fn assert_batches(batches: &[Vec<u32>], labels: &[u8], wanted: Batches) {
        for batch in batches {
            assert_eq!(batch.iter().collect::<HashSet<_>>().len(), batch.len(), "no image is twice in a batch");
            let groups: Vec<Vec<u32>> = by_label(&batch.iter().map(|&place| labels[place as usize]).collect::<Vec<_>>());
            let sizes: Vec<usize> = groups.iter().map(Vec::len).filter(|&size| size > 0).collect();
            assert_eq!(sizes.len(), wanted.classes);
            for (label, group) in groups.iter().enumerate().filter(|(_, group)| !group.is_empty()) {
                let available = labels.iter().filter(|&&other| usize::from(other) == label).count();
                assert_eq!(group.len(), wanted.images.min(available));
            }
        }
    }

    #[test]
    fn an_epoch_shows_every_image_of_equal_labels_once() {
        let labels = of_counts(&[40; 10]);
        for wanted in [Batches { classes: 10, images: 20 }, Batches { classes: 5, images: 8 }, Batches { classes: 4, images: 5 }] {
            let batches = wanted.epoch(&labels, 3, 0).unwrap();
            assert_batches(&batches, &labels, wanted);
            assert_eq!(batches.len(), 400 / (wanted.classes * wanted.images));
            assert_eq!(times_seen(&batches, 400), vec![1; 400], "{wanted:?}");
        }
    }

    #[test]
    fn labels_take_part_in_proportion_to_their_images_where_batches_allow_it() {
        let counts = [592, 674, 595, 613, 584, 542, 591, 626, 585, 594]; // a tenth of MNIST's
        let labels = of_counts(&counts);
        let wanted = Batches { classes: 5, images: 10 };
        let batches = wanted.epoch(&labels, 1, 2).unwrap();
        assert_batches(&batches, &labels, wanted);
        let times = times_seen(&batches, labels.len());
        assert!(times.iter().all(|&times| times <= 2));
        let others = times.iter().filter(|&&times| times != 1).count();
        assert!(others <= counts.len() * wanted.images, "{others} images are not seen just once");
    }

    #[test]
    fn with_every_label_in_every_batch_all_are_shown_equally_often() {
        let labels = of_counts(&[60, 120, 180]);
        let wanted = Batches { classes: 3, images: 10 };
        let batches = wanted.epoch(&labels, 5, 0).unwrap();
        assert_batches(&batches, &labels, wanted);
        let times = times_seen(&batches, 360);
        assert_eq!(batches.len(), 12);
        assert!(times[..60].iter().all(|&times| times == 2) && times[60..180].iter().all(|&times| times == 1));
        assert_eq!(times[180..].iter().sum::<usize>(), 120);
        let next = times_seen(&wanted.epoch(&labels, 5, 1).unwrap(), 360);
        let missed = (180..360).filter(|&place| times[place] + next[place] == 0).count();
        assert!(missed < 40, "what one epoch leaves out, another shows: {missed} of 180 in neither");
    }

    #[test]
    fn a_rare_label_brings_all_it_has() {
        let labels = of_counts(&[1, 3, 30, 66]);
        let wanted = Batches { classes: 4, images: 5 };
        let batches = wanted.epoch(&labels, 0, 0).unwrap();
        assert_batches(&batches, &labels, wanted);
        assert!(batches.iter().all(|batch| batch.len() == 1 + 3 + 5 + 5));
    }

    #[test]
    fn seed_and_epoch_decide_the_batches() {
        let labels = of_counts(&[50, 60, 70]);
        let batches = |seed, epoch| Batches { classes: 2, images: 8 }.epoch(&labels, seed, epoch).unwrap();
        assert_eq!(batches(1, 1), batches(1, 1));
        assert_ne!(batches(1, 1), batches(1, 2));
        assert_ne!(batches(1, 1), batches(2, 1));
    }

    #[test]
    fn any_counts_of_labels_can_be_batched() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(0);
        for seed in 0..300 {
            let counts: Vec<usize> = (0..random.random_range(2..12)).map(|_| random.random_range(1..80)).collect();
            let labels = of_counts(&counts);
            if require_triplet(&labels).is_err() {
                continue;
            }
            let wanted = Batches { classes: random.random_range(2..=counts.len()), images: random.random_range(2..20) };
            let batches = wanted.epoch(&labels, seed, 0).unwrap();
            assert_eq!(batches.len(), wanted.count(labels.len()));
            assert_batches(&batches, &labels, wanted);
        }
    }

    #[test]
    fn what_cannot_be_batched_is_refused() {
        let wanted = Batches { classes: 3, images: 4 };
        assert_eq!(wanted.epoch(&[0; 9], 0, 0), Err(TripletError::NoTriplet { images: 9, labels: 1 }));
        assert!(matches!(wanted.epoch(&[0, 0, 1, 1], 0, 0), Err(TripletError::Setting { .. })));
        assert!(matches!(Batches { classes: 2, images: 1 }.epoch(&[0, 0, 1, 1], 0, 0), Err(TripletError::Setting { .. })));
        assert!(matches!(Batches { classes: 1, images: 2 }.epoch(&[0, 0, 1, 1], 0, 0), Err(TripletError::Setting { .. })));
        assert_eq!(random_triplets(&[1, 2], 5, 0), Err(TripletError::NoTriplet { images: 2, labels: 2 }));
    }

    #[test]
    fn blind_triplets_hold_their_labels_and_reach_every_image() {
        let labels = of_counts(&[5, 10, 1]);
        let triplets = random_triplets(&labels, 2_000, 4).unwrap();
        testing::assert_triplets(&triplets, &labels);
        for role in 0..3 {
            let seen: HashSet<u32> = triplets.iter().map(|triplet| triplet[role]).collect();
            assert_eq!(seen.len(), if role == 2 { 16 } else { 15 }, "an image alone with its label is only a negative");
        }
        assert_eq!(triplets, random_triplets(&labels, 2_000, 4).unwrap());
    }
}
