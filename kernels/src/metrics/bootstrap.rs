//! How much a figure would vary with another sample of as many examples.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::MetricsError;

/// How to draw resamples: seeded, each number of its own.
#[derive(Debug, Clone)]
pub struct Resampling {
    /// Examples by what is drawn as one.
    groups: Groups,
    examples: usize,
    /// How many resamples.
    pub repeats: usize,
    /// Decides every draw.
    pub seed: u64,
    /// The share of resamples whose figures the interval holds.
    pub level: f64,
}

#[derive(Debug, Clone)]
enum Groups {
    /// Each example by itself.
    Single,
    /// The group of each example, below the count.
    Of { groups: Vec<u32>, count: u32 },
}

/// What holds a figure in so large a share of all resamples.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Resampling {
    /// Of so many single examples: 1,000 resamples, 95 %.
    #[must_use]
    pub fn of_examples(examples: usize) -> Self {
        Self { groups: Groups::Single, examples, repeats: 1_000, seed: 0, level: 0.95 }
    }

    /// Of whole groups, such as the images of one lesion, that stand or fall together: example `i` belongs to `groups[i]`.
    ///
    /// # Errors
    /// [`MetricsError::Empty`] without examples.
    pub fn of_groups(groups: &[u32]) -> Result<Self, MetricsError> {
        // Numbers may have gaps: a group without examples is none, or a resample could be smaller than it should.
        let mut ids = groups.to_vec();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Err(MetricsError::Empty);
        }
        let place = |group: &u32| ids.partition_point(|id| id < group) as u32;
        let numbered = Groups::Of { groups: groups.iter().map(place).collect(), count: ids.len() as u32 };
        Ok(Self { groups: numbered, ..Self::of_examples(groups.len()) })
    }

    /// For each figure that `statistics` gives of how often each example was drawn (`[n]`), the interval between its percentiles. A figure
    /// that is not finite in some resample does not count there; one that never is has none.
    ///
    /// The result depends on the seed alone, not on the number of threads.
    ///
    /// Source: Efron 1979; percentiles between two resamples are interpolated, as `numpy.percentile` does it.
    ///
    /// # Panics
    /// When `statistics` gives more or fewer figures for one resample than for another.
    pub fn intervals(&self, statistics: impl Fn(&[u32]) -> Vec<f64> + Sync) -> Vec<Option<Interval>> {
        let figures: Vec<Vec<f64>> = (0..self.repeats as u64)
            .into_par_iter()
            .map_init(
                || vec![0; self.examples],
                |times, repeat| {
                    self.draw(repeat, times);
                    statistics(times)
                },
            )
            .collect();
        let interval = |which: usize| {
            let mut values: Vec<f64> = figures.iter().map(|figures| figures[which]).filter(|value| value.is_finite()).collect();
            values.sort_unstable_by(f64::total_cmp);
            let tail = (1.0 - self.level) / 2.0;
            Some(Interval { low: percentile(&values, tail)?, high: percentile(&values, 1.0 - tail)? })
        };
        (0..figures.first().map_or(0, Vec::len)).map(interval).collect()
    }

    /// How often each example is in resample `repeat`.
    fn draw(&self, repeat: u64, times: &mut [u32]) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(repeat));
        match &self.groups {
            Groups::Single => {
                times.fill(0);
                (0..self.examples).for_each(|_| times[random.random_range(0..self.examples)] += 1);
            }
            Groups::Of { groups, count } => {
                let mut drawn = vec![0; *count as usize];
                (0..*count).for_each(|_| drawn[random.random_range(0..*count as usize)] += 1);
                times.iter_mut().zip(groups).for_each(|(times, &group)| *times = drawn[group as usize]);
            }
        }
    }
}

/// Of ascending values, with linear interpolation between neighbours; none of none.
fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let place = share * values.len().checked_sub(1)? as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(times: &[u32], of: impl Fn(usize) -> bool) -> f64 {
        let hits: u32 = times.iter().enumerate().filter(|&(index, _)| of(index)).map(|(_, times)| times).sum();
        f64::from(hits) / f64::from(times.iter().sum::<u32>())
    }

    #[test]
    fn the_interval_of_a_share_is_about_two_standard_errors_wide_on_both_sides() {
        let resampling = Resampling::of_examples(2_500);
        let intervals = resampling.intervals(|times| vec![share(times, |index| index % 5 == 0)]);
        let (interval, error) = (intervals[0].unwrap(), (0.2_f64 * 0.8 / 2_500.0).sqrt());
        assert!((interval.low - (0.2 - 1.96 * error)).abs() < 0.25 * error, "{interval:?}");
        assert!((interval.high - (0.2 + 1.96 * error)).abs() < 0.25 * error, "{interval:?}");
    }

    #[test]
    fn examples_that_stand_together_make_the_interval_wider() {
        let groups: Vec<u32> = (0..2_500).map(|index| index / 10 * 3).collect();
        let of = |times: &[u32]| vec![share(times, |index| index / 10 % 5 == 0)];
        let width = |resampling: &Resampling| resampling.intervals(of)[0].map(|interval| interval.high - interval.low).unwrap();
        let wider = width(&Resampling::of_groups(&groups).unwrap()) / width(&Resampling::of_examples(2_500));
        assert!((wider / 10.0_f64.sqrt() - 1.0).abs() < 0.15, "ten alike are worth one: {wider}");
    }

    #[test]
    fn one_seed_gives_one_result_and_another_another() {
        let of = |seed| {
            Resampling { seed, repeats: 50, ..Resampling::of_examples(100) }.intervals(|times| vec![share(times, |index| index < 50)])
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn percentiles_lie_between_neighbours_as_numpy_has_them() {
        assert_eq!(percentile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(percentile(&[5.0], 0.025), Some(5.0));
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(Resampling::of_examples(3).intervals(|_| vec![f64::NAN]), [None]);
        assert_eq!(Resampling::of_groups(&[]).unwrap_err(), MetricsError::Empty);
    }
}
