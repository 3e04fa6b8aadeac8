//! Receiver operating characteristic and precision-recall curves, and the areas under them.

use super::{Predictions, operating::probability, ratio};

/// The examples of a yes-or-no question by falling score: sorted once, from which curves and areas come.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Highest score first.
    ranked: Vec<Ranked>,
}

#[derive(Debug, Clone, Copy)]
struct Ranked {
    score: f32,
    positive: bool,
    /// Its place before sorting.
    index: u32,
}

/// Points of a curve in the order in which scikit-learn gives them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// Of ROC the false positive rate, ascending; of precision-recall the recall, descending.
    pub x: Vec<f64>,
    /// Of ROC the true positive rate; of precision-recall the precision.
    pub y: Vec<f64>,
    /// The score from which on examples are taken for positive. ROC: one for each point, infinity for the first; precision-recall:
    /// none for the last point, (0, 1), which no score gives.
    pub thresholds: Vec<f64>,
    /// Of ROC the area under it; of precision-recall the average precision. None where there is no such area.
    pub area: Option<f64>,
}

/// How many positives and negatives have at least the score `threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Count {
    positives: u64,
    negatives: u64,
    threshold: f32,
}

impl Ranking {
    /// Ranks examples by their scores; any finite numbers.
    #[must_use]
    pub fn new(examples: impl Iterator<Item = (f32, bool)>) -> Self {
        let examples: Vec<(f32, bool)> = examples.collect();
        // Whole numbers sort several times as fast as a comparison of structs: the score in bits that order as it does, then the place.
        let mut keys: Vec<u64> =
            (examples.iter().enumerate()).map(|(index, &(score, _))| u64::from(!ordered_bits(score)) << 32 | index as u64).collect();
        keys.sort_unstable();
        let ranked = |key: u64| {
            let index = key as u32;
            let (score, positive) = examples[index as usize];
            Ranked { score, positive, index }
        };
        Self { ranked: keys.into_iter().map(ranked).collect() }
    }

    /// Class `class` against all others, by its probability.
    #[must_use]
    pub fn of_class(predictions: &Predictions, class: usize) -> Self {
        let labels = predictions.labels().iter().enumerate();
        Self::new(labels.map(|(index, &label)| (predictions.row(index)[class], usize::from(label) == class)))
    }

    /// Some classes against all others, by the sum of their probabilities.
    ///
    /// # Panics
    /// When one of `classes` is none.
    #[must_use]
    pub fn of_classes(predictions: &Predictions, classes: &[usize]) -> Self {
        let labels = predictions.labels().iter().enumerate();
        Self::new(labels.map(|(index, &label)| (probability(predictions.row(index), classes), classes.contains(&usize::from(label)))))
    }

    /// Every class of every example as one yes-or-no question ("micro" averaging).
    #[must_use]
    pub fn micro(predictions: &Predictions) -> Self {
        let rows = predictions.labels().iter().zip(predictions.probabilities().chunks_exact(predictions.classes()));
        Self::new(
            rows.flat_map(|(&label, row)| {
                row.iter().enumerate().map(move |(class, &probability)| (probability, usize::from(label) == class))
            }),
        )
    }

    /// The ROC curve without points between others of one line, as scikit-learn's `roc_curve` leaves them out. A rate without
    /// positives (or negatives) is 0, and the area is none.
    #[must_use]
    pub fn roc(&self) -> Curve {
        let counts = self.counts(|_| 1);
        let mut kept: Vec<Count> = Vec::with_capacity(counts.len());
        for (index, &count) in counts.iter().enumerate() {
            let corner = match (index.checked_sub(1).map(|before| counts[before]), counts.get(index + 1)) {
                (Some(before), Some(after)) => {
                    2 * count.positives != before.positives + after.positives || 2 * count.negatives != before.negatives + after.negatives
                }
                _ => true,
            };
            if corner {
                kept.push(count);
            }
        }
        let (positives, negatives) = totals(&counts);
        let rates = |part: fn(&Count) -> u64, whole: u64| {
            std::iter::once(0.0).chain(kept.iter().map(|count| ratio(part(count) as f64, whole as f64))).collect()
        };
        Curve {
            x: rates(|count| count.negatives, negatives),
            y: rates(|count| count.positives, positives),
            thresholds: std::iter::once(f64::INFINITY).chain(kept.iter().map(|count| f64::from(count.threshold))).collect(),
            area: roc_area(&counts),
        }
    }

    /// The precision-recall curve as scikit-learn's `precision_recall_curve` gives it: recall falls from 1, the last point is (0, 1).
    /// Without positives, recall is 1 throughout, precision and area are 0.
    #[must_use]
    pub fn precision_recall(&self) -> Curve {
        let counts = self.counts(|_| 1);
        let (positives, _) = totals(&counts);
        let recall = |count: &Count| if positives == 0 { 1.0 } else { count.positives as f64 / positives as f64 };
        Curve {
            x: counts.iter().rev().map(recall).chain([0.0]).collect(),
            y: counts.iter().rev().map(precision).chain([1.0]).collect(),
            thresholds: counts.iter().rev().map(|count| f64::from(count.threshold)).collect(),
            area: Some(average_precision(&counts)),
        }
    }

    /// The area under the ROC curve; none without positives or without negatives.
    #[must_use]
    pub fn roc_area(&self) -> Option<f64> {
        roc_area(&self.counts(|_| 1))
    }

    /// The sum over thresholds of the gain in recall times the precision; 0 without positives.
    #[must_use]
    pub fn average_precision(&self) -> f64 {
        average_precision(&self.counts(|_| 1))
    }

    /// [`Self::roc_area`] and [`Self::average_precision`] with each example counted so often as `times` says, in the order in which
    /// the examples were given: of a resample, without sorting again.
    ///
    /// # Panics
    /// When `times` is shorter than the examples.
    #[must_use]
    pub fn areas_of_resample(&self, times: &[u32]) -> (Option<f64>, f64) {
        let counts = self.counts(|index| times[index as usize]);
        (roc_area(&counts), average_precision(&counts))
    }

    /// Each distinct score, from the highest, and how many positives and negatives have at least it.
    pub(super) fn levels(&self) -> Vec<(f32, u64, u64)> {
        self.counts(|_| 1).into_iter().map(|count| (count.threshold, count.positives, count.negatives)).collect()
    }

    /// One count for each distinct score, from the highest.
    fn counts(&self, times: impl Fn(u32) -> u32) -> Vec<Count> {
        let mut counts = Vec::with_capacity(self.ranked.len());
        let (mut positives, mut negatives) = (0, 0);
        for (place, ranked) in self.ranked.iter().enumerate() {
            let times = u64::from(times(ranked.index));
            *if ranked.positive { &mut positives } else { &mut negatives } += times;
            if self.ranked.get(place + 1).is_none_or(|next| next.score != ranked.score) {
                counts.push(Count { positives, negatives, threshold: ranked.score });
            }
        }
        counts
    }
}

/// The mean of several ROC curves at every false positive rate: at a rate where a curve rises, the mean rises. Curves without an area are
/// left out; its area is the mean of theirs.
#[must_use]
pub fn macro_roc(curves: &[Curve]) -> Curve {
    let curves: Vec<&Curve> = curves.iter().filter(|curve| curve.area.is_some()).collect();
    let mut mean = Curve { area: mean(curves.iter().filter_map(|curve| curve.area)), ..Curve::default() };
    let mut walks: Vec<Walk> = curves.iter().map(|curve| Walk::new(&curve.x, &curve.y)).collect();
    for x in all_of(curves.iter().map(|curve| &curve.x[..])) {
        let (low, high) = walks.iter_mut().map(|walk| walk.at(x)).fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
        let count = curves.len() as f64;
        mean.x.push(x);
        mean.y.push(low / count);
        if high > low {
            mean.x.push(x);
            mean.y.push(high / count);
        }
    }
    mean
}

/// The mean precision of several precision-recall curves at every recall, from recall 1 down; its area is the mean of theirs. A curve
/// without positives has a precision of 0 throughout.
#[must_use]
pub fn macro_pr(curves: &[Curve]) -> Curve {
    let mut mean = Curve { area: mean(curves.iter().filter_map(|curve| curve.area)), ..Curve::default() };
    // Of the points of one recall, the one of the highest threshold stands last: its precision holds from there down to the next recall.
    let mut levels: Vec<Vec<(f64, f64)>> = Vec::with_capacity(curves.len());
    for curve in curves {
        let points = curve.x.iter().zip(&curve.y).take(curve.thresholds.len());
        let mut level: Vec<(f64, f64)> = Vec::new();
        for (&recall, &precision) in points {
            match level.last_mut() {
                Some(last) if last.0 == recall => last.1 = precision,
                _ => level.push((recall, precision)),
            }
        }
        levels.push(level);
    }
    let mut recalls = all_of(curves.iter().map(|curve| &curve.x[..]));
    recalls.reverse();
    let mut places = vec![0; levels.len()];
    for recall in recalls {
        if recall == 0.0 {
            continue;
        }
        let mut sum = 0.0;
        for (place, level) in places.iter_mut().zip(&levels) {
            while level.get(*place + 1).is_some_and(|next| next.0 >= recall) {
                *place += 1;
            }
            sum += level.get(*place).map_or(0.0, |point| point.1);
        }
        mean.x.push(recall);
        mean.y.push(sum / curves.len() as f64);
    }
    mean.x.push(0.0);
    mean.y.push(1.0);
    mean
}

/// Along a curve from left to right.
struct Walk<'a> {
    x: &'a [f64],
    y: &'a [f64],
    /// All points before this lie left of where the walk stands.
    place: usize,
}

impl<'a> Walk<'a> {
    fn new(x: &'a [f64], y: &'a [f64]) -> Self {
        Self { x, y, place: 0 }
    }

    /// The least and the greatest value at `x`, which must not be left of the last.
    fn at(&mut self, x: f64) -> (f64, f64) {
        while self.x.get(self.place).is_some_and(|&left| left < x) {
            self.place += 1;
        }
        let here = self.x[self.place..].iter().take_while(|&&other| other == x).count();
        if here > 0 {
            return (self.y[self.place], self.y[self.place + here - 1]);
        }
        let (right, left) = (self.place.min(self.x.len() - 1), self.place.saturating_sub(1));
        let share = ratio(x - self.x[left], self.x[right] - self.x[left]);
        let value = self.y[left] + share * (self.y[right] - self.y[left]);
        (value, value)
    }
}

/// All values once, ascending.
fn all_of<'a>(parts: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let mut values: Vec<f64> = parts.flatten().copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    values
}

/// Mean of those there are; none of none.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// By the trapezoid rule, in whole numbers until the end.
fn roc_area(counts: &[Count]) -> Option<f64> {
    let (positives, negatives) = totals(counts);
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut before = (0, 0);
    let mut twice = 0_u128;
    for count in counts {
        twice += u128::from(count.negatives - before.1) * u128::from(count.positives + before.0);
        before = (count.positives, count.negatives);
    }
    Some(twice as f64 / (2.0 * positives as f64 * negatives as f64))
}

fn average_precision(counts: &[Count]) -> f64 {
    let (positives, _) = totals(counts);
    let mut before = 0;
    let mut sum = 0.0;
    for count in counts {
        sum += (count.positives - before) as f64 * precision(count);
        before = count.positives;
    }
    ratio(sum, positives as f64)
}

fn precision(count: &Count) -> f64 {
    ratio(count.positives as f64, (count.positives + count.negatives) as f64)
}

fn totals(counts: &[Count]) -> (u64, u64) {
    counts.last().map_or((0, 0), |count| (count.positives, count.negatives))
}

/// Bits that order as the numbers do; both zeros are one.
fn ordered_bits(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(examples: &[(f32, bool)]) -> Ranking {
        Ranking::new(examples.iter().copied())
    }

    /// The example of scikit-learn's own documentation of both curves.
    fn documented() -> Ranking {
        ranking(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)])
    }

    #[test]
    fn curves_are_those_of_the_documentation_of_scikit_learn() {
        let roc = documented().roc();
        assert_eq!((roc.x, roc.y), (vec![0.0, 0.0, 0.5, 0.5, 1.0], vec![0.0, 0.5, 0.5, 1.0, 1.0]));
        assert_eq!(roc.thresholds, [f64::INFINITY, f64::from(0.8_f32), f64::from(0.4_f32), f64::from(0.35_f32), f64::from(0.1_f32)]);
        assert_eq!(roc.area, Some(0.75));
        let pr = documented().precision_recall();
        assert_eq!((pr.x, pr.y), (vec![1.0, 1.0, 0.5, 0.5, 0.0], vec![0.5, 2.0 / 3.0, 0.5, 1.0, 1.0]));
        assert_eq!(pr.thresholds.len(), 4);
        assert!((pr.area.unwrap() - 0.833_333_333_333_333_3).abs() < 1e-15);
    }

    #[test]
    fn equal_scores_are_one_threshold() {
        let tied = ranking(&[(0.5, true), (0.5, false), (0.5, true), (0.5, false)]);
        assert_eq!(tied.roc_area(), Some(0.5));
        assert_eq!(tied.average_precision(), 0.5);
        assert_eq!(tied.precision_recall().thresholds, [0.5]);
        assert_eq!(ranking(&[(0.0, true), (-0.0, false)]).roc_area(), Some(0.5), "both zeros are one score");
    }

    #[test]
    fn without_positives_or_negatives_there_is_no_area_and_nothing_is_nan() {
        let none = ranking(&[(0.2, false), (0.7, false)]);
        assert_eq!((none.roc_area(), none.average_precision()), (None, 0.0));
        assert!(none.roc().y.iter().chain(&none.precision_recall().y).all(|value| value.is_finite()));
        assert_eq!(ranking(&[(0.2, true)]).roc_area(), None);
        assert_eq!(ranking(&[]).roc_area(), None);
    }

    #[test]
    fn the_area_does_not_change_under_a_monotone_map_of_the_scores() {
        let examples: Vec<(f32, bool)> = (0..500_u32).map(|index| ((index * 37 % 501) as f32 / 250.0 - 1.0, index % 3 == 0)).collect();
        let mapped = examples.iter().map(|&(score, positive)| (score * 3.0 - 5.0, positive));
        assert_eq!(ranking(&examples).roc_area(), Ranking::new(mapped).roc_area());
    }

    #[test]
    fn a_resample_has_the_areas_of_the_examples_repeated() {
        let examples = [(0.9, true), (0.8, false), (0.7, true), (0.6, false), (0.5, true)];
        let times = [2, 0, 1, 3, 0];
        let repeated: Vec<_> = examples.iter().zip(times).flat_map(|(&example, times)| vec![example; times as usize]).collect();
        let repeated = ranking(&repeated);
        let (area, precision) = ranking(&examples).areas_of_resample(&times);
        assert_eq!(area, repeated.roc_area());
        assert!((precision - repeated.average_precision()).abs() < 1e-15);
    }

    #[test]
    fn the_mean_of_curves_encloses_the_mean_of_their_areas() {
        let other = ranking(&[(0.9, true), (0.8, false), (0.7, false), (0.6, true), (0.2, false)]);
        let mean = macro_roc(&[documented().roc(), other.roc(), ranking(&[(0.1, false)]).roc()]);
        let under: f64 = (1..mean.x.len()).map(|at| (mean.x[at] - mean.x[at - 1]) * f64::midpoint(mean.y[at], mean.y[at - 1])).sum();
        assert!((under - mean.area.unwrap()).abs() < 1e-12, "{under} {:?}", mean.area);
        assert!((under - f64::midpoint(0.75, other.roc_area().unwrap())).abs() < 1e-12);

        let mean = macro_pr(&[documented().precision_recall(), other.precision_recall()]);
        let under: f64 = (1..mean.x.len()).map(|at| (mean.x[at - 1] - mean.x[at]) * mean.y[at - 1]).sum();
        assert!((under - mean.area.unwrap()).abs() < 1e-12, "{under} {:?}", mean.area);
        assert_eq!((mean.x[0], mean.x.last().copied()), (1.0, Some(0.0)));
    }
}
