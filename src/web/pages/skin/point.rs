//! Where to say yes to a yes-or-no question: what a miss and a false alarm cost, and what comes of each threshold.

use std::sync::Arc;

use super::{
    super::{
        networks::Plate,
        words::{Sentence, Voice, fixed},
    },
    matrix::Matrix,
    plots,
    view::{Counting, View},
};
use crate::{
    data::{Question, Split},
    error::{AppError, AppResult},
    figure::{Axis, Content, Figure, Headings, Line, Reference},
    jobs::{Judge, Judgement},
    metrics::{self, Adjusted, Confusion, Costs, OperatingPoint, Ranking},
    store::Run,
    web::AppState,
};

/// What a miss costs in each row of the table, when a false alarm costs 1.
const RATIOS: [f64; 6] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
/// Thresholds have nine decimals in addresses: finer than answers differ, and no more digits than a slider keeps.
const STEPS: f64 = 1e9;
const DECIMALS: usize = 9;

/// The part of the page.
pub struct Point {
    /// Which question.
    pub question: &'static Question,
    /// All questions that there are.
    pub questions: &'static [Question],
    /// Whose images it is asked of.
    pub split: Split,
    /// From which probability on the answer is yes.
    pub threshold: f64,
    /// The threshold of the least cost on the images that validate.
    pub chosen: f64,
    /// What comes of it.
    pub at: OperatingPoint,
    /// All classes, decided with the threshold.
    pub matrix: Matrix,
    /// Share of the images that are put into their class so.
    pub accuracy: f64,
    /// Mean recall of the classes so.
    pub balanced: f64,
    /// What comes of the best threshold for each ratio of costs.
    pub prices: Vec<Price>,
    /// Precision over recall, with the point on it.
    pub curve: Plate,
    /// How many images have the answer yes, and how many have no.
    pub counts: [u64; 2],
    /// Decisions that make up for how frequent each class is.
    pub prior: Vec<Prior>,
}

/// Decisions for the greatest ln p − exponent · ln prior.
pub struct Prior {
    /// What the logarithm of the prior is multiplied by; 0: the most probable class.
    pub exponent: f64,
    /// How good they are on the images that are judged.
    pub here: Adjusted,
    /// On the images that validate, which chose it.
    pub validation: Option<Adjusted>,
}

/// A row of the table of costs.
pub struct Price {
    /// What a miss costs, when a false alarm costs 1.
    pub ratio: f64,
    /// The threshold of the least cost on the images that validate.
    pub threshold: f64,
    /// What comes of it.
    pub at: OperatingPoint,
    /// Whether it is what the page shows.
    pub is_shown: bool,
}

/// A question asked of a network.
pub struct Asked {
    question: &'static Question,
    validation: Arc<Judgement>,
    judged: Arc<Judgement>,
    costs: Costs,
    threshold: f64,
    chosen: f64,
}

impl Asked {
    /// What the address asks of the network of `run`.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when there is no such question; as [`crate::jobs::Judge::judge`].
    pub fn new(app: &AppState, run: &Run, view: &View) -> AppResult<Self> {
        let validation = app.judge.judge(&run.id, Split::Validation)?;
        let judged = if view.on == Split::Validation { Arc::clone(&validation) } else { app.judge.judge(&run.id, view.on)? };
        let id = view.given("of").or(judged.dataset.questions.first().map(|question| question.id)).unwrap_or_default();
        let question = Judge::question(judged.dataset, id)?;
        let costs = Costs { miss: view.miss, false_alarm: view.alarm };
        let chosen = chosen(&validation, question, costs);
        Ok(Self { question, validation, judged, costs, threshold: view.threshold.unwrap_or(chosen), chosen })
    }

    fn at(&self, threshold: f64, costs: Costs) -> OperatingPoint {
        let truth = self.judged.predictions.labels().iter().map(|label| self.question.classes.contains(&usize::from(*label)));
        let decided = metrics::threshold_decisions(&self.judged.predictions, self.question.classes, threshold);
        let said = decided.iter().map(|said| self.question.classes.contains(&usize::from(*said)));
        OperatingPoint { threshold: Some(threshold), ..OperatingPoint::of(truth, said, costs) }
    }

    /// Precision over recall of the question on the images that are judged and on those that validate, with the point on it.
    pub fn figure(&self, voice: Voice) -> Figure {
        let curve = |judgement: &Judgement, mean: bool| {
            let ranking = Ranking::of_classes(&judgement.predictions, self.question.classes).precision_recall();
            let kept = metrics::thin(&ranking.x, &ranking.y, 2e-3);
            let split = voice.say(&format!("datasets-split-{}", judgement.split.name()));
            let name = ranking.area.map_or_else(|| split.clone(), |area| format!("{split} {}", fixed(area, 2)));
            Line { name, points: kept.iter().map(|&at| (ranking.x[at], ranking.y[at])).collect(), mean, unmarked: true, ..Line::default() }
        };
        let at = self.at(self.threshold, self.costs);
        let is_same = self.judged.split == Split::Validation;
        let lines = std::iter::once(curve(&self.judged, false)).chain((!is_same).then(|| curve(&self.validation, true))).collect();
        // Without a yes there is no precision, and no place on the curve.
        let reference = Reference { name: voice.say("skin-point-here"), value: at.precision, at: Some(at.recall) };
        let references = if at.hits + at.false_alarms > 0 { vec![reference] } else { Vec::new() };
        let reading = Sentence::new("skin-point-reading")
            .measure("threshold", self.threshold, 3)
            .share("recall", at.recall)
            .share("precision", at.precision)
            .measure("alarms", at.false_alarms_per_hundred, 1);
        let axis = |name: &str| Axis { label: voice.say(name), decimals: 3, ..Axis::default() };
        Figure {
            id: "skin-point".into(),
            title: voice.say(&format!("skin-question-{}", self.question.id)),
            reading: voice.sentence(&reading),
            horizontal: axis("fashion-recall"),
            vertical: axis("fashion-precision"),
            content: Content::Lines { lines, references },
            headings: Headings { group: voice.say("fashion-curve"), ..Headings::default() },
        }
    }
}

/// The threshold of the least cost on the images that validate, cut to what an address holds: never above the answer that it is to let in.
fn chosen(validation: &Judgement, question: &Question, costs: Costs) -> f64 {
    let points = metrics::operating_points(&Ranking::of_classes(&validation.predictions, question.classes), costs);
    // Where saying yes to none costs least, so does a threshold that hardly any reaches.
    metrics::cheapest(&points).and_then(|point| point.threshold).map_or(1.0, |threshold| (threshold * STEPS).floor() / STEPS)
}

impl Point {
    /// What the address asks of the network of `run`.
    ///
    /// # Errors
    /// As [`Asked::new`].
    pub fn new(app: &AppState, voice: Voice, run: &Run, view: &View) -> AppResult<Self> {
        let asked = Asked::new(app, run, view)?;
        let (judged, threshold) = (&asked.judged, asked.threshold);
        let decided = metrics::threshold_decisions(&judged.predictions, asked.question.classes, threshold);
        let confusion = Confusion::of(judged.predictions.labels(), &decided, judged.predictions.classes())
            .map_err(|error| AppError::Internal(error.into()))?;
        let price = |ratio: f64| {
            let costs = Costs { miss: ratio, false_alarm: 1.0 };
            let threshold = chosen(&asked.validation, asked.question, costs);
            let is_shown = is_same(threshold, asked.threshold);
            Price { ratio, threshold, at: asked.at(threshold, costs), is_shown }
        };
        let at = asked.at(threshold, asked.costs);
        let figure = asked.figure(voice);
        let query = view.query(&[("run", &run.id), ("threshold", &written(threshold))]);
        let mut curve = Plate::new(&figure, &query)?;
        curve.id = "point-curve".into();
        Ok(Self {
            question: asked.question,
            questions: judged.dataset.questions,
            split: judged.split,
            threshold,
            chosen: asked.chosen,
            counts: [at.hits + at.misses, at.false_alarms + at.rejections],
            at,
            matrix: Matrix::new(&confusion.rows(), &plots::codes(judged.dataset), Counting::Images),
            accuracy: confusion.accuracy(),
            balanced: confusion.balanced_accuracy(),
            prices: RATIOS.map(price).into(),
            prior: prior(app, run, &asked)?,
            curve,
        })
    }

    /// Whether the threshold is the one of the least cost on the images that validate.
    pub fn is_chosen(&self) -> bool {
        is_same(self.threshold, self.chosen)
    }
}

/// The decisions without and with the exponent of the greatest balanced accuracy on the images that validate; none where the frequencies of the
/// training images are not known.
fn prior(app: &AppState, run: &Run, asked: &Asked) -> AppResult<Vec<Prior>> {
    let Ok(learned) = app.judge.learned(run) else { return Ok(Vec::new()) };
    let swept = |judgement: &Judgement| metrics::sweep(&judgement.predictions, &learned).map_err(|error| AppError::Internal(error.into()));
    let (here, validation) = (swept(&asked.judged)?, swept(&asked.validation)?);
    let chosen = metrics::most_balanced(&validation).map(|best| best.exponent).filter(|exponent| *exponent > 0.0);
    let at = |exponent: f64| {
        let find = |sweep: &[Adjusted]| sweep.iter().find(|one| one.exponent == exponent).copied();
        Some(Prior { exponent, here: find(&here)?, validation: find(&validation) })
    };
    Ok([Some(0.0), chosen].into_iter().flatten().filter_map(at).collect())
}

/// A threshold as an address has it.
pub fn written(threshold: f64) -> String {
    let text = format!("{threshold:.DECIMALS$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.5 / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_written_as_short_as_it_can_be_and_read_as_the_same() {
        for (threshold, text) in [(0.5, "0.5"), (1.0, "1"), (0.0, "0"), (0.031_24, "0.03124"), (0.1, "0.1"), (0.123_456_789, "0.123456789")]
        {
            assert_eq!(written(threshold), text);
            assert!(is_same(text.parse().unwrap(), threshold));
        }
        assert!(!is_same(0.031_24, 0.031_240_001));
    }
}
