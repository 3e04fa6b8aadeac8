//! Stopping a trial that will not be the best.

use super::Direction;

/// Stops a trial whose best value so far is worse than the median of what the others had reached by then.
///
/// Source: the median stopping rule of Golovin et al. 2017 (Google Vizier), section 3.2.1; with the best value so far on both sides,
/// as in Optuna's `MedianPruner`, since a trial counts by its best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MedianPruning {
    /// No trial is stopped before so many have come to their end.
    pub trials: usize,
    /// No trial is stopped before it has trained so many epochs.
    pub epochs: usize,
}

impl Default for MedianPruning {
    fn default() -> Self {
        Self { trials: 4, epochs: 5 }
    }
}

impl MedianPruning {
    /// Whether to stop the trial with these values after its epochs 1, 2, ... so far, given those of the trials that ended.
    #[must_use]
    pub fn stops(self, direction: Direction, values: &[f64], ended: &[Vec<f64>]) -> bool {
        let epochs = values.len();
        if epochs < self.epochs.max(1) || ended.len() < self.trials.max(1) {
            return false;
        }
        let best = |values: &[f64]| values.iter().map(|value| direction.sign() * value).fold(f64::NEG_INFINITY, f64::max);
        let mut others: Vec<f64> = ended.iter().map(|values| best(&values[..values.len().min(epochs)])).collect();
        others.sort_by(f64::total_cmp);
        let middle = others.len() / 2;
        let median = if others.len().is_multiple_of(2) { f64::midpoint(others[middle - 1], others[middle]) } else { others[middle] };
        best(values) < median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_below_the_median_of_the_same_epoch_is_stopped() {
        let ended = vec![vec![0.1, 0.5, 0.9], vec![0.2, 0.4, 0.8], vec![0.3, 0.3, 0.7], vec![0.4, 0.2, 0.6]];
        let pruning = MedianPruning { trials: 4, epochs: 2 };
        // Best by the second epoch: .5, .4, .3, .4; their median is .4.
        assert!(pruning.stops(Direction::Maximise, &[0.1, 0.39], &ended));
        assert!(!pruning.stops(Direction::Maximise, &[0.1, 0.4], &ended));
        assert!(!pruning.stops(Direction::Maximise, &[0.45, 0.1], &ended), "its best epoch counts");
        // By the third: .9, .8, .7, .6; their median is .75.
        assert!(pruning.stops(Direction::Maximise, &[0.1, 0.4, 0.74], &ended));
    }

    #[test]
    fn a_loss_is_better_when_it_is_less() {
        let ended = vec![vec![0.9, 0.5], vec![0.8, 0.7], vec![0.9, 0.6]];
        let pruning = MedianPruning { trials: 3, epochs: 1 };
        assert!(pruning.stops(Direction::Minimise, &[1.0, 0.61], &ended));
        assert!(!pruning.stops(Direction::Minimise, &[1.0, 0.6], &ended));
    }

    #[test]
    fn nothing_is_stopped_while_it_warms_up() {
        let ended = vec![vec![0.9; 9]; 3];
        assert!(!MedianPruning { trials: 4, epochs: 1 }.stops(Direction::Maximise, &[0.0; 5], &ended));
        assert!(!MedianPruning { trials: 1, epochs: 6 }.stops(Direction::Maximise, &[0.0; 5], &ended));
        assert!(!MedianPruning { trials: 0, epochs: 0 }.stops(Direction::Maximise, &[], &[]));
        assert!(MedianPruning { trials: 3, epochs: 5 }.stops(Direction::Maximise, &[0.0; 5], &ended));
    }
}
