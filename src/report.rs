//! The course report's own figures, typed; a page shows them beside what it computes itself. Those on words stand in [`crate::words::report`].

use std::sync::LazyLock;

use serde::Deserialize;

/// The report's results on Fashion-MNIST.
///
/// # Panics
/// Never in a build whose tests passed: the file is part of the binary.
#[must_use]
pub fn fashion() -> &'static FashionReport {
    static REPORT: LazyLock<FashionReport> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../data/report/fashion.json")).expect("data/report/fashion.json is well formed")
    });
    &REPORT
}

/// The report's results on MNIST.
///
/// # Panics
/// Never in a build whose tests passed: the file is part of the binary.
#[must_use]
pub fn triplet() -> &'static TripletReport {
    static REPORT: LazyLock<TripletReport> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../data/report/triplet.json")).expect("data/report/triplet.json is well formed")
    });
    &REPORT
}

/// The report's results on skin lesions.
///
/// # Panics
/// Never in a build whose tests passed: the file is part of the binary.
#[must_use]
pub fn skin() -> &'static SkinReport {
    static REPORT: LazyLock<SkinReport> =
        LazyLock::new(|| serde_json::from_str(include_str!("../data/report/skin.json")).expect("data/report/skin.json is well formed"));
    &REPORT
}

/// Section 3 of the report: a residual network for seven classes of lesions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkinReport {
    /// Trainable values of its network, rounded.
    pub parameters: u64,
    /// Its classification report on the images that were learned from.
    pub train: ReportedSplit,
    /// On those that validate.
    pub validation: ReportedSplit,
    /// On those that were kept apart.
    pub test: ReportedSplit,
    /// What others publish for the same images and split.
    pub published: Vec<PublishedLesions>,
}

/// A classification report, rounded to two places.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedSplit {
    /// In the order of the labels.
    pub per_class: Vec<ReportedClass>,
    /// Share of the images that it gets right.
    pub accuracy: f64,
    /// Mean over the classes.
    #[serde(rename = "macro")]
    pub macro_scores: ReportedScores,
    /// Mean over the classes, weighted by their images.
    pub weighted: ReportedScores,
}

/// One class of a classification report.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedClass {
    /// The data set's short name of it.
    pub name: String,
    /// Of what was taken for it, the share that is.
    pub precision: f64,
    /// Of what is, the share that was taken for it.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
    /// Images of it.
    pub support: u64,
}

/// Means of a classification report.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedScores {
    /// As of a class.
    pub precision: f64,
    /// As of a class.
    pub recall: f64,
    /// As of a class.
    pub f1: f64,
}

/// A figure of others on skin lesions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedLesions {
    /// The network.
    pub network: String,
    /// On the test images.
    pub accuracy: f64,
    /// Mean area under the ROC curve, each class against the rest.
    pub auc: f64,
    /// Where it is published.
    pub source: String,
}

impl ReportedSplit {
    /// Images of all classes.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.per_class.iter().map(|class| class.support).sum()
    }
}

/// Section 2 of the report: a network that embeds digits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripletReport {
    /// In units of squared distance.
    pub margin: f64,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Triplets of one step.
    pub batch_size: u64,
    /// Passes over the triplets.
    pub epochs: u64,
    /// Pairs of anchor and positive for each label.
    pub pairs_per_label: u64,
    /// Negatives for each pair.
    pub negatives_per_pair: u64,
    /// All of them.
    pub triplets: u64,
    /// The share of them that validates: the last ones.
    pub validation_share: f64,
    /// Images on each of its maps.
    pub map_points: u64,
    /// Seconds that an epoch took, on a GPU.
    pub epoch_s: u64,
    /// After each epoch.
    pub curve: Vec<Losses>,
}

/// Loss after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// On the triplets that are learned from.
    pub loss: f64,
    /// On those that validate.
    pub validation_loss: f64,
}

/// Section 4 of the report: a tuned perceptron.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FashionReport {
    /// The share of the training images that validate: the last ones.
    pub validation_share: f64,
    /// Images of one step.
    pub batch_size: u64,
    /// Before the search.
    pub untuned: Training,
    /// The search.
    pub study: ReportStudy,
    /// The best of the search, trained from scratch.
    pub tuned: Training,
    /// What others publish for perceptrons.
    pub published: Vec<Published>,
}

/// One training and what it came to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Hidden units; the report does not say how many its untuned network has.
    pub units: Option<u64>,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Passes over the training images.
    pub epochs: u64,
    /// Steps in each, where the report says so.
    pub steps_per_epoch: Option<u64>,
    /// Trainable parameters, where the report says so.
    pub parameters: Option<u64>,
    /// After the last epoch.
    pub last: Outcome,
}

/// Loss and accuracy after the last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// On the training images.
    pub loss: f64,
    /// On the training images.
    pub accuracy: f64,
    /// On the validation images.
    pub validation_loss: f64,
    /// On the validation images.
    pub validation_accuracy: f64,
}

/// A search for hidden units and learning rate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportStudy {
    /// `bayesian`.
    pub sampler: String,
    /// `validation_accuracy`.
    pub objective: String,
    /// Which numbers of units.
    pub units: Steps,
    /// Which learning rates.
    pub learning_rates: Vec<f64>,
    /// Passes over the training images in each trial.
    pub epochs: u64,
    /// All trials together.
    pub duration_s: u64,
    /// The best first.
    pub trials: Vec<ReportTrial>,
}

/// Whole numbers with equal steps between them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The least.
    pub from: u64,
    /// The greatest.
    pub to: u64,
    /// Between two.
    pub step: u64,
}

/// One trial.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportTrial {
    /// Hidden units.
    pub units: u64,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Best validation accuracy of its epochs.
    pub value: f64,
}

/// A figure of others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The network.
    pub network: String,
    /// On the test images.
    pub test_accuracy: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reports_figures_on_triplets_agree_with_each_other() {
        let report = triplet();
        assert_eq!(10 * report.pairs_per_label * report.negatives_per_pair, report.triplets, "ten labels");
        assert_eq!(report.curve.len() as u64, report.epochs);
        assert!(report.curve.is_sorted_by(|one, other| one.loss > other.loss), "the training loss falls");
        let (first, last) = (report.curve[0], report.curve[9]);
        assert_eq!((first.loss, first.validation_loss, last.loss, last.validation_loss), (0.0924, 0.0374, 0.0020, 0.0107));
        assert!((report.triplets as f64 * (1.0 - report.validation_share) - 180_000.0).abs() < 1e-6);
    }

    #[test]
    fn the_reports_figures_on_lesions_agree_with_each_other_as_far_as_they_are_rounded() {
        let report = skin();
        let splits = [&report.train, &report.validation, &report.test];
        assert_eq!(splits.map(ReportedSplit::images), [7_007, 1_003, 2_005]);
        for split in splits {
            let mean = |value: fn(&ReportedClass) -> f64| split.per_class.iter().map(value).sum::<f64>() / 7.0;
            let weighted = |value: fn(&ReportedClass) -> f64| {
                split.per_class.iter().map(|class| value(class) * class.support as f64).sum::<f64>() / split.images() as f64
            };
            for class in &split.per_class {
                let f1 = if class.f1 > 0.0 { 2.0 * class.precision * class.recall / (class.precision + class.recall) } else { 0.0 };
                assert!((class.f1 - f1).abs() < 0.015, "{class:?}");
            }
            for (said, found) in [
                (split.macro_scores.precision, mean(|class| class.precision)),
                (split.macro_scores.recall, mean(|class| class.recall)),
                (split.macro_scores.f1, mean(|class| class.f1)),
                (split.weighted.precision, weighted(|class| class.precision)),
                (split.weighted.recall, weighted(|class| class.recall)),
                (split.weighted.f1, weighted(|class| class.f1)),
                // Recall weighted by images is the accuracy.
                (split.accuracy, split.weighted.recall),
            ] {
                assert!((said - found).abs() < 0.0101, "{said} {found}");
            }
        }
        assert!(report.published.iter().all(|other| other.accuracy > report.test.accuracy && !other.source.is_empty()));
    }

    #[test]
    fn the_reports_figures_agree_with_each_other() {
        let report = fashion();
        let tuned = &report.tuned;
        let (units, best) = (tuned.units.unwrap(), report.study.trials[0]);
        assert_eq!((best.units, best.learning_rate), (units, tuned.learning_rate), "the best trial was trained again");
        assert!(report.study.trials.is_sorted_by(|one, other| one.value >= other.value));
        assert_eq!(tuned.parameters, Some((28 * 28 + 1) * units + (units + 1) * 10));
        let training_images = 60_000.0 * (1.0 - report.validation_share);
        assert_eq!(report.untuned.steps_per_epoch, Some(training_images as u64 / report.batch_size));
        for trial in &report.study.trials {
            assert!(report.study.learning_rates.contains(&trial.learning_rate));
            assert!((report.study.units.from..=report.study.units.to).contains(&trial.units) && trial.units % report.study.units.step == 0);
        }
    }
}
