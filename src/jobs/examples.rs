//! The images of a split, by what they are and what a network took them for.

use super::judge::Judgement;

/// Which images, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Of this true class.
    pub label: Option<usize>,
    /// That were taken for this class.
    pub decided: Option<usize>,
    /// That were got right, or wrong.
    pub only: Option<Only>,
    /// In this order.
    pub order: Order,
}

/// Right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Those that were got right.
    Correct,
    /// Those that were got wrong.
    Errors,
}

/// An order of images; of equal ones the first in the split comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The most probable decision first.
    #[default]
    Confidence,
    /// The least probable decision first.
    Uncertain,
    /// The least probable true class first: what costs most in log loss.
    Loss,
    /// As in the split.
    Index,
}

impl Only {
    /// `correct` or `errors`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "correct" => Some(Self::Correct),
            "errors" => Some(Self::Errors),
            _ => None,
        }
    }
}

impl Order {
    /// `confidence`, `uncertain`, `loss` or `index`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "confidence" => Some(Self::Confidence),
            "uncertain" => Some(Self::Uncertain),
            "loss" => Some(Self::Loss),
            "index" => Some(Self::Index),
            _ => None,
        }
    }
}

impl Selection {
    /// Rows of `judgement` that are wanted, in the order that is wanted.
    #[must_use]
    pub fn rows(&self, judgement: &Judgement) -> Vec<usize> {
        let predictions = &judgement.predictions;
        let (label, decided) = (|row: usize| usize::from(predictions.labels()[row]), |row: usize| usize::from(judgement.decisions[row]));
        let fits = |row: &usize| {
            self.label.is_none_or(|wanted| wanted == label(*row))
                && self.decided.is_none_or(|wanted| wanted == decided(*row))
                && self.only.is_none_or(|only| (only == Only::Correct) == (label(*row) == decided(*row)))
        };
        let mut rows: Vec<usize> = (0..predictions.len()).filter(fits).collect();
        let of_decision = |row: usize| predictions.row(row)[decided(row)];
        let of_truth = |row: usize| predictions.row(row)[label(row)];
        match self.order {
            Order::Confidence => rows.sort_by(|&one, &other| of_decision(other).total_cmp(&of_decision(one))),
            Order::Uncertain => rows.sort_by(|&one, &other| of_decision(one).total_cmp(&of_decision(other))),
            Order::Loss => rows.sort_by(|&one, &other| of_truth(one).total_cmp(&of_truth(other))),
            Order::Index => {}
        }
        rows
    }
}
