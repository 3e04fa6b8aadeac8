//! One measure of a system for the overview: in the report, trained again, and at best.

use super::{super::words::fixed, signed};
use crate::{
    error::{AppError, AppResult},
    store::Run,
};

/// One measure of a system, as it is written.
pub struct Headline {
    /// The system's page: `skin`.
    pub page: &'static str,
    /// The report's.
    pub report: String,
    /// The mean of our runs with the report's settings; none without any.
    pub again: Option<String>,
    /// The mean of our best configuration's runs; none where it is not measured so.
    pub best: Option<String>,
}

impl Headline {
    /// The report's figure and ours, with as many `decimals`.
    pub fn new(page: &'static str, report: (f64, usize), decimals: usize, again: Option<f64>, best: Option<f64>) -> Self {
        let ours = |value: f64| fixed(value, decimals);
        Self { page, report: fixed(report.0, report.1), again: again.map(ours), best: best.map(ours) }
    }
}

/// A figure of the report and ours, for a table of all.
pub struct Measure {
    /// The key of what it is called.
    pub key: &'static str,
    /// Of what: a split, a pair of words; a key, or words that stand for themselves.
    pub of: Option<String>,
    /// The report's, with as many decimals as it gives.
    pub report: (f64, usize),
    /// Ours, from the run that is chosen.
    pub ours: Option<f64>,
}

/// What a run of ours came to beside the report's.
pub struct Measured {
    /// The run that is chosen, or the first that has the report's settings.
    pub run: Option<Run>,
    /// Runs that may be chosen.
    pub choices: Vec<Run>,
    /// The figures.
    pub measures: Vec<Measure>,
}

impl Measured {
    /// The run that is asked for, or `default`; of those that may be chosen.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when it is not among them.
    pub fn choose(choices: &[Run], asked: Option<&str>, default: Option<&Run>) -> AppResult<Option<Run>> {
        match asked {
            None => Ok(default.cloned()),
            Some(id) => {
                let run = choices.iter().find(|run| run.id == id).cloned();
                run.map(Some).ok_or_else(|| AppError::not_found(format!("{id} is no run of this chapter that is done.")))
            }
        }
    }
}

impl Measure {
    /// The report's figure.
    pub fn reported(&self) -> String {
        fixed(self.report.0, self.report.1)
    }

    /// Ours, with a decimal more.
    pub fn computed(&self) -> Option<String> {
        Some(fixed(self.ours?, self.report.1 + 1))
    }

    /// Ours less the report's.
    pub fn difference(&self) -> Option<String> {
        Some(signed(self.ours? - self.report.0, self.report.1 + 1))
    }
}
