//! How far a score computed from codes can lie from the exact one.

use crate::words::quantise::RowBound;

/// A query's part of the margin around approximate scores: `error * error_factor + slack` for a row with that error.
#[derive(Debug)]
pub(super) struct Margin {
    error_factor: f32,
    slack: f32,
}

impl Margin {
    /// For a `unit` vector that is taken as `scale * codes`.
    pub fn new(unit: &[f32], codes: &[i16], scale: f32) -> Self {
        let square: f64 =
            unit.iter().zip(codes).map(|(&value, &code)| (f64::from(value) - f64::from(scale) * f64::from(code)).powi(2)).sum();
        let error = (square.sqrt() * (1.0 + 1e-6)) as f32 + f32::MIN_POSITIVE;
        // Rounding of the exact score (16 lanes, then a tree), generously, and of the bounds' own arithmetic.
        let rounding = (unit.len() as f32 / 16.0 + 16.0) * f32::EPSILON + 4e-6;
        Self { error_factor: 1.0 + 1e-5 + error, slack: error * 1.0001 + rounding }
    }

    /// The exact score of a row lies no farther than this from the approximate one.
    #[inline(always)]
    pub fn of(&self, row: RowBound) -> f32 {
        row.error * self.error_factor + self.slack
    }
}

/// Codes up to `largest` and their scale for a unit vector (or zeros).
pub(super) fn codes(unit: &[f32], largest: i16) -> (Vec<i16>, f32) {
    let most = unit.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let limit = f32::from(largest);
    let scale = if most > 0.0 { most / limit } else { 1.0 };
    (unit.iter().map(|value| (value / scale).round().clamp(-limit, limit) as i16).collect(), scale)
}
