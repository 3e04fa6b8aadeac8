//! Where to decide: between classes of unlike frequency, and between a missed disease and a false alarm.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Confusion, MetricsError, Predictions, Ranking, ratio};

/// Decides each example for the class with the greatest ln p − `exponent` · ln(share of the class among training examples); `[n]`, of equal
/// ones the first. With 0 that is the most probable class; with 1, were the probabilities right, the decision with the best mean recall.
///
/// `training_counts`: examples of each class that the classifier learned from, `[classes]`. A class without any is decided for only with an
/// exponent of 0.
///
/// Source: Menon et al. 2021, section 4.1 (post-hoc logit adjustment).
///
/// # Errors
/// [`MetricsError::Length`] when there are not as many counts as classes, [`MetricsError::Empty`] when all are 0.
pub fn adjusted_decisions(predictions: &Predictions, training_counts: &[usize], exponent: f64) -> Result<Vec<u8>, MetricsError> {
    if training_counts.len() != predictions.classes() {
        let (expected, found) = (predictions.classes(), training_counts.len());
        return Err(MetricsError::Length { what: "counts of training examples", expected, found });
    }
    let total: usize = training_counts.iter().sum();
    if total == 0 {
        return Err(MetricsError::Empty);
    }
    let shift = |count: usize| match count {
        0 if exponent != 0.0 => f64::NEG_INFINITY,
        0 => 0.0,
        count => -exponent * (count as f64 / total as f64).ln(),
    };
    let shifts: Vec<f64> = training_counts.iter().map(|&count| shift(count)).collect();
    let decided = |index: usize| {
        // In logarithms two unlike probabilities can become equal: without a shift the probabilities themselves decide.
        if exponent == 0.0 {
            return predictions.predicted()[index];
        }
        first_greatest(predictions.row(index).iter().zip(&shifts).map(|(&probability, shift)| f64::from(probability).ln() + shift))
    };
    Ok((0..predictions.len()).map(decided).collect())
}

/// How good the decisions of one exponent are; see [`adjusted_decisions`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Adjusted {
    /// What the logarithm of the prior is multiplied by.
    pub exponent: f64,
    /// The share that is got right.
    pub accuracy: f64,
    /// Mean recall of the classes that have examples.
    pub balanced_accuracy: f64,
    /// Mean F1 of the classes.
    pub macro_f1: f64,
}

/// The decisions of the exponents 0, 0.05, ..., 1.5.
///
/// # Errors
/// As [`adjusted_decisions`].
pub fn sweep(predictions: &Predictions, training_counts: &[usize]) -> Result<Vec<Adjusted>, MetricsError> {
    let judged = |step: u32| {
        let exponent = f64::from(step) / 20.0;
        let decisions = adjusted_decisions(predictions, training_counts, exponent)?;
        let confusion = Confusion::of(predictions.labels(), &decisions, predictions.classes())?;
        let (accuracy, balanced_accuracy) = (confusion.accuracy(), confusion.balanced_accuracy());
        Ok(Adjusted { exponent, accuracy, balanced_accuracy, macro_f1: confusion.macro_scores().f1 })
    };
    (0..=30).map(judged).collect()
}

/// That of the greatest balanced accuracy; of equal ones the least exponent, which changes the decisions least.
#[must_use]
pub fn most_balanced(sweep: &[Adjusted]) -> Option<Adjusted> {
    sweep.iter().copied().reduce(|best, next| if next.balanced_accuracy > best.balanced_accuracy { next } else { best })
}

/// What a mistake costs, in any unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Costs {
    /// Of an example whose answer is yes and that is told no.
    #[schema(example = 20.0)]
    pub miss: f64,
    /// Of an example whose answer is no and that is told yes.
    #[schema(example = 1.0)]
    pub false_alarm: f64,
}

/// What comes of answering yes to a yes-or-no question from some score on. A ratio with a zero denominator is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OperatingPoint {
    /// The score from which on the answer is yes; null: none is high enough.
    pub threshold: Option<f64>,
    /// Yes, rightly.
    pub hits: u64,
    /// No, wrongly.
    pub misses: u64,
    /// Yes, wrongly.
    pub false_alarms: u64,
    /// No, rightly.
    pub rejections: u64,
    /// Of those whose answer is yes, the share that are told so.
    pub recall: f64,
    /// Of those whose answer is no, the share that are told so.
    pub specificity: f64,
    /// Of those told yes, the share that are.
    pub precision: f64,
    /// False alarms among a hundred examples like these.
    pub false_alarms_per_hundred: f64,
    /// What mistakes cost, for each example in the mean.
    pub cost: f64,
}

impl OperatingPoint {
    /// Of whether each example is told yes, `said`, and whether that is so, `truth`, both `[n]`.
    #[must_use]
    pub fn of(truth: impl Iterator<Item = bool>, said: impl Iterator<Item = bool>, costs: Costs) -> Self {
        let mut counts = [[0_u64; 2]; 2];
        truth.zip(said).for_each(|(truth, said)| counts[usize::from(truth)][usize::from(said)] += 1);
        let [[rejections, false_alarms], [misses, hits]] = counts;
        Self::counted(None, [hits, misses, false_alarms, rejections], costs)
    }

    fn counted(threshold: Option<f64>, [hits, misses, false_alarms, rejections]: [u64; 4], costs: Costs) -> Self {
        let share = |part: u64, other: u64| ratio(part as f64, (part + other) as f64);
        let all = (hits + misses + false_alarms + rejections) as f64;
        Self {
            threshold,
            hits,
            misses,
            false_alarms,
            rejections,
            recall: share(hits, misses),
            specificity: share(rejections, false_alarms),
            precision: share(hits, false_alarms),
            false_alarms_per_hundred: ratio(100.0 * false_alarms as f64, all),
            cost: ratio(costs.miss * misses as f64 + costs.false_alarm * false_alarms as f64, all),
        }
    }
}

/// Every operating point of a ranking, from answering no always to answering yes always: one for each distinct score.
#[must_use]
pub fn operating_points(ranking: &Ranking, costs: Costs) -> Vec<OperatingPoint> {
    let levels = ranking.levels();
    let (positives, negatives) = levels.last().map_or((0, 0), |(_, positives, negatives)| (*positives, *negatives));
    let point = |(threshold, hits, false_alarms): (Option<f64>, u64, u64)| {
        OperatingPoint::counted(threshold, [hits, positives - hits, false_alarms, negatives - false_alarms], costs)
    };
    let levels = levels.into_iter().map(|(threshold, hits, false_alarms)| (Some(f64::from(threshold)), hits, false_alarms));
    std::iter::once((None, 0, 0)).chain(levels).map(point).collect()
}

/// The point of `points`, which are in the order of [`operating_points`], that answers yes from `threshold` on. Its threshold is the one given.
#[must_use]
pub fn at_threshold(points: &[OperatingPoint], threshold: f64) -> Option<OperatingPoint> {
    let last = points.iter().rev().find(|point| point.threshold.is_none_or(|own| own >= threshold))?;
    Some(OperatingPoint { threshold: Some(threshold), ..*last })
}

/// The point of the least cost; of equal ones that which says yes least.
#[must_use]
pub fn cheapest(points: &[OperatingPoint]) -> Option<OperatingPoint> {
    points.iter().copied().reduce(|best, next| if next.cost < best.cost { next } else { best })
}

/// At most `most` of `points`, the first and the last among them, about evenly far from each other along the ROC curve.
///
/// # Panics
/// When `most` is below 2.
#[must_use]
pub fn thinned_points(points: &[OperatingPoint], most: usize) -> Vec<OperatingPoint> {
    assert!(most >= 2, "both ends are kept");
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= most {
        return points.to_vec();
    }
    // Both rates only rise, so that their sum tells how far along the curve a point is.
    let along = |point: &OperatingPoint| point.recall - point.specificity;
    let (start, length) = (along(first), along(last) - along(first));
    let mut kept = vec![*first];
    for point in &points[1..points.len() - 1] {
        // The k-th point that is kept is the first beyond k steps; so there are never more than there is room for.
        let step = (along(point) - start) / length * (most - 1) as f64;
        if step >= kept.len() as f64 {
            kept.push(*point);
        }
    }
    kept.truncate(most - 1);
    kept.push(*last);
    kept
}

/// Decides each example by a threshold on the probability that it is of one of `classes`: from the threshold on for the most probable of
/// these, below it for the most probable of the others; `[n]`.
///
/// # Panics
/// When `classes` are none or all.
#[must_use]
pub fn threshold_decisions(predictions: &Predictions, classes: &[usize], threshold: f64) -> Vec<u8> {
    assert!(!classes.is_empty() && classes.len() < predictions.classes(), "a question has two answers");
    let decided = |index: usize| {
        let row = predictions.row(index);
        let yes = f64::from(probability(row, classes)) >= threshold;
        let fits = |class: usize| if classes.contains(&class) == yes { f64::from(row[class]) } else { f64::NEG_INFINITY };
        first_greatest((0..row.len()).map(fits))
    };
    (0..predictions.len()).map(decided).collect()
}

/// The probability that an example is of one of `classes`.
pub(super) fn probability(row: &[f32], classes: &[usize]) -> f32 {
    classes.iter().map(|&class| row[class]).sum()
}

fn first_greatest(values: impl Iterator<Item = f64>) -> u8 {
    let mut best = (0, f64::NEG_INFINITY);
    for (place, value) in values.enumerate() {
        if value > best.1 {
            best = (place, value);
        }
    }
    best.0 as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs { miss: 10.0, false_alarm: 1.0 };

    /// Two of class 0, of which one is taken for 1; one of class 1; one of class 2 with next to no probability.
    fn predictions() -> Predictions {
        let rows = [[0.5, 0.375, 0.125], [0.25, 0.5, 0.25], [0.125, 0.75, 0.125], [0.5, 0.25, 0.25]];
        Predictions::new(vec![0, 0, 1, 2], rows.concat(), 3).unwrap()
    }

    #[test]
    fn what_is_rare_is_said_the_sooner_the_greater_the_exponent() {
        // Shares .5, .25, .25: the last example's odds of 2 against either other class are made up for by an exponent of 1.
        let decided = |exponent| adjusted_decisions(&predictions(), &[8, 4, 4], exponent).unwrap();
        assert_eq!(decided(0.0), [0, 1, 1, 0]);
        assert_eq!(decided(0.4), [0, 1, 1, 0]);
        assert_eq!(decided(0.5), [1, 1, 1, 0], "4/3 · 2^-0.5 is below 1");
        assert_eq!(decided(1.5), [1, 1, 1, 1]);
    }

    #[test]
    fn a_class_that_was_never_learned_is_decided_for_by_the_probabilities_alone() {
        let sure = Predictions::new(vec![0], vec![0.125, 0.0, 0.875], 3).unwrap();
        let decided = |exponent| adjusted_decisions(&sure, &[3, 1, 0], exponent).unwrap();
        assert_eq!((decided(0.0), decided(0.5)), (vec![2], vec![0]));
        assert!(adjusted_decisions(&sure, &[1, 1], 0.5).is_err());
        assert_eq!(adjusted_decisions(&sure, &[0, 0, 0], 0.5), Err(MetricsError::Empty));
    }

    #[test]
    fn the_least_exponent_of_the_greatest_balanced_accuracy_is_chosen() {
        let found = sweep(&predictions(), &[8, 4, 4]).unwrap();
        assert_eq!((found.len(), found[0].exponent, found[30].exponent), (31, 0.0, 1.5));
        // Recall of 0: a half until 0.4, then none; of 1: all; of 2: none.
        assert_eq!(
            most_balanced(&found).unwrap(),
            Adjusted { exponent: 0.0, accuracy: 0.5, balanced_accuracy: 0.5, macro_f1: found[0].macro_f1 }
        );
        assert_eq!((most_balanced(&[]), found[20].balanced_accuracy), (None, 1.0 / 3.0));
    }

    fn ranking() -> Ranking {
        Ranking::new([(0.75, true), (0.5, false), (0.5, true), (0.25, false), (0.25, false)].into_iter())
    }

    #[test]
    fn points_run_from_never_to_always_and_count_as_worked_out_by_hand() {
        let points = operating_points(&ranking(), COSTS);
        let counts: Vec<[u64; 4]> = points.iter().map(|point| [point.hits, point.misses, point.false_alarms, point.rejections]).collect();
        assert_eq!(counts, [[0, 2, 0, 3], [1, 1, 0, 3], [2, 0, 1, 2], [2, 0, 3, 0]]);
        assert_eq!(points.iter().map(|point| point.threshold).collect::<Vec<_>>(), [None, Some(0.75), Some(0.5), Some(0.25)]);
        let point = points[2];
        assert_eq!((point.recall, point.specificity, point.precision), (1.0, 2.0 / 3.0, 2.0 / 3.0));
        assert_eq!((point.false_alarms_per_hundred, point.cost), (20.0, 0.2));
        assert_eq!(cheapest(&points), Some(point));
        let dear_alarms = operating_points(&ranking(), Costs { miss: 1.0, false_alarm: 3.0 });
        assert_eq!(cheapest(&dear_alarms).unwrap().threshold, Some(0.75));
    }

    #[test]
    fn a_threshold_between_two_scores_is_the_upper_one_by_another_name() {
        let points = operating_points(&ranking(), COSTS);
        let at = |threshold| at_threshold(&points, threshold).unwrap();
        assert_eq!(at(0.6), OperatingPoint { threshold: Some(0.6), ..points[1] });
        assert_eq!((at(0.5).hits, at(0.0).false_alarms, at(0.8).hits), (2, 3, 0));
        let counted = OperatingPoint::of([true, false, true].into_iter(), [true, true, false].into_iter(), COSTS);
        assert_eq!([counted.hits, counted.misses, counted.false_alarms, counted.rejections], [1, 1, 1, 0]);
    }

    #[test]
    fn a_long_table_is_thinned_and_keeps_its_ends() {
        let scores = (0..3000).map(|place| (place as f32, place % 7 == 0 || place > 2900));
        let points = operating_points(&Ranking::new(scores), COSTS);
        let thinned = thinned_points(&points, 200);
        assert!(thinned.len() <= 200 && thinned.len() > 150, "{}", thinned.len());
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[3000]));
        let gaps = thinned.windows(2).map(|pair| pair[1].recall - pair[0].recall + pair[0].specificity - pair[1].specificity);
        assert!(gaps.fold(0.0, f64::max) < 0.025, "no step is much longer than a two hundredth of the way");
        assert_eq!(thinned_points(&points[..9], 200), points[..9]);
    }

    #[test]
    fn a_threshold_chooses_among_the_classes_of_its_answer() {
        assert_eq!(threshold_decisions(&predictions(), &[1, 2], 0.5), [1, 1, 1, 1]);
        assert_eq!(threshold_decisions(&predictions(), &[1, 2], 0.625), [0, 1, 1, 0]);
        assert_eq!(threshold_decisions(&predictions(), &[1], 0.8), [0, 0, 0, 0]);
        assert_eq!(threshold_decisions(&predictions(), &[2], 0.25), [0, 2, 1, 2]);
    }
}
