//! Losses over all pairs of a batch, without triplets: of embeddings of unit length, by their dot products.

use rayon::prelude::*;

use super::{Distance, Embeddings, Geometry, Step, TripletError, losses::finite, require, require_triplet};
use crate::metrics::Columns;

/// Settings of [`multi_similarity`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiSimilarity {
    /// α, how sharply the least similar positives stand out.
    pub alpha: f64,
    /// β, how sharply the most similar negatives stand out.
    pub beta: f64,
    /// λ, the similarity that divides positives from negatives.
    pub base: f64,
    /// ε, how much easier than the hardest pair of the other kind a pair may be to be kept. Infinite: all are.
    pub epsilon: f64,
}

impl Default for MultiSimilarity {
    /// The paper's, with λ as later work has it.
    fn default() -> Self {
        Self { alpha: 2.0, beta: 50.0, base: 0.5, epsilon: 0.1 }
    }
}

/// The multi-similarity loss: mean over images of ln(1 + Σ exp(-α (s - λ))) / α over its positives and ln(1 + Σ exp(β (s - λ))) / β over
/// its negatives, where s is the cosine similarity. A negative is kept when it is more similar than the least similar positive less ε, a
/// positive when it is less similar than the most similar negative plus ε.
///
/// `values`: `[count, dimension]`, of any length; the gradient is with respect to them. `terms` and `active` of the step count pairs.
///
/// # Errors
/// [`TripletError`] of shapes, of values that are not finite, of labels without a triplet, and of settings out of range.
///
/// Source: Wang et al. 2019, eqs. 11 to 15.
pub fn multi_similarity(values: &[f32], dimension: usize, labels: &[u8], settings: MultiSimilarity) -> Result<Step, TripletError> {
    let MultiSimilarity { alpha, beta, base, epsilon } = settings;
    require(alpha.is_finite() && alpha > 0.0, "alpha", alpha, "a number above 0")?;
    require(beta.is_finite() && beta > 0.0, "beta", beta, "a number above 0")?;
    require(base.is_finite(), "the base", base, "a finite number")?;
    require(epsilon >= 0.0, "epsilon", epsilon, "0 or more")?;
    over_rows(values, dimension, labels, |anchor, similarities, slopes| {
        let label = labels[anchor];
        let positives = || places(labels, anchor).filter(move |&other| labels[other] == label);
        let negatives = || places(labels, anchor).filter(move |&other| labels[other] != label);
        let least = positives().map(|other| similarities[other]).fold(f32::INFINITY, f32::min);
        let most = negatives().map(|other| similarities[other]).fold(f32::NEG_INFINITY, f32::max);
        // An image without positives keeps its negatives only where all are kept.
        let all = epsilon.is_infinite();
        let kept_positives = || positives().filter(|&other| all || f64::from(similarities[other]) - epsilon < f64::from(most));
        let kept_negatives = || negatives().filter(|&other| all || f64::from(similarities[other]) + epsilon > f64::from(least));
        let mut row = Row { loss: 0.0, counted: true, ..Row::default() };
        row.terms = (labels.len() - 1) as u64;
        for (sharpness, kept) in [(-alpha, kept_positives().collect::<Vec<_>>()), (beta, kept_negatives().collect())] {
            let powers: Vec<f64> = kept.iter().map(|&other| (sharpness * (f64::from(similarities[other]) - base)).exp()).collect();
            let sum = 1.0 + powers.iter().sum::<f64>();
            row.loss += sum.ln() / sharpness.abs();
            row.active += kept.len() as u64;
            kept.iter().zip(powers).for_each(|(&other, power)| slopes[other] = (sharpness.signum() * power / sum) as f32);
        }
        row
    })
}

/// The supervised contrastive loss: for each image with positives, the mean over those of -ln of the share that exp(s / temperature) has
/// in the sum over all other images, where s is the cosine similarity; then the mean over these images.
///
/// `values`: `[count, dimension]`, of any length; the gradient is with respect to them. `terms` and `active` of the step count pairs.
///
/// # Errors
/// [`TripletError`] of shapes, of values that are not finite, of labels without a triplet, and of the temperature.
///
/// Source: Khosla et al. 2020, eq. 2 ("out"), with each image seen once.
pub fn supervised_contrastive(values: &[f32], dimension: usize, labels: &[u8], temperature: f64) -> Result<Step, TripletError> {
    require(temperature.is_finite() && temperature > 0.0, "the temperature", temperature, "a number above 0")?;
    over_rows(values, dimension, labels, |anchor, similarities, slopes| {
        let positives = places(labels, anchor).filter(|&other| labels[other] == labels[anchor]).count();
        let terms = (labels.len() - 1) as u64;
        if positives == 0 {
            return Row { terms, ..Row::default() };
        }
        let logit = |other: usize| f64::from(similarities[other]) / temperature;
        let greatest = places(labels, anchor).map(logit).fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = (0..labels.len()).map(|other| if other == anchor { 0.0 } else { (logit(other) - greatest).exp() }).collect();
        let sum: f64 = powers.iter().sum();
        let logarithm = greatest + sum.ln();
        let each = 1.0 / positives as f64;
        let mut loss = 0.0;
        for other in places(labels, anchor) {
            let mut slope = powers[other] / sum;
            if labels[other] == labels[anchor] {
                loss += each * (logarithm - logit(other));
                slope -= each;
            }
            slopes[other] = (slope / temperature) as f32;
        }
        Row { loss, counted: true, terms, active: terms }
    })
}

/// What one anchor adds.
#[derive(Default)]
struct Row {
    loss: f64,
    /// Whether it counts in the mean.
    counted: bool,
    terms: u64,
    active: u64,
}

/// All places but the anchor's.
fn places(labels: &[u8], anchor: usize) -> impl Iterator<Item = usize> {
    (0..labels.len()).filter(move |&other| other != anchor)
}

/// The mean of what `row` gives for each anchor from its similarities `[count]`, where it leaves derivatives with respect to these.
fn over_rows(
    values: &[f32],
    dimension: usize,
    labels: &[u8],
    row: impl Fn(usize, &[f32], &mut [f32]) -> Row + Sync,
) -> Result<Step, TripletError> {
    let unit = Embeddings::new(values, dimension, Geometry { distance: Distance::Euclidean, normalise: true })?;
    if unit.count() != labels.len() {
        return Err(TripletError::Shape { values: values.len(), dimension, images: labels.len() });
    }
    require_triplet(labels)?;
    let columns = Columns::new(unit.points(), dimension);
    let stride = columns.stride();
    let mut slopes = vec![0.0_f32; labels.len() * stride];
    let rows: Vec<Row> = slopes
        .par_chunks_exact_mut(stride)
        .enumerate()
        .map_init(
            || vec![0.0_f32; stride],
            |similarities, (anchor, slopes)| {
                columns.dot_products(unit.point(anchor), similarities);
                row(anchor, &similarities[..labels.len()], slopes)
            },
        )
        .collect();
    let scale = 1.0 / rows.iter().filter(|row| row.counted).count().max(1) as f64;
    let mut gradient = vec![0.0_f32; values.len()];
    gradient.par_chunks_exact_mut(dimension).enumerate().for_each_init(
        || vec![0.0_f32; stride],
        |weights, (place, sums)| {
            let own = &slopes[place * stride..][..stride];
            (0..labels.len()).for_each(|other| weights[other] = own[other] + slopes[other * stride + place]);
            columns.weighted_sum(weights, sums);
            sums.iter_mut().for_each(|sum| *sum = (f64::from(*sum) * scale) as f32);
        },
    );
    unit.back(&mut gradient);
    let loss = rows.iter().map(|row| row.loss).sum::<f64>() * scale;
    finite(Step { loss, gradient, terms: rows.iter().map(|row| row.terms).sum(), active: rows.iter().map(|row| row.active).sum() })
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    /// Two labels on the axes of a plane: similarities are 1 within a label and 0 between them.
    const CROSS: [f32; 8] = [1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.5];

    #[test]
    fn supervised_contrast_is_as_worked_out_by_hand() {
        let step = supervised_contrastive(&CROSS, 2, &[0, 0, 1, 1], 0.5).unwrap();
        let each = (2.0_f64.exp() + 2.0).ln() - 2.0;
        assert!((step.loss - each).abs() < 1e-7, "{} for {each}", step.loss);
        assert_eq!((step.terms, step.active), (12, 12));
    }

    #[test]
    fn multi_similarity_is_as_worked_out_by_hand() {
        let settings = MultiSimilarity { epsilon: f64::INFINITY, ..MultiSimilarity::default() };
        let step = multi_similarity(&CROSS, 2, &[0, 0, 1, 1], settings).unwrap();
        let expected = (1.0 + (-1.0_f64).exp()).ln() / 2.0 + (1.0 + 2.0 * (-25.0_f64).exp()).ln() / 50.0;
        assert!((step.loss - expected).abs() < 1e-7, "{} for {expected}", step.loss);
        assert_eq!((step.terms, step.active), (12, 12));
        // The labels lie well apart: within 0.1 of the hardest of the other kind there is no pair.
        let mined = multi_similarity(&CROSS, 2, &[0, 0, 1, 1], MultiSimilarity::default()).unwrap();
        assert_eq!((mined.loss, mined.active, mined.gradient), (0.0, 0, vec![0.0; 8]));
    }

    #[test]
    fn gradients_are_what_small_moves_show() {
        let (values, labels) = testing::batch(14, 4, 3, 8);
        for temperature in [0.1, 1.0] {
            testing::assert_gradient(&values, 4, |values| supervised_contrastive(values, 4, &labels, temperature).unwrap());
        }
        for epsilon in [0.1, f64::INFINITY] {
            let settings = MultiSimilarity { beta: 10.0, epsilon, ..MultiSimilarity::default() };
            testing::assert_gradient(&values, 4, |values| multi_similarity(values, 4, &labels, settings).unwrap());
        }
    }

    #[test]
    fn longer_embeddings_have_the_same_loss() {
        let (values, labels) = testing::batch(30, 8, 4, 2);
        let longer: Vec<f32> = values.iter().map(|value| value * 4.0).collect();
        let (short, long) =
            (supervised_contrastive(&values, 8, &labels, 0.1).unwrap(), supervised_contrastive(&longer, 8, &labels, 0.1).unwrap());
        assert!((short.loss - long.loss).abs() < 1e-6);
        testing::assert_near(&long.gradient.iter().map(|slope| slope * 4.0).collect::<Vec<_>>(), &short.gradient, 1e-5);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_refused() {
        let error = |values: &[f32], labels: &[u8]| {
            let (one, other) =
                (supervised_contrastive(values, 2, labels, 0.1), multi_similarity(values, 2, labels, MultiSimilarity::default()));
            assert_eq!(one, other);
            one.unwrap_err()
        };
        assert_eq!(error(&CROSS, &[1; 4]), TripletError::NoTriplet { images: 4, labels: 1 });
        assert_eq!(error(&CROSS, &[0, 1]), TripletError::Shape { values: 8, dimension: 2, images: 2 });
        assert_eq!(error(&[f32::INFINITY; 8], &[0, 0, 1, 1]), TripletError::NotFinite { image: 0 });
        assert!(matches!(supervised_contrastive(&CROSS, 2, &[0, 0, 1, 1], 0.0), Err(TripletError::Setting { .. })));
        let wrong = MultiSimilarity { epsilon: f64::NAN, ..MultiSimilarity::default() };
        assert!(matches!(multi_similarity(&CROSS, 2, &[0, 0, 1, 1], wrong), Err(TripletError::Setting { name: "epsilon", .. })));
    }
}
