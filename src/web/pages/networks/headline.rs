//! One measure of a system for the overview: in the report, trained again, and at best.

use super::super::words::fixed;

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
