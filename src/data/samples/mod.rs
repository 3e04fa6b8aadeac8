//! Small data sets drawn by code, so that everything works on a machine without a network.
//!
//! They have the shapes and classes of the published ones and about a hundredth or a tenth of their images. They look a little like them,
//! and say nothing of the world: whatever is measured on them must be labelled synthetic.

mod canvas;
mod digits;
mod garments;
mod lesions;

use std::path::Path;

use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    examples::{Examples, Split},
    groups::Groups,
    manifest::{self, Dataset, Format, Publication},
    skin,
};

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Digits from strokes, in the place of MNIST.
    Digits,
    /// Silhouettes of clothing, in the place of Fashion-MNIST.
    Garments,
    /// Coloured blobs on skin, in the place of `DermaMNIST`, as imbalanced.
    Lesions,
}

/// Height and width of every image.
const SIDE: usize = canvas::SIDE;

impl Sample {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Digits, Self::Garments, Self::Lesions];

    /// What the manifest says of it.
    #[must_use]
    pub fn dataset(self) -> Dataset {
        let (id, name) = match self {
            Self::Digits => ("mnist-sample", "Synthetic digits"),
            Self::Garments => ("fashion-mnist-sample", "Synthetic garments"),
            Self::Lesions => ("skin-sample", "Synthetic skin lesions"),
        };
        let classes = match self {
            Self::Digits => manifest::digits(),
            Self::Garments => manifest::garments(),
            Self::Lesions => skin::lesions(),
        };
        let splits = Split::ALL.map(|split| (split, self.counts(split).iter().sum::<usize>())).into_iter().filter(|(_, count)| *count > 0);
        Dataset {
            about: Publication {
                id: id.into(),
                name: name.into(),
                source: "drawn by Torchboard: synthetic, no photograph or handwriting".into(),
                licence: "MIT OR Apache-2.0".into(),
                citation: "Torchboard, synthetic samples.".into(),
                files: Vec::new(),
            },
            format: Format::Drawn(self),
            folder: String::new(),
            classes,
            codes: if self == Self::Lesions { skin::CODES } else { &[] },
            questions: if self == Self::Lesions { skin::QUESTIONS } else { &[] },
            groups: None,
            splits: splits.collect(),
            shape: [SIDE, SIDE, self.channels()],
        }
    }

    /// Draws a split: always the same images in the same order. `[count, 28, 28, channels]`; empty for a split that the published set lacks.
    ///
    /// # Panics
    /// Never: there is a label for each image.
    #[must_use]
    pub fn draw(self, split: Split) -> Examples {
        let (labels, mut random) = self.labels(split);
        let lesions = lesions::shown(split, &labels);
        let mut pixels = Vec::with_capacity(labels.len() * SIDE * SIDE * self.channels());
        for (label, lesion) in labels.iter().zip(&lesions) {
            match self {
                Self::Digits => digits::draw(*label, &mut random, &mut pixels),
                Self::Garments => garments::draw(*label, &mut random, &mut pixels),
                Self::Lesions => lesions::draw(*label, *lesion, &mut random, &mut pixels),
            }
        }
        let shape = [SIDE, SIDE, self.channels()];
        let classes = self.counts(split).len();
        Examples::new(Path::new("a synthetic sample"), pixels, labels, shape, classes).expect("one label is drawn for each image")
    }

    /// Which images show one lesion; `None` of what has none.
    #[must_use]
    pub fn groups(self) -> Option<Groups> {
        let shown = |split: Split| lesions::shown(split, &self.labels(split).0);
        (self == Self::Lesions).then(|| Groups::numbered(Split::ALL.map(shown), Vec::new()))
    }

    /// The labels of a split in its order, and the generator as it stands then.
    fn labels(self, split: Split) -> (Vec<u8>, Xoshiro256PlusPlus) {
        let seed = 10 * Self::ALL.iter().position(|sample| *sample == self).unwrap_or_default() as u64 + split as u64;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let counts = self.counts(split);
        let mut labels: Vec<u8> = counts.iter().enumerate().flat_map(|(label, count)| vec![label as u8; *count]).collect();
        labels.shuffle(&mut random);
        (labels, random)
    }

    fn channels(self) -> usize {
        if self == Self::Lesions { 3 } else { 1 }
    }

    /// Images of each class: a hundredth of MNIST's and Fashion-MNIST's, a tenth of `DermaMNIST`'s, at least one.
    fn counts(self, split: Split) -> Vec<usize> {
        match (self, split) {
            (Self::Digits | Self::Garments, Split::Train) => vec![60; 10],
            (Self::Digits | Self::Garments, Split::Validation) => Vec::new(),
            (Self::Digits | Self::Garments, Split::Test) => vec![10; 10],
            (Self::Lesions, Split::Train) => vec![23, 36, 77, 8, 78, 469, 10],
            (Self::Lesions, Split::Validation) => vec![3, 5, 11, 1, 11, 67, 1],
            (Self::Lesions, Split::Test) => vec![7, 10, 22, 2, 22, 134, 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_what_its_manifest_says_and_always_the_same() {
        for sample in Sample::ALL {
            let dataset = sample.dataset();
            for (split, count) in &dataset.splits {
                let examples = sample.draw(*split);
                assert_eq!((examples.len(), examples.shape()), (*count, dataset.shape));
                assert!(examples.class_counts(dataset.classes.len()).iter().all(|count| *count > 0));
                assert_eq!(examples, sample.draw(*split));
            }
        }
    }

    #[test]
    fn no_image_is_drawn_twice_and_splits_differ() {
        for sample in Sample::ALL {
            let mut images = std::collections::BTreeSet::new();
            let mut count = 0;
            for (split, _) in sample.dataset().splits {
                let examples = sample.draw(split);
                count += examples.len();
                images.extend((0..examples.len()).map(|index| examples.image(index).unwrap().to_vec()));
            }
            assert_eq!(images.len(), count, "{sample:?}");
        }
    }

    #[test]
    fn lesions_have_several_images_some_of_them_on_both_sides_of_a_split() {
        let groups = Sample::Lesions.groups().unwrap();
        let of = |split| groups.of(split).iter().copied().collect::<std::collections::BTreeSet<u32>>();
        let (train, test) = (of(Split::Train), of(Split::Test));
        assert!(train.len() < Sample::Lesions.draw(Split::Train).len() && test.len() < 200);
        let shared = train.intersection(&test).count();
        assert!(shared > 20 && shared < test.len() / 2, "{shared} of {}", test.len());
        assert!(Sample::Digits.groups().is_none());
        // One lesion is of one class, and its images are more alike than those of two lesions of a class.
        let (train, lesions) = (Sample::Lesions.draw(Split::Train), groups.of(Split::Train));
        let apart = |one: usize, other: usize| {
            let pairs = train.image(one).unwrap().iter().zip(train.image(other).unwrap());
            pairs.map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>()
        };
        let (mut same, mut others) = ((0.0, 0.0), (0.0, 0.0));
        for (one, other) in (0..train.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
            if train.labels()[one] == train.labels()[other] {
                let sum = if lesions[one] == lesions[other] { &mut same } else { &mut others };
                *sum = (sum.0 + apart(one, other), sum.1 + 1.0);
            } else {
                assert_ne!(lesions[one], lesions[other]);
            }
        }
        assert!(same.0 / same.1 < 0.9 * others.0 / others.1, "{same:?} {others:?}");
    }

    /// The nearest class mean, learnt from the training images, names most test images rightly: there is something to learn.
    #[test]
    fn classes_can_be_told_apart_and_not_all() {
        for sample in Sample::ALL {
            let dataset = sample.dataset();
            let (train, test) = (sample.draw(Split::Train), sample.draw(Split::Test));
            let size: usize = dataset.shape.iter().product();
            let mut means = vec![vec![0.0_f64; size]; dataset.classes.len()];
            let counts = train.class_counts(means.len());
            for (index, label) in train.labels().iter().enumerate() {
                for (mean, pixel) in means[usize::from(*label)].iter_mut().zip(train.image(index).unwrap()) {
                    *mean += f64::from(*pixel) / counts[usize::from(*label)] as f64;
                }
            }
            let distance = |image: &[u8], mean: &[f64]| image.iter().zip(mean).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>();
            let nearest =
                |image: &[u8]| (0..means.len()).min_by(|a, b| distance(image, &means[*a]).total_cmp(&distance(image, &means[*b]))).unwrap();
            let right = (0..test.len()).filter(|index| nearest(test.image(*index).unwrap()) == usize::from(test.labels()[*index])).count();
            let accuracy = right as f64 / test.len() as f64;
            assert!(accuracy > 0.4 && accuracy < 1.0, "{sample:?}: {accuracy}");
        }
    }
}
