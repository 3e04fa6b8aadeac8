//! The three splits: ours beside the report's.

use std::sync::Arc;

use super::{
    super::{
        networks::Plate,
        words::{Voice, fixed},
    },
    matrix::Matrix,
    plots,
    view::View,
};
use crate::{
    data::{Dataset, Split},
    error::{AppError, AppResult},
    figure::{Cell, Table},
    jobs::Judgement,
    metrics::Interval,
    report::{ReportedScores, ReportedSplit, SkinReport},
    store::Run,
    web::AppState,
};

/// One split of the data set that a run learned from.
pub struct Part {
    /// Which.
    pub split: Split,
    /// What the network of the run does there.
    pub state: State,
    /// Rows of the classification report, the classes first.
    pub rows: Vec<ReportRow>,
}

/// Whether a split was judged.
pub enum State {
    /// It was.
    Judged(Box<Judged>),
    /// It would take seconds, and nobody asked for it.
    Waiting,
    /// Why it can't be.
    Fault(String),
}

/// How good a network is on a split.
pub struct Judged {
    /// All of it.
    pub judgement: Arc<Judgement>,
    /// What was taken for what.
    pub matrix: Matrix,
    /// Its files, and how to read it.
    pub confusion: Plate,
    /// Over all thresholds.
    pub curves: Plate,
    /// Whether it is as often right as it says.
    pub reliability: Plate,
}

/// One row of a classification report.
pub struct ReportRow {
    /// As scikit-learn has it: a class, `accuracy`, `macro avg` or `weighted avg`.
    pub name: String,
    /// What the class is, in full.
    pub about: String,
    /// Ours and the report's: precision, recall, F1. None: the column does not belong to the row.
    pub values: [Option<Pair>; 3],
    /// Examples: ours, or the report's where there are none of ours.
    pub support: u64,
}

/// A figure of ours, where there is one, and the report's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Three decimals.
    pub ours: Option<String>,
    /// Two decimals, as the report has them; none beside drawn images.
    pub report: Option<String>,
}

impl Part {
    /// The three splits as the network of `run` sees them; without a run the report's alone.
    ///
    /// # Errors
    /// What no sentence on the page can say.
    pub fn all(app: &AppState, voice: Voice, run: Option<&Run>, report: &'static SkinReport, view: &View) -> AppResult<Vec<Self>> {
        let of = |(split, theirs)| -> AppResult<Self> {
            let state = match run {
                Some(run) => State::new(app, voice, run, split, view)?,
                None => State::Waiting,
            };
            // What was drawn by the program has nothing to do with the report.
            let theirs = state.judgement().is_none_or(|judgement| !judgement.dataset.is_synthetic()).then_some(theirs);
            Ok(Self { rows: rows(state.judgement(), theirs), split, state })
        };
        [(Split::Train, &report.train), (Split::Validation, &report.validation), (Split::Test, &report.test)].into_iter().map(of).collect()
    }

    /// What was judged of it.
    pub fn judged(&self) -> Option<&Judged> {
        if let State::Judged(judged) = &self.state { Some(judged) } else { None }
    }
}

impl State {
    fn new(app: &AppState, voice: Voice, run: &Run, split: Split, view: &View) -> AppResult<Self> {
        let is_small = run.dataset.as_ref().and_then(|used| app.datasets.get(&used.id).ok()).is_some_and(Dataset::is_synthetic);
        let asked = view.given("judge") == Some("train");
        if split == Split::Train && !is_small && !asked && !app.judge.has_kept(run, split) {
            return Ok(Self::Waiting);
        }
        match app.judge.judge(&run.id, split) {
            Ok(judgement) => Ok(Self::Judged(Box::new(Judged::new(voice, judgement, view)?))),
            Err(AppError::Unavailable(why) | AppError::Conflict(why)) => Ok(Self::Fault(why)),
            Err(other) => Err(other),
        }
    }

    fn judgement(&self) -> Option<&Judgement> {
        if let Self::Judged(judged) = self { Some(&judged.judgement) } else { None }
    }
}

impl Judged {
    fn new(voice: Voice, judgement: Arc<Judgement>, view: &View) -> AppResult<Self> {
        let (run, split) = (judgement.run.id.as_str(), judgement.split);
        let query = format!("?run={run}&split={}", split.name());
        let mut curves = Plate::new(&plots::curves(voice, &judgement, view.curves), &query)?;
        curves.drawing.table = areas(voice, &judgement, view); // the files have the points, which are thousands
        let mut plates = [
            Plate::new(&plots::confusion(voice, &judgement, view.counting), &format!("{query}&matrix={}", view.counting.name()))?,
            Plate::new(&plots::reliability(voice, &judgement), &query)?,
        ];
        for plate in plates.iter_mut().chain([&mut curves]) {
            plate.id = format!("{}-{}", plate.id, split.name()); // three of a kind stand on the page
        }
        let [confusion, reliability] = plates;
        let codes = plots::codes(judgement.dataset);
        Ok(Self { matrix: Matrix::new(&judgement.evaluation.confusion, &codes, view.counting), confusion, curves, reliability, judgement })
    }
}

/// The area under each class's curve.
fn areas(voice: Voice, judgement: &Judgement, view: &View) -> Table {
    let is_roc = view.curves == super::view::Curves::Roc;
    let evaluation = &judgement.evaluation;
    let per_class = plots::codes(judgement.dataset).into_iter().enumerate().map(|(label, code)| {
        let area = if is_roc { evaluation.auc.per_class[label] } else { Some(evaluation.average_precision.per_class[label]) };
        (code, area)
    });
    let mean = if is_roc { evaluation.auc.macro_mean } else { Some(evaluation.average_precision.macro_mean) };
    let rows = per_class.chain([(voice.say("skin-macro"), mean)]).map(|(name, area)| {
        vec![Cell { text: name, number: false }, Cell { text: area.map(|area| fixed(area, 3)).unwrap_or_default(), number: true }]
    });
    let heading = voice.say(if is_roc { "skin-area" } else { "fashion-average-precision" });
    Table { rows: rows.collect(), header: vec![voice.say("fashion-class"), heading] }
}

fn rows(ours: Option<&Judgement>, report: Option<&'static ReportedSplit>) -> Vec<ReportRow> {
    let written = |value: Option<f64>, decimals: usize| value.map(|value| fixed(value, decimals));
    let pair = |ours: Option<f64>, report: Option<f64>| Some(Pair { ours: written(ours, 3), report: written(report, 2) });
    let ours = ours.map(|judgement| &judgement.evaluation);
    let codes: Vec<&str> = crate::report::skin().test.per_class.iter().map(|class| class.name.as_str()).collect();
    let class = |(label, code): (usize, &&str)| {
        let (own, theirs) = (ours.and_then(|ours| ours.per_class.get(label)), report.map(|report| &report.per_class[label]));
        ReportRow {
            name: (*code).to_owned(),
            about: own.map(|own| own.name.clone()).unwrap_or_default(),
            values: [
                pair(own.map(|own| own.precision), theirs.map(|theirs| theirs.precision)),
                pair(own.map(|own| own.recall), theirs.map(|theirs| theirs.recall)),
                pair(own.map(|own| own.f1), theirs.map(|theirs| theirs.f1)),
            ],
            support: own.map(|own| own.support).or(theirs.map(|theirs| theirs.support)).unwrap_or_default(),
        }
    };
    let support = ours.map(|ours| ours.n as u64).or(report.map(ReportedSplit::images)).unwrap_or_default();
    let foot = |name: &str, values: [Option<Pair>; 3]| ReportRow { name: name.to_owned(), about: String::new(), values, support };
    let means = |own: Option<crate::metrics::Scores>, theirs: Option<ReportedScores>| {
        [
            pair(own.map(|own| own.precision), theirs.map(|theirs| theirs.precision)),
            pair(own.map(|own| own.recall), theirs.map(|theirs| theirs.recall)),
            pair(own.map(|own| own.f1), theirs.map(|theirs| theirs.f1)),
        ]
    };
    let accuracy = pair(ours.map(|ours| ours.accuracy), report.map(|report| report.accuracy));
    let feet = [
        foot("accuracy", [None, None, accuracy]),
        foot("macro avg", means(ours.map(|ours| ours.macro_scores), report.map(|report| report.macro_scores))),
        foot("weighted avg", means(ours.map(|ours| ours.weighted), report.map(|report| report.weighted))),
    ];
    codes.iter().enumerate().map(class).chain(feet).collect()
}

/// A range, as it stands in a table.
pub fn range(interval: Option<Interval>) -> String {
    interval.map(|interval| format!("{} – {}", fixed(interval.low, 3), fixed(interval.high, 3))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_run_the_report_stands_alone() {
        let rows = rows(None, Some(&crate::report::skin().test));
        assert_eq!(rows.len(), 10);
        let melanoma = &rows[4];
        assert_eq!((melanoma.name.as_str(), melanoma.support), ("mel", 223));
        assert_eq!(melanoma.values[1], Some(Pair { ours: None, report: Some("0.72".into()) }));
        assert_eq!((rows[7].values[0].clone(), rows[7].support), (None, 2005), "accuracy has no precision");
    }
}
