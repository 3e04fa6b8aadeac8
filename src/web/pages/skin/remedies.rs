//! What each remedy came to, as means over seeds, held against the plain network.

use std::sync::Arc;

use super::{
    beside::{BEST, Beside, PLAIN, Row, is_real},
    view::{Column, View},
};
use crate::{
    data::Split,
    error::{AppError, AppResult},
    jobs::Gist,
    store::Run,
    web::AppState,
};

/// Runs whose networks are judged within one request, where nothing is kept of what they said; each takes seconds.
const MOST_MEASURED: usize = 3;

/// The table.
pub struct Remedies {
    /// In the order that is asked for.
    pub remedies: Vec<Remedy>,
    /// Runs that were not judged yet.
    pub unmeasured: usize,
    /// Whether the runs are on drawn lesions, since there is none on real ones.
    pub is_synthetic: bool,
}

/// One row.
pub struct Remedy {
    /// Its runs.
    pub row: Row,
    /// In the order of [`Column::ALL`]; none for what no run has.
    pub measures: Vec<Option<Spread>>,
    /// The mean recall of each class; none while a run is not judged.
    pub recall: Option<Vec<f64>>,
    /// By how much that is more than the plain network's; none of that itself, and where either is not judged.
    pub change: Option<Vec<f64>>,
}

/// A figure over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation, of a sample; none of one seed.
    pub deviation: Option<f64>,
}

impl Remedies {
    /// An empty table, for a page that does not show it.
    pub fn none() -> Self {
        Self { remedies: Vec::new(), unmeasured: 0, is_synthetic: false }
    }

    /// Judges the runs of `beside`, a few of those that were not judged yet where `measure` says so; runs on drawn lesions always.
    ///
    /// # Errors
    /// What a judgement that is kept can't be read for.
    pub fn new(app: &AppState, beside: &Beside, view: &View, measure: bool) -> AppResult<Self> {
        let is_synthetic = beside.rows.iter().flat_map(|row| &row.runs).any(|run| !is_real(run));
        let mut left = if measure || is_synthetic { MOST_MEASURED } else { 0 };
        let mut unmeasured = 0;
        let mut remedies = Vec::new();
        for row in &beside.rows {
            let mut found: Option<Vec<Arc<Gist>>> = Some(Vec::new());
            for run in &row.runs {
                let measured = measured(app, run, &mut left)?;
                unmeasured += usize::from(measured.is_none());
                found = found.zip(measured).map(|(mut all, one)| {
                    all.push(one);
                    all
                });
            }
            remedies.push(Remedy::new(row.clone(), found));
        }
        let plain = remedies.iter().find(|remedy| remedy.row.id == PLAIN).and_then(|remedy| remedy.recall.clone());
        for remedy in remedies.iter_mut().filter(|remedy| remedy.row.id != PLAIN) {
            let pairs = remedy.recall.as_ref().zip(plain.as_ref());
            remedy.change = pairs.map(|(own, plain)| own.iter().zip(plain).map(|(own, plain)| own - plain).collect());
        }
        sort(&mut remedies, view.sort);
        Ok(Self { remedies, unmeasured, is_synthetic })
    }

    /// The remedy whose classes are drawn: the one that is asked for, the best, or the last with something to draw.
    pub fn drawn(&self, view: &View) -> Option<&Remedy> {
        let with = |id: &str| self.remedies.iter().find(|remedy| remedy.row.id == id && remedy.change.is_some());
        let asked = view.given("remedy").and_then(with);
        asked.or_else(|| with(BEST)).or_else(|| self.remedies.iter().rev().find(|remedy| remedy.change.is_some()))
    }

    /// The plain network's recall of each class.
    pub fn plain_recall(&self) -> Option<&[f64]> {
        self.remedies.iter().find(|remedy| remedy.row.id == PLAIN)?.recall.as_deref()
    }
}

impl Remedy {
    fn new(row: Row, found: Option<Vec<Arc<Gist>>>) -> Self {
        let validation = Spread::of(row.runs.iter().map(|run| run.best.get("validation_accuracy").map(|best| best.last)));
        let Some(found) = found.filter(|found| !found.is_empty()) else {
            let mut measures = vec![None; Column::ALL.len()];
            measures[place(Column::Validation)] = validation;
            return Self { row, measures, recall: None, change: None };
        };
        let over = |value: &dyn Fn(&Gist) -> Option<f64>| Spread::of(found.iter().map(|one| value(one)));
        let classes = found.iter().map(|one| one.recall.len()).min().unwrap_or_default();
        let recall = |class: usize| found.iter().map(|one| one.recall[class]).sum::<f64>() / found.len() as f64;
        let measure = |column: &Column| match column {
            Column::Accuracy => over(&|one| Some(one.accuracy)),
            Column::Balanced => over(&|one| Some(one.balanced_accuracy)),
            Column::MacroF1 => over(&|one| Some(one.macro_f1)),
            Column::Auc => over(&|one| one.macro_auc),
            Column::Melanoma => over(&|one| one.recall.get(MELANOMA).copied()),
            Column::Validation => validation,
        };
        let measures = Column::ALL.iter().map(measure).collect();
        let recall = (0..classes).map(recall).collect();
        Self { row, measures, recall: Some(recall), change: None }
    }

    /// A figure of it.
    pub fn measure(&self, column: Column) -> Option<Spread> {
        self.measures[place(column)]
    }
}

/// The label of melanoma, in every data set of lesions.
const MELANOMA: usize = 4;

fn place(column: Column) -> usize {
    Column::ALL.iter().position(|other| *other == column).unwrap_or_default()
}

impl Spread {
    /// `None` where a value is missing, or there is none.
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (!values.is_empty()).then(|| Self { mean, deviation: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()) })
    }
}

/// What the network of `run` comes to; `left` counts how many more may be asked whose answers are not kept.
fn measured(app: &AppState, run: &Run, left: &mut usize) -> AppResult<Option<Arc<Gist>>> {
    if !app.judge.has_kept(run, Split::Test) {
        let Some(rest) = left.checked_sub(1) else { return Ok(None) };
        *left = rest;
    }
    match app.judge.gist(run, Split::Test) {
        Ok(gist) => Ok(Some(gist)),
        Err(AppError::Unavailable(_) | AppError::Conflict(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The greatest first; what was not judged comes last, and equal ones stay in their order.
fn sort(remedies: &mut [Remedy], column: Option<Column>) {
    let Some(column) = column else { return };
    let value = |remedy: &Remedy| remedy.measure(column).map_or(f64::NEG_INFINITY, |spread| spread.mean);
    remedies.sort_by(|one, other| value(other).total_cmp(&value(one)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(id: &str, accuracies: &[f64]) -> Remedy {
        let one = |&accuracy: &f64| {
            let (balanced_accuracy, macro_f1, macro_auc) = (0.5, 0.4, Some(1.0 - accuracy));
            Arc::new(Gist { accuracy, balanced_accuracy, macro_f1, macro_auc, recall: vec![accuracy; 7] })
        };
        Remedy::new(Row { id: id.into(), is_named: true, runs: Vec::new() }, Some(accuracies.iter().map(one).collect()))
    }

    #[test]
    fn a_spread_needs_all_its_values_and_two_for_a_deviation() {
        let of = |values: &[Option<f64>]| Spread::of(values.iter().copied());
        assert_eq!(of(&[Some(1.0), Some(3.0)]), Some(Spread { mean: 2.0, deviation: Some(2.0_f64.sqrt()) }));
        assert_eq!(of(&[Some(1.0)]), Some(Spread { mean: 1.0, deviation: None }));
        assert_eq!((of(&[Some(1.0), None]), of(&[])), (None, None));
    }

    #[test]
    fn rows_are_sorted_by_a_column_with_what_was_not_judged_last() {
        let mut remedies = [remedy("a", &[]), remedy("b", &[0.5, 0.7]), remedy("c", &[0.8])];
        let order = |remedies: &[Remedy]| remedies.iter().map(|remedy| remedy.row.id.clone()).collect::<String>();
        sort(&mut remedies, None);
        assert_eq!(order(&remedies), "abc");
        sort(&mut remedies, Some(Column::Accuracy));
        assert_eq!(order(&remedies), "cba");
        sort(&mut remedies, Some(Column::Auc));
        assert_eq!(order(&remedies), "bca");
        assert_eq!(remedies[0].measure(Column::Melanoma).map(|spread| spread.mean), Some(0.6));
        assert!(remedies[2].recall.is_none() && remedies[2].measure(Column::Accuracy).is_none());
    }
}
