//! How good the probabilities themselves are.

use super::Predictions;

/// Mean of -ln of the probability given to the true class; probabilities are kept within f64's epsilon of 0 and 1, as scikit-learn
/// keeps them.
#[must_use]
pub fn log_loss(predictions: &Predictions) -> f64 {
    let losses = each(predictions, |label, row| -f64::from(row[label]).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln());
    losses.sum::<f64>() / predictions.len() as f64
}

/// Mean over examples of the sum over classes of (probability - truth)², in 0 to 2.
///
/// Source: Brier 1950, eq. 2; scikit-learn's `brier_score_loss` of more than two classes (of two, with `scale_by_half=False`).
#[must_use]
pub fn brier(predictions: &Predictions) -> f64 {
    let squares = each(predictions, |label, row| {
        row.iter().enumerate().map(|(class, &said)| (f64::from(said) - f64::from(u8::from(class == label))).powi(2)).sum::<f64>()
    });
    squares.sum::<f64>() / predictions.len() as f64
}

/// The share of examples whose true class is among the `k` most probable. Of equally probable classes the later counts as more
/// probable, as in scikit-learn's `top_k_accuracy_score`; with ties and `k = 1` it may differ from the accuracy for that reason.
#[must_use]
pub fn top_k_accuracy(predictions: &Predictions, k: usize) -> f64 {
    let hits = each(predictions, |label, row| {
        let before = |(class, said): (usize, &f32)| *said > row[label] || *said == row[label] && class > label;
        f64::from(u8::from(row.iter().enumerate().filter(|&(class, said)| before((class, said))).count() < k))
    });
    hits.sum::<f64>() / predictions.len() as f64
}

fn each(predictions: &Predictions, value: impl Fn(usize, &[f32]) -> f64) -> impl Iterator<Item = f64> {
    predictions.labels().iter().enumerate().map(move |(index, &label)| value(usize::from(label), predictions.row(index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_worked_out_by_hand() {
        let predictions = Predictions::new(vec![0, 1], vec![0.5, 0.25, 0.25, 0.25, 0.25, 0.5], 3).unwrap();
        assert!((log_loss(&predictions) - 1.5 * 2.0_f64.ln()).abs() < 1e-15);
        assert_eq!(brier(&predictions), f64::midpoint(0.25 + 2.0 * 0.0625, 0.0625 + 0.5625 + 0.25));
        assert_eq!([1, 2, 3].map(|k| top_k_accuracy(&predictions, k)), [0.5, 1.0, 1.0]);
    }

    #[test]
    fn a_surely_wrong_answer_costs_much_but_not_infinitely() {
        let predictions = Predictions::new(vec![0], vec![0.0, 1.0], 2).unwrap();
        assert!((log_loss(&predictions) - 36.04).abs() < 0.01);
        assert_eq!(brier(&predictions), 2.0);
    }
}
