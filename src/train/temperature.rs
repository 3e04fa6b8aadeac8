//! Probabilities that are as sure as they are right.

/// Between these a temperature is sought.
const RANGE: [f64; 2] = [0.05, 20.0];

/// The temperature T that makes the mean of −ln of the true class's probability least, where probabilities are the softmax of their logarithms over
/// T. `probabilities`: `[n, classes]`; `labels`: `[n]`, each below `classes`.
///
/// The mean is convex in 1/T, so that halving the range by its slope finds the one minimum; equal input gives equal bits.
///
/// Source: Guo, Pleiss, Sun and Weinberger 2017, section 4.2.
pub fn fit(probabilities: &[f32], labels: &[u8], classes: usize) -> f64 {
    let logarithms: Vec<f64> = probabilities.iter().map(|probability| logarithm(*probability)).collect();
    // The slope in the inverse temperature b: the sum over examples of the mean of the logarithms under the softmax of b times them, less the true one's.
    let slope = |inverse: f64| -> f64 {
        let of_example = |(row, label): (&[f64], &u8)| {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers = row.iter().map(|value| (inverse * (value - most)).exp());
            let (sum, weighted) =
                powers.zip(row).fold((0.0, 0.0), |(sum, weighted), (power, value)| (sum + power, weighted + power * value));
            weighted / sum - row[usize::from(*label)]
        };
        logarithms.chunks_exact(classes).zip(labels).map(of_example).sum()
    };
    let [mut low, mut high] = [1.0 / RANGE[1], 1.0 / RANGE[0]];
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if slope(middle) < 0.0 { low = middle } else { high = middle }
    }
    1.0 / f64::midpoint(low, high)
}

/// Makes each row of `probabilities`, `[n, classes]`, the softmax of its logarithms over `temperature`.
pub fn apply(probabilities: &mut [f32], classes: usize, temperature: f64) {
    for row in probabilities.chunks_exact_mut(classes) {
        let most = row.iter().copied().map(logarithm).fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = row.iter().map(|probability| ((logarithm(*probability) - most) / temperature).exp()).collect();
        let sum: f64 = powers.iter().sum();
        row.iter_mut().zip(powers).for_each(|(probability, power)| *probability = (power / sum) as f32);
    }
}

/// What f32 rounds to 0 has a logarithm too.
fn logarithm(probability: f32) -> f64 {
    f64::from(probability.max(f32::MIN_POSITIVE)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(probabilities: &[f32], labels: &[u8], classes: usize) -> f64 {
        probabilities.chunks_exact(classes).zip(labels).map(|(row, label)| -f64::from(row[usize::from(*label)]).ln()).sum()
    }

    #[test]
    fn of_two_classes_the_temperature_makes_sureness_the_share_that_is_right() {
        // Always sure by .9, right in 7 of 10: at the minimum the probability is .7, and ln(.9 / .1) / T = ln(.7 / .3).
        let labels: Vec<u8> = (0..10).map(|place| u8::from(place >= 7)).collect();
        let mut probabilities = [0.9_f32, 0.1].repeat(10);
        let temperature = fit(&probabilities, &labels, 2);
        assert!((temperature - 9.0_f64.ln() / (7.0_f64 / 3.0).ln()).abs() < 1e-6, "{temperature}");
        apply(&mut probabilities, 2, temperature);
        assert!(probabilities.chunks(2).all(|row| (row[0] - 0.7).abs() < 1e-6 && (row[1] - 0.3).abs() < 1e-6));
    }

    #[test]
    fn no_temperature_near_by_is_better_and_the_best_class_stays() {
        let probabilities = [0.7_f32, 0.2, 0.1, 0.1, 0.8, 0.1, 0.3, 0.3, 0.4, 0.6, 0.3, 0.1, 1.0, 0.0, 0.0];
        let labels = [0, 1, 0, 1, 0];
        let temperature = fit(&probabilities, &labels, 3);
        let at = |temperature: f64| {
            let mut tempered = probabilities.to_vec();
            apply(&mut tempered, 3, temperature);
            assert!(tempered.chunks(3).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
            assert!(tempered.chunks(3).zip(probabilities.chunks(3)).all(|(after, before)| {
                (0..3).all(|class| (0..3).all(|other| (before[class] < before[other]) == (after[class] < after[other])))
            }));
            loss(&tempered, &labels, 3)
        };
        assert!(at(temperature) < at(temperature * 1.05) && at(temperature) < at(temperature / 1.05), "{temperature}");
    }

    #[test]
    fn what_is_always_right_is_as_sure_as_can_be() {
        assert!((fit(&[0.6, 0.4, 0.3, 0.7], &[0, 1], 2) - RANGE[0]).abs() < 1e-3);
    }
}
