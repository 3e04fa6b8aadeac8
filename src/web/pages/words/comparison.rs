//! One table of answers: ours, and the report's where it has some, with the words in common marked.

use crate::words::{Neighbor, VectorSet, report::Similar};

/// A list of answers beside the report's.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Ours, best first; `None` when a word of the question is not in the set.
    pub ours: Option<Vec<Similar>>,
    /// The report's, best first; `None` when the report did not ask this.
    pub report: Option<&'static [Similar]>,
}

/// One rank of a [`Comparison`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Counted from 1.
    pub rank: usize,
    /// Our word at this rank.
    pub ours: Option<Cell>,
    /// The report's word at this rank.
    pub report: Option<Cell>,
}

/// A word with its similarity.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The answer.
    pub word: String,
    /// As computed.
    pub similarity: f32,
    /// True when it stands in both lists.
    pub both: bool,
}

impl Comparison {
    /// Row by row, as long as the longer list.
    pub fn rows(&self) -> Vec<Row> {
        let ours = self.ours.as_deref().unwrap_or_default();
        let report = self.report.unwrap_or_default();
        let cell = |list: &[Similar], others: &[Similar], index: usize| {
            list.get(index).map(|answer| Cell {
                word: answer.word.clone(),
                similarity: answer.similarity,
                both: others.iter().any(|other| other.word == answer.word),
            })
        };
        (0..ours.len().max(report.len()))
            .map(|index| Row { rank: index + 1, ours: cell(ours, report, index), report: cell(report, ours, index) })
            .collect()
    }

    /// How many of the report's words are among ours; `None` when one of the two lists is missing.
    pub fn common(&self) -> Option<usize> {
        let (ours, report) = (self.ours.as_ref()?, self.report?);
        Some(report.iter().filter(|answer| ours.iter().any(|other| other.word == answer.word)).count())
    }

    /// Our first answer.
    pub fn first(&self) -> Option<&Similar> {
        self.ours.as_ref()?.first()
    }
}

/// A figure of the report, which has two decimals, and no more in any file.
pub fn two_decimals(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

/// Words for the indices of an answer.
pub fn named(set: &VectorSet, neighbors: &[Neighbor]) -> Vec<Similar> {
    neighbors.iter().map(|neighbor| Similar { word: set.word(neighbor.index).to_owned(), similarity: neighbor.similarity }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_both_lists_are_marked_whatever_their_rank() {
        let report = &crate::words::report::report().neighbors[0].neighbors; // william, george, james, ...
        let ours = vec![Similar { word: "george".into(), similarity: 0.9 }, Similar { word: "robert".into(), similarity: 0.8 }];
        let comparison = Comparison { ours: Some(ours), report: Some(report) };
        let rows = comparison.rows();
        assert_eq!(rows.len(), 10);
        assert_eq!(comparison.common(), Some(1));
        assert!(rows[0].ours.as_ref().unwrap().both && rows[1].report.as_ref().unwrap().both);
        assert!(!rows[1].ours.as_ref().unwrap().both && !rows[0].report.as_ref().unwrap().both);
        assert_eq!(rows[2].ours, None);
    }

    #[test]
    fn a_figure_of_the_report_keeps_its_two_decimals() {
        assert_eq!(two_decimals(0.7_f32).to_string(), "0.7");
        assert_eq!(two_decimals(0.54_f32).to_string(), "0.54");
    }

    #[test]
    fn nothing_is_in_common_with_what_is_missing() {
        let report = &crate::words::report::report().neighbors[0].neighbors;
        assert_eq!(Comparison { ours: None, report: Some(report) }.common(), None);
        assert_eq!(Comparison { ours: Some(Vec::new()), report: None }.common(), None);
    }
}
