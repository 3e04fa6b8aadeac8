//! Losses over triplets, with their gradients.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{Batch, Embeddings, Triplet, TripletError, require};
use crate::metrics::{LANES, total};

/// Over what a triplet loss is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mean {
    /// Over all triplets, as in the course report.
    All,
    /// Over those whose loss is above 0: the many that are learnt already don't thin the gradient out (Hermans et al. 2017, "≠0").
    Active,
}

/// A loss and where it falls fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The loss.
    pub loss: f64,
    /// Its derivative with respect to the embeddings as given, `[count, dimension]`.
    pub gradient: Vec<f32>,
    /// How many triplets it is made of; of losses without triplets, how many ordered pairs of images.
    pub terms: u64,
    /// How many of those have a part in it: triplets whose loss is above 0, pairs that were not set aside.
    pub active: u64,
}

/// The mean of max(d(a, p) - d(a, n) + margin, 0) over given triplets. `margin`: in the units of the distance. Without any triplet, 0.
///
/// # Errors
/// [`TripletError::Place`] when a triplet names an image that is not there; [`TripletError::Setting`] of the margin;
/// [`TripletError::TooFar`] when the loss is not finite.
///
/// Source: Schroff et al. 2015, eq. 3; the course report's loss is that of squared distances, not normalised, margin 0.4, mean over all.
pub fn triplet_margin(embeddings: &Embeddings, triplets: &[Triplet], margin: f64, mean: Mean) -> Result<Step, TripletError> {
    check_margin(margin)?;
    check_places(triplets, embeddings.count())?;
    let dimension = embeddings.dimension();
    let mut gradient = vec![0.0_f32; embeddings.points().len()];
    let (mut loss, mut active) = (0.0_f64, 0_u64);
    for triplet in triplets {
        let [a, p, n] = triplet.map(|place| place as usize);
        let (near, far) = (embeddings.distance(a, p), embeddings.distance(a, n));
        let own = near - far + margin;
        if own.is_nan() {
            return Err(TripletError::TooFar);
        }
        if own <= 0.0 {
            continue;
        }
        loss += own;
        active += 1;
        let (toward, away) = (embeddings.slope(near as f32), embeddings.slope(far as f32));
        for axis in 0..dimension {
            let value = |place: usize| embeddings.points()[place * dimension + axis];
            let (pull, push) = (toward * (value(a) - value(p)), away * (value(a) - value(n)));
            gradient[a * dimension + axis] += pull - push;
            gradient[p * dimension + axis] -= pull;
            gradient[n * dimension + axis] += push;
        }
    }
    let scale = share(mean, triplets.len() as u64, active);
    gradient.iter_mut().for_each(|slope| *slope = (f64::from(*slope) * scale) as f32);
    embeddings.back(&mut gradient);
    finite(Step { loss: loss * scale, gradient, terms: triplets.len() as u64, active })
}

/// The triplet loss over all triplets of a batch, in memory of the order of its pairs.
///
/// # Errors
/// [`TripletError::Setting`] of the margin; [`TripletError::TooFar`] when the loss is not finite.
///
/// Source: Hermans et al. 2017, "batch all".
pub fn batch_all(batch: &Batch, margin: f64, mean: Mean) -> Result<Step, TripletError> {
    check_margin(margin)?;
    let stride = batch.stride();
    // Derivatives with respect to distances, in units of triplets: whole numbers, exact in f32.
    let mut slopes = vec![0.0_f32; batch.count() * stride];
    let rows: Vec<(f64, u64, u64)> = slopes
        .par_chunks_exact_mut(stride)
        .enumerate()
        .map_init(
            || (vec![0.0_f32; stride], Vec::new()),
            |(negatives, positives), (anchor, slopes)| {
                // Whatever is no negative is infinitely far, so that its loss is 0.
                negatives.fill(f32::INFINITY);
                batch.negatives(anchor).for_each(|place| negatives[place] = batch.distances(anchor)[place]);
                positives.clear();
                positives.extend(batch.positives(anchor));
                let (mut loss, mut active) = (0.0, 0);
                for &positive in positives.iter() {
                    let reach = batch.distances(anchor)[positive] + margin as f32;
                    let (sum, count) = Arch::new().dispatch(Hinge { reach, negatives, slopes });
                    loss += sum;
                    active += count;
                    slopes[positive] += count as f32;
                }
                let terms = positives.len() * (batch.count() - 1 - positives.len());
                (loss, active, terms as u64)
            },
        )
        .collect();
    let (loss, active, terms) = rows.iter().fold((0.0, 0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1, sum.2 + row.2));
    let scale = share(mean, terms, active);
    finite(Step { loss: loss * scale, gradient: batch.gradient(&slopes, scale), terms, active })
}

/// The losses of one anchor and positive with all negatives nearer than `reach`: their sum and number. Takes one from the slope of
/// each such negative.
struct Hinge<'a> {
    reach: f32,
    negatives: &'a [f32],
    slopes: &'a mut [f32],
}

impl WithSimd for Hinge<'_> {
    type Output = (f64, u64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let (mut sums, mut counts) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for (negatives, slopes) in self.negatives.as_chunks::<LANES>().0.iter().zip(self.slopes.as_chunks_mut::<LANES>().0) {
            for lane in 0..LANES {
                let loss = self.reach - negatives[lane];
                let (loss, one) = if loss > 0.0 { (loss, 1.0) } else { (0.0, 0.0) };
                sums[lane] += loss;
                counts[lane] += one;
                slopes[lane] -= one;
            }
        }
        (total(sums), total(counts) as u64)
    }
}

pub(super) fn check_margin(margin: f64) -> Result<(), TripletError> {
    require(margin.is_finite() && margin > 0.0, "the margin", margin, "a number above 0")
}

fn check_places(triplets: &[Triplet], images: usize) -> Result<(), TripletError> {
    for (number, triplet) in triplets.iter().enumerate() {
        if let Some(&image) = triplet.iter().find(|&&place| place as usize >= images) {
            return Err(TripletError::Place { triplet: number, image, images });
        }
    }
    Ok(())
}

/// The share of each term in the mean; 0 where there is none.
fn share(mean: Mean, terms: u64, active: u64) -> f64 {
    let count = if mean == Mean::All { terms } else { active };
    if count == 0 { 0.0 } else { 1.0 / count as f64 }
}

pub(super) fn finite(step: Step) -> Result<Step, TripletError> {
    let holds = step.loss.is_finite() && step.gradient.iter().all(|slope| slope.is_finite());
    if holds { Ok(step) } else { Err(TripletError::TooFar) }
}

#[cfg(test)]
mod tests {
    use super::super::{Distance, Geometry, testing};
    use super::*;

    const REPORT: Geometry = Geometry { distance: Distance::Squared, normalise: false };

    #[test]
    fn the_reports_loss_is_as_worked_out_by_hand() {
        // On a line: anchor 0, positive 1, negatives 1.1 and 3. With squares: 1 - 1.21 + 0.4 = 0.19, and 1 - 9 + 0.4 < 0.
        let embeddings = Embeddings::new(&[0.0, 1.0, 1.1, 3.0], 1, REPORT).unwrap();
        let triplets = [[0, 1, 2], [0, 1, 3]];
        let all = triplet_margin(&embeddings, &triplets, 0.4, Mean::All).unwrap();
        assert!((all.loss - 0.19 / 2.0).abs() < 1e-7);
        assert_eq!((all.terms, all.active), (2, 1));
        // d/da = 2(n - p), d/dp = 2(p - a), d/dn = -2(n - a); halved by the mean.
        let near = |got: &[f32], wanted: [f32; 4]| got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-6);
        assert!(near(&all.gradient, [0.1, 1.0, -1.1, 0.0]), "{:?}", all.gradient);
        let active = triplet_margin(&embeddings, &triplets, 0.4, Mean::Active).unwrap();
        assert!((active.loss - 0.19).abs() < 1e-7 && near(&active.gradient, [0.2, 2.0, -2.2, 0.0]), "{active:?}");
    }

    #[test]
    fn without_a_triplet_or_an_active_one_there_is_no_loss_and_no_gradient() {
        let embeddings = Embeddings::new(&[0.0, 1.0, 9.0], 1, REPORT).unwrap();
        for triplets in [&[][..], &[[0, 1, 2]]] {
            for mean in [Mean::All, Mean::Active] {
                let step = triplet_margin(&embeddings, triplets, 0.4, mean).unwrap();
                assert_eq!((step.loss, step.gradient, step.active), (0.0, vec![0.0; 3], 0));
            }
        }
    }

    #[test]
    fn wrong_places_and_margins_are_refused() {
        let embeddings = Embeddings::new(&[0.0, 1.0, 9.0], 1, REPORT).unwrap();
        let error = |triplets: &[Triplet], margin| triplet_margin(&embeddings, triplets, margin, Mean::All).unwrap_err();
        assert_eq!(error(&[[0, 1, 2], [0, 3, 1]], 0.4), TripletError::Place { triplet: 1, image: 3, images: 3 });
        assert!(matches!(error(&[], f64::NAN), TripletError::Setting { name: "the margin", .. }));
        assert!(matches!(error(&[], 0.0), TripletError::Setting { .. }));
        let far = Embeddings::new(&[0.0, 3e38, -3e38], 1, REPORT).unwrap();
        assert_eq!(triplet_margin(&far, &[[0, 1, 2], [1, 2, 0]], 0.4, Mean::All).unwrap_err(), TripletError::TooFar);
    }

    #[test]
    fn batch_all_is_the_loss_over_every_triplet() {
        for geometry in testing::GEOMETRIES {
            let (values, labels) = testing::batch(37, 5, 4, 3);
            let embeddings = Embeddings::new(&values, 5, geometry).unwrap();
            let batch = Batch::new(embeddings.clone(), &labels).unwrap();
            let every: Vec<Triplet> = testing::every_triplet(&labels);
            for mean in [Mean::All, Mean::Active] {
                let (quick, plain) = (batch_all(&batch, 0.3, mean).unwrap(), triplet_margin(&embeddings, &every, 0.3, mean).unwrap());
                assert_eq!((quick.terms, quick.active), (plain.terms, plain.active), "{geometry:?}");
                assert!(plain.active > 0 && plain.active < plain.terms, "both kinds of triplets are there");
                assert!((quick.loss / plain.loss - 1.0).abs() < 1e-5, "{geometry:?}: {} for {}", quick.loss, plain.loss);
                testing::assert_near(&quick.gradient, &plain.gradient, 1e-5);
            }
        }
    }

    #[test]
    fn gradients_are_what_small_moves_show() {
        for geometry in testing::GEOMETRIES {
            let (values, labels) = testing::batch(14, 4, 3, 8);
            let every = testing::every_triplet(&labels);
            for mean in [Mean::All, Mean::Active] {
                testing::assert_gradient(&values, 4, |values| {
                    triplet_margin(&Embeddings::new(values, 4, geometry).unwrap(), &every, 0.5, mean).unwrap()
                });
            }
        }
    }

    #[test]
    fn one_batch_gives_one_step_to_the_last_bit() {
        let (values, labels) = testing::batch(50, 10, 10, 1);
        let step = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let batch = Batch::new(Embeddings::new(&values, 10, REPORT).unwrap(), &labels).unwrap();
                batch_all(&batch, 0.4, Mean::Active).unwrap()
            })
        };
        assert_eq!(step(1), step(3));
    }
}
