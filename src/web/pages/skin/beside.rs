//! Which runs there are, and which of them are one remedy.

use serde_json::{Map, Value};

use super::super::networks::{Measure, Measured, is_of};
use crate::{
    data::Split,
    error::AppResult,
    metrics::Evaluation,
    report,
    store::{Query, Run},
    train::{State, checkpoint::WEIGHTS, configuration},
    web::AppState,
};

/// The system that the page is about.
pub const SYSTEM: &str = "resnet14";
/// The published split, made again from copies of the originals; and the file that is published.
pub const PUBLISHED: [&str; 2] = ["ham10000-28", "dermamnist"];
/// The same images split by lesion.
pub const GROUPED: &str = "ham10000-28-grouped";
/// Drawn by this program, so that everything can be tried without a network.
pub const SAMPLE: &str = "skin-sample";
/// The row that the others are held against.
pub const PLAIN: &str = "plain";
/// The row that joins what helped.
pub const BEST: &str = "best";
/// Before a remedy's name, in a run's tags.
const TAG: &str = "remedy:";

/// The runs of the page.
pub struct Beside {
    /// Every run that is done, the newest first; trials of studies are not among them.
    pub runs: Vec<Run>,
    /// Those of one data set with a split as published, or of the sample where there are none, by what they try: plain first, best last.
    pub rows: Vec<Row>,
    /// Those on the split by lesion, likewise.
    pub grouped: Vec<Row>,
}

/// Runs that differ in their seed alone.
#[derive(Debug, Clone)]
pub struct Row {
    /// Names it in addresses: the remedy's name, or the settings that are not the plain ones.
    pub id: String,
    /// Whether somebody gave it its name; others are called by their settings.
    pub is_named: bool,
    /// One for each seed, by seed.
    pub runs: Vec<Run>,
}

impl Beside {
    /// Looks through the store.
    ///
    /// # Errors
    /// The store's own.
    pub fn new(app: &AppState) -> AppResult<Self> {
        let query = Query { system: Some(SYSTEM.into()), states: vec![State::Done], without_trials: true, limit: 1000, ..Query::default() };
        Ok(Self::of(app.store.runs(&query)?.runs))
    }

    /// Sorts `runs`, the newest first, into rows.
    pub fn of(runs: Vec<Run>) -> Self {
        let on = |dataset: &str| runs.iter().filter(|run| is_of(run, dataset)).collect::<Vec<_>>();
        let compared = PUBLISHED.into_iter().chain([SAMPLE]).map(on).find(|runs| !runs.is_empty()).unwrap_or_default();
        let (rows, grouped) = (rows(&compared), rows(&on(GROUPED)));
        Self { runs, rows, grouped }
    }

    /// The run that is shown where nobody asks for another: the best, the plain one, any.
    pub fn default_run(&self) -> Option<&Run> {
        let of = |id: &str| self.row(id).and_then(|row| row.runs.first());
        of(BEST).or_else(|| of(PLAIN)).or_else(|| self.rows.first()?.runs.first()).or_else(|| self.runs.first())
    }

    /// The run whose network is asked of a picture: `preferred`, or another, if its weights are here.
    pub fn askable<'run>(&'run self, app: &AppState, preferred: Option<&'run Run>) -> Option<&'run Run> {
        let rows = [BEST, PLAIN].into_iter().filter_map(|id| self.row(id)).flat_map(|row| &row.runs);
        preferred.into_iter().chain(rows).chain(&self.runs).find(|run| is_askable(app, run))
    }

    /// The settings of a row that are not those of the plain one.
    pub fn settings(&self, row: &Row) -> String {
        let config = |row: &Row| row.runs.first().map(|run| run.config.clone()).unwrap_or_default();
        let plain = self.row(PLAIN).map(config).unwrap_or_default();
        let plain = configuration::resolve(SYSTEM, &plain).unwrap_or(plain);
        if row.id == PLAIN { String::new() } else { differing(&config(row), &plain) }
    }

    /// The row of this id.
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// The row that `run` is in, on whichever data set.
    pub fn row_of(&self, run: &Run) -> Option<&Row> {
        self.rows.iter().chain(&self.grouped).find(|row| row.runs.iter().any(|other| other.id == run.id))
    }

    /// The run on the split by lesion that tries what `run` tries, of the same seed if there is one.
    pub fn grouped_like(&self, run: &Run) -> Option<&Run> {
        if is_of(run, GROUPED) {
            return None;
        }
        let id = &self.row_of(run)?.id;
        let row = self.grouped.iter().find(|row| row.id == *id)?;
        row.runs.iter().find(|other| other.seed == run.seed).or_else(|| row.runs.first())
    }

    /// Whether a run on real images is there.
    pub fn has_real(&self) -> bool {
        self.runs.iter().any(is_real)
    }
}

/// The report's figures on each split, and those of a run where they are known or soon found.
///
/// # Errors
/// [`crate::error::AppError::NotFound`] for a run that is none of this system.
pub fn measured(app: &AppState, asked: Option<&str>) -> AppResult<Measured> {
    let beside = Beside::new(app)?;
    let plain = beside.row(PLAIN).and_then(|row| row.runs.first()).or_else(|| beside.default_run());
    let run = Measured::choose(&beside.runs, asked, plain)?;
    let theirs = report::skin();
    let mut measures = Vec::new();
    for (split, report) in [(Split::Train, &theirs.train), (Split::Validation, &theirs.validation), (Split::Test, &theirs.test)] {
        // To judge thousands of training images takes longer than a page may; those of runs that are shipped are kept.
        let ours = match &run {
            Some(run) if split != Split::Train || app.judge.has_kept(run, split) => app.judge.judge(&run.id, split).ok(),
            _ => None,
        };
        let ours = |value: fn(&Evaluation) -> f64| ours.as_ref().map(|judgement| value(&judgement.evaluation));
        let of = Some(format!("datasets-split-{}", split.name()));
        measures.extend([
            Measure { key: "report-measure-accuracy", of: of.clone(), report: (report.accuracy, 2), ours: ours(|all| all.accuracy) },
            Measure {
                key: "report-measure-macro-f1",
                of: of.clone(),
                report: (report.macro_scores.f1, 2),
                ours: ours(|all| all.macro_scores.f1),
            },
            Measure { key: "report-measure-weighted-f1", of, report: (report.weighted.f1, 2), ours: ours(|all| all.weighted.f1) },
        ]);
    }
    Ok(Measured { run, choices: beside.runs, measures })
}

/// Whether it was trained on photographs.
pub fn is_real(run: &Run) -> bool {
    !is_of(run, SAMPLE)
}

/// Whether the network can be asked: of some runs that come with the program the predictions are kept, and no weights.
pub fn is_askable(app: &AppState, run: &Run) -> bool {
    app.store.run_folder(&run.id).join(WEIGHTS).is_file()
}

/// The rows of `runs`, the newest first, all of one data set.
fn rows(runs: &[&Run]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // The oldest first, so that rows stand in the order in which they were tried; the newest configuration of a name wins.
    for run in runs.iter().rev() {
        let (id, is_named) = name_of(run);
        let Some(row) = rows.iter_mut().find(|row| row.id == id) else {
            rows.push(Row { id, is_named, runs: vec![(*run).clone()] });
            continue;
        };
        row.runs.retain(|other| other.seed != run.seed && configuration::same(SYSTEM, &other.config, &run.config));
        row.runs.push((*run).clone());
    }
    rows.iter_mut().for_each(|row| row.runs.sort_by_key(|run| run.seed));
    rows.sort_by_key(|row| match row.id.as_str() {
        PLAIN => 0,
        BEST => 2,
        _ => 1,
    });
    rows
}

/// What a run tries: what its tag says; of those that come with the program, what their ids say; else its settings.
fn name_of(run: &Run) -> (String, bool) {
    let tagged = run.tags.iter().find_map(|tag| tag.strip_prefix(TAG));
    let shipped = || {
        let (name, seed) = run.id.strip_prefix("skin-")?.rsplit_once('-')?;
        seed.parse::<u64>().is_ok().then_some(name)
    };
    let best = run.tags.iter().any(|tag| tag == BEST).then_some(BEST);
    if let Some(name) = tagged.or_else(shipped).or(best).filter(|name| !name.is_empty()) {
        return (name.to_owned(), true);
    }
    let plain = configuration::resolve(SYSTEM, &Map::new()).unwrap_or_default();
    let settings = differing(&run.config, &plain);
    if settings.is_empty() { (PLAIN.to_owned(), true) } else { (settings, false) }
}

/// The settings of `config` that are not as in `usual`, as they are given on the command line; what it learns from is not among them.
fn differing(config: &Map<String, Value>, usual: &Map<String, Value>) -> String {
    let config = configuration::resolve(SYSTEM, config).unwrap_or_else(|_| config.clone());
    let differs = |(name, value): &(&String, &Value)| *name != "dataset" && usual.get(*name) != Some(value);
    config.iter().filter(differs).map(|(name, value)| format!("{name}={value}").replace('"', "")).collect::<Vec<_>>().join(" ")
}
