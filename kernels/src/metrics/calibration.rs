//! Whether a classifier is right as often as it says it is.

use super::{Predictions, ratio};

/// How far what is said and what comes true are apart, over bins of confidence.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Calibration {
    /// Mean of |accuracy - confidence| over the bins, each counted by its examples.
    pub expected_error: f64,
    /// The greatest |accuracy - confidence| of a bin.
    pub maximum_error: f64,
    /// From the least to the greatest confidence, all of equal width.
    pub bins: Vec<ReliabilityBin>,
}

/// The examples whose most probable class has a probability within `(low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ReliabilityBin {
    /// Confidence above this ...
    pub low: f64,
    /// ... and up to this.
    pub high: f64,
    /// How many examples there are.
    pub count: u64,
    /// The mean probability of what was said; 0 in an empty bin.
    pub confidence: f64,
    /// The share that were right; 0 in an empty bin.
    pub accuracy: f64,
}

/// Calibration of the most probable class over `bins` equal bins of 0 to 1 (15 are usual).
///
/// Source: Guo et al. 2017, eq. 3 and 5.
///
/// # Panics
/// When there are no bins.
#[must_use]
pub fn calibration(predictions: &Predictions, bins: usize) -> Calibration {
    assert!(bins > 0, "calibration needs a bin");
    let edge = |index: usize| index as f64 / bins as f64;
    let mut sums = vec![(0_u64, 0.0, 0_u64); bins];
    for index in 0..predictions.len() {
        let confidence = f64::from(predictions.confidence(index));
        // The product rounds: the edges themselves decide which side of one a confidence lies on.
        let mut bin = ((confidence * bins as f64) as usize).min(bins - 1);
        while bin > 0 && confidence <= edge(bin) {
            bin -= 1;
        }
        while bin + 1 < bins && confidence > edge(bin + 1) {
            bin += 1;
        }
        let (count, sum, right) = &mut sums[bin];
        *count += 1;
        *sum += confidence;
        *right += u64::from(predictions.predicted()[index] == predictions.labels()[index]);
    }
    let bins: Vec<ReliabilityBin> = (sums.into_iter().enumerate())
        .map(|(index, (count, sum, right))| {
            let (confidence, accuracy) = (ratio(sum, count as f64), ratio(right as f64, count as f64));
            ReliabilityBin { low: edge(index), high: edge(index + 1), count, confidence, accuracy }
        })
        .collect();
    let gap = |bin: &ReliabilityBin| (bin.accuracy - bin.confidence).abs();
    let expected_error = bins.iter().map(|bin| bin.count as f64 * gap(bin)).sum::<f64>() / predictions.len() as f64;
    Calibration { expected_error, maximum_error: bins.iter().map(gap).fold(0.0, f64::max), bins }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bin_holds_its_upper_edge() {
        // Confidences .5 (an edge of 4 bins), .75 (an edge) and 1: one right of two in the second bin, one wrong, one right.
        let rows = [[0.5, 0.5], [0.5, 0.5], [0.25, 0.75], [1.0, 0.0]];
        let predictions = Predictions::new(vec![0, 1, 0, 0], rows.concat(), 2).unwrap();
        let calibration = calibration(&predictions, 4);
        assert_eq!(calibration.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [0, 2, 1, 1]);
        assert_eq!(calibration.bins[1], ReliabilityBin { low: 0.25, high: 0.5, count: 2, confidence: 0.5, accuracy: 0.5 });
        assert_eq!((calibration.expected_error, calibration.maximum_error), (0.75 / 4.0, 0.75));
    }
}
