//! What a training may be told, as `key=value`.

use crate::error::{AppError, AppResult};

/// The settings of a training; the defaults are those of the benchmark and of the shipped vectors' yardstick.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GloveSettings {
    /// Values per vector.
    pub dimension: usize,
    /// How many tokens to each side count as context.
    pub window: usize,
    /// Words seen less often are left out.
    pub minimum_count: u64,
    /// At most this many words, the most frequent.
    pub vocabulary_limit: usize,
    /// Co-occurrences from this count on have full weight.
    pub x_max: f64,
    /// Exponent of the weighting function.
    pub alpha: f64,
    /// Initial learning rate of `AdaGrad`.
    pub learning_rate: f64,
    /// Passes over all co-occurrences.
    pub epochs: usize,
    /// Bytes that the counting of co-occurrences, and then the list of them, may take; what is over goes to disk.
    pub memory: u64,
}

impl Default for GloveSettings {
    fn default() -> Self {
        Self {
            dimension: 100,
            window: 10,
            minimum_count: 5,
            vocabulary_limit: 1_000_000,
            x_max: 10.0,
            alpha: 0.75,
            learning_rate: 0.05,
            epochs: 15,
            memory: 2 << 30,
        }
    }
}

impl GloveSettings {
    /// The defaults, changed by `key=value` assignments; a later one wins.
    ///
    /// # Errors
    /// [`AppError::Invalid`] naming the key: an unknown one, or a value out of its range.
    pub fn from_assignments<S: AsRef<str>>(assignments: &[S]) -> AppResult<Self> {
        let mut settings = Self::default();
        for assignment in assignments {
            let assignment = assignment.as_ref();
            let (key, value) =
                assignment.split_once('=').ok_or_else(|| AppError::invalid(assignment, "expected key=value, as in dimension=100"))?;
            settings.assign(key.trim(), value.trim())?;
        }
        Ok(settings)
    }

    fn assign(&mut self, key: &str, value: &str) -> AppResult<()> {
        match key {
            "dimension" => self.dimension = whole(key, value, 1, 2_000)? as usize,
            "window" => self.window = whole(key, value, 1, 100)? as usize,
            "minimum_count" => self.minimum_count = whole(key, value, 1, u64::MAX)?,
            "vocabulary_limit" => self.vocabulary_limit = whole(key, value, 2, 4_000_000)? as usize,
            "x_max" => self.x_max = real(key, value, 1e-3, 1e9)?,
            "alpha" => self.alpha = real(key, value, 0.0, 4.0)?,
            "learning_rate" => self.learning_rate = real(key, value, 1e-6, 1.0)?,
            "epochs" => self.epochs = whole(key, value, 1, 10_000)? as usize,
            "memory" => self.memory = bytes(key, value)?,
            _ => return Err(AppError::invalid(key, format!("there is no such setting; there are {KEYS}"))),
        }
        Ok(())
    }
}

const KEYS: &str = "dimension, window, minimum_count, vocabulary_limit, x_max, alpha, learning_rate, epochs, memory";
/// With less the buffers themselves would not fit.
const LEAST_MEMORY: u64 = 1 << 20;

fn whole(key: &str, value: &str, least: u64, most: u64) -> AppResult<u64> {
    let reason = || format!("expected a whole number from {least} to {most}, got {value:?}");
    value.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| AppError::invalid(key, reason()))
}

fn real(key: &str, value: &str, least: f64, most: f64) -> AppResult<f64> {
    let reason = || format!("expected a number from {least} to {most}, got {value:?}");
    value.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| AppError::invalid(key, reason()))
}

fn bytes(key: &str, value: &str) -> AppResult<u64> {
    let reason = || format!("expected bytes, at least 1M, as in 512M or 4G, got {value:?}");
    let digits = value.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match value[digits.len()..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "K" | "KB" | "KIB" => Some(1 << 10),
        "M" | "MB" | "MIB" => Some(1 << 20),
        "G" | "GB" | "GIB" => Some(1 << 30),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .zip(unit)
        .and_then(|(number, unit): (u64, u64)| number.checked_mul(unit))
        .filter(|&bytes| (LEAST_MEMORY..=1 << 50).contains(&bytes))
        .ok_or_else(|| AppError::invalid(key, reason()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_change_the_defaults() {
        let settings = GloveSettings::from_assignments(&["dimension=25", "memory=64M", "x_max=2.5", "dimension=30"]).unwrap();
        assert_eq!(settings, GloveSettings { dimension: 30, memory: 64 << 20, x_max: 2.5, ..GloveSettings::default() });
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (assignment, field) in [
            ("dimensions=25", "dimensions"),
            ("dimension=0", "dimension"),
            ("dimension=ten", "dimension"),
            ("window=101", "window"),
            ("epochs=-1", "epochs"),
            ("x_max=nan", "x_max"),
            ("learning_rate=inf", "learning_rate"),
            ("memory=1K", "memory"),
            ("memory=99999999999G", "memory"),
            ("memory=2X", "memory"),
            ("alpha", "alpha"),
        ] {
            let error = GloveSettings::from_assignments(&[assignment]).unwrap_err();
            assert!(matches!(&error, AppError::Invalid { field: named, .. } if named == field), "{assignment}: {error}");
        }
    }
}
