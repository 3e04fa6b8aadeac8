//! What was taken for what, and the ratios that come of it.

use super::{MetricsError, predictions::check_labels, ratio};

/// Counts of what was taken for what: rows are the true classes, columns what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    counts: Vec<u64>,
    classes: usize,
}

/// Ratios of one class, or means over classes.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Scores {
    /// Of the examples that were said to be of the class, the share that are.
    pub precision: f64,
    /// Of the examples of the class, the share that were said to be.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

impl Confusion {
    /// Counts `labels` (`[n]`, true) against `predicted` (`[n]`), both below `classes`.
    ///
    /// # Errors
    /// [`MetricsError`] when there is none, when lengths differ, or a label names no class.
    pub fn of(labels: &[u8], predicted: &[u8], classes: usize) -> Result<Self, MetricsError> {
        if labels.is_empty() || classes == 0 {
            return Err(MetricsError::Empty);
        }
        if labels.len() != predicted.len() {
            return Err(MetricsError::Length { what: "predictions", expected: labels.len(), found: predicted.len() });
        }
        check_labels(labels, classes)?;
        check_labels(predicted, classes)?;
        let ones = labels.iter().zip(predicted).map(|(&label, &said)| (label, said, 1));
        Ok(Self::counted(ones, classes))
    }

    /// As [`Self::of`], each example counted so often as `times` says (`[n]`): a resample, whose cost does not depend on its order.
    ///
    /// # Panics
    /// When a label names no class.
    #[must_use]
    pub fn resampled(labels: &[u8], predicted: &[u8], times: &[u32], classes: usize) -> Self {
        Self::counted(labels.iter().zip(predicted).zip(times).map(|((&label, &said), &times)| (label, said, u64::from(times))), classes)
    }

    fn counted(pairs: impl Iterator<Item = (u8, u8, u64)>, classes: usize) -> Self {
        let mut counts = vec![0; classes * classes];
        for (label, said, times) in pairs {
            counts[usize::from(label) * classes + usize::from(said)] += times;
        }
        Self { counts, classes }
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many of class `label` were said to be of class `said`.
    #[must_use]
    pub fn count(&self, label: usize, said: usize) -> u64 {
        self.counts[label * self.classes + said]
    }

    /// Row after row, `[classes][classes]`.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<u64>> {
        self.counts.chunks_exact(self.classes).map(<[u64]>::to_vec).collect()
    }

    /// Examples of class `label`.
    #[must_use]
    pub fn support(&self, label: usize) -> u64 {
        self.counts[label * self.classes..][..self.classes].iter().sum()
    }

    /// Examples said to be of class `said`.
    #[must_use]
    pub fn said(&self, said: usize) -> u64 {
        (0..self.classes).map(|label| self.count(label, said)).sum()
    }

    /// All examples.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share of examples that were got right.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct() as f64, self.total() as f64)
    }

    /// Mean recall of the classes that have examples.
    #[must_use]
    pub fn balanced_accuracy(&self) -> f64 {
        let present = (0..self.classes).filter(|&label| self.support(label) > 0);
        let (sum, count) = present.fold((0.0, 0.0), |(sum, count), label| (sum + self.scores(label).recall, count + 1.0));
        ratio(sum, count)
    }

    /// Of one class against all others.
    #[must_use]
    pub fn scores(&self, label: usize) -> Scores {
        let (hits, said, support) = (self.count(label, label) as f64, self.said(label) as f64, self.support(label) as f64);
        Scores { precision: ratio(hits, said), recall: ratio(hits, support), f1: ratio(2.0 * hits, said + support) }
    }

    /// The mean of all classes' scores, each class counted alike.
    #[must_use]
    pub fn macro_scores(&self) -> Scores {
        self.mean(|_| 1.0)
    }

    /// The mean of all classes' scores, each class counted by its examples.
    #[must_use]
    pub fn weighted_scores(&self) -> Scores {
        self.mean(|label| self.support(label) as f64)
    }

    fn mean(&self, weight: impl Fn(usize) -> f64) -> Scores {
        let (mut sum, mut weights) = (Scores::default(), 0.0);
        for label in 0..self.classes {
            let (scores, weight) = (self.scores(label), weight(label));
            sum.precision += weight * scores.precision;
            sum.recall += weight * scores.recall;
            sum.f1 += weight * scores.f1;
            weights += weight;
        }
        Scores { precision: ratio(sum.precision, weights), recall: ratio(sum.recall, weights), f1: ratio(sum.f1, weights) }
    }

    /// Cohen's kappa: agreement beyond what the two frequencies would give by chance; 1 is perfect. 0 where chance alone agrees always.
    ///
    /// Source: Cohen 1960.
    #[must_use]
    pub fn cohen_kappa(&self) -> f64 {
        let total = self.total() as f64;
        let by_chance = (0..self.classes).map(|class| self.support(class) as f64 * self.said(class) as f64).sum::<f64>() / total;
        ratio(self.correct() as f64 - by_chance, total - by_chance)
    }

    /// Matthews' correlation of what was true and what was said, in -1 to 1; 0 where either is always one class.
    ///
    /// Source: Gorodkin 2004, eq. 8 (the multi-class form).
    #[must_use]
    pub fn matthews(&self) -> f64 {
        let total = self.total() as f64;
        let products = |one: fn(&Self, usize) -> u64, other: fn(&Self, usize) -> u64| {
            (0..self.classes).map(|class| one(self, class) as f64 * other(self, class) as f64).sum::<f64>()
        };
        let covariance = self.correct() as f64 * total - products(Self::support, Self::said);
        let spreads = (total * total - products(Self::said, Self::said)) * (total * total - products(Self::support, Self::support));
        ratio(covariance, spreads.sqrt())
    }

    fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three of class 0 (two right), one of class 1 (right), none of class 2 (said once).
    fn sample() -> Confusion {
        Confusion::of(&[0, 0, 0, 1], &[0, 0, 2, 1], 3).unwrap()
    }

    #[test]
    fn rows_are_true_and_columns_are_said() {
        assert_eq!(sample().rows(), [[2, 0, 1], [0, 1, 0], [0, 0, 0]]);
        assert_eq!((sample().support(0), sample().said(2), sample().total()), (3, 1, 4));
    }

    #[test]
    fn ratios_are_as_worked_out_by_hand() {
        let confusion = sample();
        assert_eq!(confusion.accuracy(), 0.75);
        assert_eq!(confusion.scores(0), Scores { precision: 1.0, recall: 2.0 / 3.0, f1: 0.8 });
        assert_eq!(confusion.scores(2), Scores::default(), "a class without examples has a recall of 0, not NaN");
        assert_eq!(confusion.macro_scores().f1, 0.6);
        assert!((confusion.weighted_scores().f1 - 0.85).abs() < 1e-15);
        assert!((confusion.balanced_accuracy() - 5.0 / 6.0).abs() < 1e-15, "the class without examples does not count");
    }

    #[test]
    fn agreement_by_chance_alone_is_worth_nothing() {
        let constant = Confusion::of(&[0, 0, 1], &[0, 0, 0], 2).unwrap();
        assert_eq!((constant.cohen_kappa(), constant.matthews()), (0.0, 0.0));
        let one_class = Confusion::of(&[0, 0], &[0, 0], 2).unwrap();
        assert_eq!((one_class.cohen_kappa(), one_class.matthews()), (0.0, 0.0));
        let perfect = Confusion::of(&[0, 1, 2], &[0, 1, 2], 3).unwrap();
        assert_eq!((perfect.cohen_kappa(), perfect.matthews()), (1.0, 1.0));
    }

    #[test]
    fn a_resample_counts_each_example_as_often_as_it_was_drawn() {
        let resampled = Confusion::resampled(&[0, 0, 1], &[0, 1, 1], &[2, 0, 3], 2);
        assert_eq!(resampled.rows(), [[2, 0], [0, 3]]);
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        assert_eq!(Confusion::of(&[], &[], 2), Err(MetricsError::Empty));
        assert_eq!(Confusion::of(&[0], &[], 2), Err(MetricsError::Length { what: "predictions", expected: 1, found: 0 }));
        assert_eq!(Confusion::of(&[0], &[7], 2), Err(MetricsError::Label { index: 0, label: 7, classes: 2 }));
    }
}
