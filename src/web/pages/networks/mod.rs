//! What the pages on networks share: headlines for the overview, layer summaries, framed figures, pictures that people send, differences from the report.

mod headline;
mod picture;
mod plate;
mod summary;

pub use self::{
    headline::{Headline, Measure, Measured},
    picture::{address, story},
    plate::Plate,
    summary::{Layer, Summary, grouped},
};

use super::words::fixed;
use crate::store::Run;

/// A difference with its sign, which 0 has none of.
pub fn signed(difference: f64, decimals: usize) -> String {
    let written = fixed(difference, decimals);
    if difference > 0.0 && written.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) { format!("+{written}") } else { written }
}

/// Whether `run` was trained on this data set.
pub fn is_of(run: &Run, dataset: &str) -> bool {
    run.dataset.as_ref().is_some_and(|used| used.id == dataset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_a_sign_unless_it_is_none() {
        assert_eq!(signed(0.012, 2), "+0.01");
        assert_eq!(signed(-0.012, 2), "−0.01");
        assert_eq!((signed(0.001, 2), signed(-0.001, 2)), ("0.00".into(), "0.00".into()));
    }
}
