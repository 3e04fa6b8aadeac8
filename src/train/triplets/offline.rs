//! Triplets made once, before training.

use rand::{
    SeedableRng as _,
    seq::{SliceRandom as _, index},
};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Triplet, TripletError, by_label, require, require_triplet};

/// How many triplets to make, and how to divide them.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offline {
    /// Anchor-positive pairs of each label.
    pub pairs: usize,
    /// Negatives of each label; each pair meets each of them.
    pub negatives: usize,
    /// The share of triplets that validate, in 0 to 1.
    pub validation_share: f64,
}

/// Places in the data set; no image is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triplets {
    /// To learn from.
    pub training: Vec<Triplet>,
    /// To validate by. They share images with the others, as the course report's do: only the triplets are new.
    pub validation: Vec<Triplet>,
}

impl Default for Offline {
    /// The course report's: 150 · 150 for each of ten labels, 180,000 and 45,000.
    fn default() -> Self {
        Self { pairs: 150, negatives: 150, validation_share: 0.2 }
    }
}

impl Offline {
    /// Draws, for each label, distinct ordered pairs of distinct images and distinct images of other labels; all pairs with all these
    /// negatives are its triplets. All of them are then shuffled and divided.
    ///
    /// Where a label has fewer pairs or negatives than are asked for, all there are are taken: a data set of a hundred images gives fewer
    /// triplets, not an error. A label with a single image gives only negatives.
    ///
    /// # Errors
    /// [`TripletError::NoTriplet`] of labels without any triplet, [`TripletError::Setting`] of counts that are 0 and of a share that is
    /// none.
    pub fn draw(&self, labels: &[u8], seed: u64) -> Result<Triplets, TripletError> {
        require(self.pairs > 0, "the number of pairs", self.pairs as f64, "1 or more")?;
        require(self.negatives > 0, "the number of negatives", self.negatives as f64, "1 or more")?;
        require((0.0..=1.0).contains(&self.validation_share), "the share that validates", self.validation_share, "in 0 to 1")?;
        require_triplet(labels)?;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut triplets = Vec::new();
        for (label, own) in by_label(labels).iter().enumerate().filter(|(_, own)| !own.is_empty()) {
            let others: Vec<u32> = (0..labels.len() as u32).filter(|&place| usize::from(labels[place as usize]) != label).collect();
            let pairs = self.pairs(own, &mut random);
            let negatives = index::sample(&mut random, others.len(), self.negatives.min(others.len())).into_vec();
            triplets.extend(pairs.iter().flat_map(|&[a, p]| negatives.iter().map(|&n| [a, p, others[n]]).collect::<Vec<_>>()));
        }
        triplets.shuffle(&mut random);
        let validation = (triplets.len() as f64 * self.validation_share).round() as usize;
        let validation = triplets.split_off(triplets.len() - validation);
        Ok(Triplets { training: triplets, validation })
    }

    fn pairs(&self, own: &[u32], random: &mut Xoshiro256PlusPlus) -> Vec<[u32; 2]> {
        // Ordered pairs are numbered: anchor, then one of the others.
        let others = own.len() - 1;
        let count = own.len() * others;
        let pair = |number: usize| {
            let (anchor, other) = (number / others, number % others);
            [own[anchor], own[other + usize::from(other >= anchor)]]
        };
        index::sample(random, count, self.pairs.min(count)).into_iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::testing;
    use super::*;

    fn labels(count: usize) -> Vec<u8> {
        (0..count).map(|place| (place * 7 % 10) as u8).collect()
    }

    #[test]
    fn the_reports_triplets_are_as_many_as_it_says() {
        let labels = labels(60_000);
        let Triplets { training, validation } = Offline::default().draw(&labels, 0).unwrap();
        assert_eq!((training.len(), validation.len()), (180_000, 45_000));
        let all: Vec<Triplet> = [training, validation].concat();
        testing::assert_triplets(&all, &labels);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 225_000, "each is there once");
        for label in 0..10 {
            let own: Vec<&Triplet> = all.iter().filter(|triplet| labels[triplet[0] as usize] == label).collect();
            let pairs: HashSet<[u32; 2]> = own.iter().map(|&&[a, p, _]| [a, p]).collect();
            let negatives: HashSet<u32> = own.iter().map(|&&[_, _, n]| n).collect();
            assert_eq!((own.len(), pairs.len(), negatives.len()), (22_500, 150, 150));
            let others: HashSet<u8> = negatives.iter().map(|&place| labels[place as usize]).collect();
            assert_eq!(others.len(), 9, "negatives are of every other label");
        }
    }

    #[test]
    fn both_parts_hold_every_label_alike() {
        let labels = labels(60_000);
        let validation = Offline::default().draw(&labels, 1).unwrap().validation;
        for label in 0..10 {
            let count = validation.iter().filter(|triplet| labels[triplet[0] as usize] == label).count();
            assert!((4_500_usize.abs_diff(count)) < 300, "{count} of label {label}");
        }
    }

    #[test]
    fn a_seed_decides_the_triplets() {
        let labels = labels(1_000);
        let draw = |seed| Offline { pairs: 10, negatives: 10, ..Offline::default() }.draw(&labels, seed).unwrap();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn few_images_give_every_triplet_there_is() {
        // Three images of one label (six ordered pairs) and one of another.
        let labels = [0, 0, 7, 0];
        let Triplets { training, validation } = Offline::default().draw(&labels, 0).unwrap();
        assert_eq!((training.len(), validation.len()), (5, 1));
        let all: HashSet<Triplet> = training.into_iter().chain(validation).collect();
        assert_eq!(all, testing::every_triplet(&labels).into_iter().collect());
        let hundred = Offline::default().draw(&self::labels(100), 0).unwrap();
        assert_eq!(hundred.training.len() + hundred.validation.len(), 10 * 90 * 90);
    }

    #[test]
    fn what_gives_no_triplet_is_refused() {
        let offline = Offline::default();
        assert_eq!(offline.draw(&[], 0), Err(TripletError::NoTriplet { images: 0, labels: 0 }));
        assert_eq!(offline.draw(&[1, 1, 1], 0), Err(TripletError::NoTriplet { images: 3, labels: 1 }));
        assert_eq!(offline.draw(&[1, 2, 3], 0), Err(TripletError::NoTriplet { images: 3, labels: 3 }));
        for wrong in [
            Offline { pairs: 0, ..offline },
            Offline { negatives: 0, ..offline },
            Offline { validation_share: 1.5, ..offline },
            Offline { validation_share: f64::NAN, ..offline },
        ] {
            assert!(matches!(wrong.draw(&[0, 0, 1], 0), Err(TripletError::Setting { .. })));
        }
    }
}
