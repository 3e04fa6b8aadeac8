//! How the learning rate goes over a training.

use std::f64::consts::PI;

/// The course of a learning rate whose peak is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Always the peak.
    Constant,
    /// From the peak to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts).
    Cosine,
    /// From a 25th of the peak up to it in the first 30% of the steps, then down to 0, both along half a cosine (Smith and Topin 2018).
    OneCycle,
}

/// Share of the steps in which [`Schedule::OneCycle`] rises, and what share of the peak it begins with, as in `PyTorch`.
const RISE: (f64, f64) = (0.3, 1.0 / 25.0);

impl Schedule {
    /// The learning rate of the step after `step` of `steps` were done.
    #[must_use]
    pub fn learning_rate(self, peak: f64, step: u64, steps: u64) -> f64 {
        let done = step as f64 / steps.max(1) as f64;
        // 1 at the beginning, 0 at the end.
        let cosine = |part: f64| 0.5 + 0.5 * (PI * part.clamp(0.0, 1.0)).cos();
        match self {
            Self::Constant => peak,
            Self::Cosine => peak * cosine(done),
            Self::OneCycle if done < RISE.0 => peak * (1.0 - (1.0 - RISE.1) * cosine(done / RISE.0)),
            Self::OneCycle => peak * cosine((done - RISE.0) / (1.0 - RISE.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_schedule_passes_through_its_known_points() {
        let close = |schedule: Schedule, step, wanted: f64| {
            let got = schedule.learning_rate(0.1, step, 1000);
            assert!((got - wanted).abs() < 1e-12, "{schedule:?} at {step}: {got}");
        };
        close(Schedule::Constant, 999, 0.1);
        close(Schedule::Cosine, 0, 0.1);
        close(Schedule::Cosine, 500, 0.05);
        close(Schedule::Cosine, 1000, 0.0);
        close(Schedule::OneCycle, 0, 0.004);
        close(Schedule::OneCycle, 150, 0.052);
        close(Schedule::OneCycle, 300, 0.1);
        close(Schedule::OneCycle, 650, 0.05);
        close(Schedule::OneCycle, 1000, 0.0);
    }
}
