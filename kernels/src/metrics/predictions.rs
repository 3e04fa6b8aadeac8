//! What a classifier said, checked once.

use super::MetricsError;

/// How far the probabilities of one example may be from adding up to 1: some hundred roundings of f32.
const TOLERANCE: f64 = 1e-4;

/// What was true and what a classifier said, of each example of a split in the data set's order. Checked when made.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    labels: Vec<u8>,
    probabilities: Vec<f32>,
    classes: usize,
    predicted: Vec<u8>,
}

impl Predictions {
    /// `labels`: `[n]`, each below `classes`; `probabilities`: `[n, classes]`, row after row, each row adding up to 1 within 1e-4.
    ///
    /// # Errors
    /// [`MetricsError`], naming the first example at fault.
    pub fn new(labels: Vec<u8>, probabilities: Vec<f32>, classes: usize) -> Result<Self, MetricsError> {
        if labels.is_empty() || classes == 0 {
            return Err(MetricsError::Empty);
        }
        let (expected, found) = (labels.len() * classes, probabilities.len());
        if expected != found {
            return Err(MetricsError::Length { what: "probabilities", expected, found });
        }
        check_labels(&labels, classes)?;
        for (index, row) in probabilities.chunks_exact(classes).enumerate() {
            if let Some(&value) = row.iter().find(|value| !(0.0..=1.0).contains(*value)) {
                return Err(MetricsError::Probability { index, value });
            }
            let sum: f64 = row.iter().copied().map(f64::from).sum();
            if (sum - 1.0).abs() > TOLERANCE {
                return Err(MetricsError::Sum { index, sum });
            }
        }
        let predicted = probabilities.chunks_exact(classes).map(most_probable).collect();
        Ok(Self { labels, probabilities, classes, predicted })
    }

    /// Number of examples, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// What was true, `[n]`.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// What was said, `[n, classes]`.
    #[must_use]
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The probabilities of one example, `[classes]`.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.probabilities[index * self.classes..][..self.classes]
    }

    /// The most probable class of each example, `[n]`; of equally probable ones the first, as `numpy.argmax` has it.
    #[must_use]
    pub fn predicted(&self) -> &[u8] {
        &self.predicted
    }

    /// The examples that were got wrong, the most confidently wrong first; of equally confident ones the first.
    #[must_use]
    pub fn mistakes(&self) -> Vec<usize> {
        let mut wrong: Vec<usize> = (0..self.len()).filter(|&index| self.labels[index] != self.predicted[index]).collect();
        wrong.sort_by(|&one, &other| self.confidence(other).total_cmp(&self.confidence(one)));
        wrong
    }

    /// The probability of the class that was said.
    #[must_use]
    pub fn confidence(&self, index: usize) -> f32 {
        self.row(index)[usize::from(self.predicted[index])]
    }

    /// The examples at `places` alone, in that order.
    ///
    /// # Errors
    /// [`MetricsError::Empty`] when there are none, [`MetricsError::Place`] when there is no example at one of them.
    pub fn selected(&self, places: &[u32]) -> Result<Self, MetricsError> {
        if let Some(&place) = places.iter().find(|&&place| place as usize >= self.len()) {
            return Err(MetricsError::Place { place, examples: self.len() });
        }
        let labels = places.iter().map(|&place| self.labels[place as usize]).collect();
        let probabilities = places.iter().flat_map(|&place| self.row(place as usize)).copied().collect();
        Self::new(labels, probabilities, self.classes)
    }

    /// `index,label,prediction,p0,...,pK`, one row per example. `places`: the index of each example, `[n]`; none: they are numbered from 0.
    ///
    /// # Panics
    /// When there are fewer places than examples.
    #[must_use]
    pub fn to_csv(&self, places: Option<&[u32]>) -> String {
        use std::fmt::Write;
        let mut out = String::with_capacity(self.len() * (12 + 13 * self.classes));
        out.push_str("index,label,prediction");
        (0..self.classes).for_each(|class| write!(out, ",p{class}").expect("memory takes every write"));
        out.push_str("\r\n");
        for index in 0..self.len() {
            let place = places.map_or(index, |places| places[index] as usize);
            let (label, predicted) = (self.labels[index], self.predicted[index]);
            write!(out, "{place},{label},{predicted}").expect("memory takes every write");
            self.row(index).iter().for_each(|probability| write!(out, ",{probability}").expect("memory takes every write"));
            out.push_str("\r\n");
        }
        out
    }
}

/// That each label is below `classes`.
pub(super) fn check_labels(labels: &[u8], classes: usize) -> Result<(), MetricsError> {
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(index) => Err(MetricsError::Label { index, label: labels[index], classes }),
        None => Ok(()),
    }
}

fn most_probable(row: &[f32]) -> u8 {
    let mut best = 0;
    for (class, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = class;
        }
    }
    best as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_refused_by_its_name() {
        let made = |labels: &[u8], probabilities: &[f32]| Predictions::new(labels.to_vec(), probabilities.to_vec(), 2).unwrap_err();
        assert_eq!(made(&[], &[]), MetricsError::Empty);
        assert_eq!(made(&[0], &[1.0]), MetricsError::Length { what: "probabilities", expected: 2, found: 1 });
        assert_eq!(made(&[0, 2], &[0.5, 0.5, 0.5, 0.5]), MetricsError::Label { index: 1, label: 2, classes: 2 });
        assert!(matches!(made(&[0], &[f32::NAN, 0.5]), MetricsError::Probability { index: 0, value } if value.is_nan()));
        assert!(matches!(made(&[0], &[1.5, -0.5]), MetricsError::Probability { .. }));
        assert!(matches!(made(&[0], &[f32::INFINITY, 0.0]), MetricsError::Probability { .. }));
        assert_eq!(made(&[0], &[0.5, 0.25]), MetricsError::Sum { index: 0, sum: 0.75 });
        assert_eq!(Predictions::new(vec![0], vec![], 0).unwrap_err(), MetricsError::Empty);
    }

    #[test]
    fn probabilities_may_be_as_far_off_as_f32_rounds_them() {
        assert!(Predictions::new(vec![0], vec![0.333_33; 3], 3).is_ok());
    }

    #[test]
    fn of_equally_probable_classes_the_first_is_said() {
        let predictions = Predictions::new(vec![0, 1], vec![0.25, 0.5, 0.25, 0.4, 0.2, 0.4], 3).unwrap();
        assert_eq!(predictions.predicted(), [1, 0]);
    }

    #[test]
    fn mistakes_come_most_confident_first() {
        let rows = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7], [0.2, 0.8]];
        let predictions = Predictions::new(vec![0, 0, 0, 1, 0], rows.concat(), 2).unwrap();
        assert_eq!(predictions.mistakes(), [2, 4, 1]);
        assert_eq!(predictions.confidence(1), 0.6);
    }

    #[test]
    fn a_row_of_the_table_has_the_label_the_prediction_and_every_probability() {
        let predictions = Predictions::new(vec![1, 0], vec![0.75, 0.25, 1.0, 0.0], 2).unwrap();
        assert_eq!(predictions.to_csv(None), "index,label,prediction,p0,p1\r\n0,1,0,0.75,0.25\r\n1,0,0,1,0\r\n");
        let last = predictions.selected(&[1]).unwrap();
        assert_eq!(last.to_csv(Some(&[1])), "index,label,prediction,p0,p1\r\n1,0,0,1,0\r\n");
        assert_eq!(predictions.selected(&[2]), Err(MetricsError::Place { place: 2, examples: 2 }));
        assert_eq!(predictions.selected(&[]), Err(MetricsError::Empty));
    }
}
