//! The figures of a study.

use jiff::Timestamp;
use serde_json::Value;

use super::super::words::{Sentence, Voice, fixed};
use crate::{
    figure::{Axis, Bar, Content, Coordinate, Figure, Headings, Line, Path, Span},
    jobs,
    store::{Study, Trial, TrialState},
    tune::{self, Dimension, Direction, Importance, Parameters as Configuration, Plan, Scale, Surrogate, plain},
};

/// A study, and what its trials say of the whole space.
pub struct Studied<'a> {
    pub study: &'a Study,
    pub plan: &'a Plan,
    pub surrogate: Option<&'a Surrogate<'a>>,
    pub importance: &'a [Importance],
}

/// So many cells along each side of a contour at most.
const MOST_CELLS: u64 = 32;
/// Places along a slice of a dimension that can't be counted, or has more values.
const SLICE: u64 = 48;
/// Decimals of an objective.
const DECIMALS: usize = 4;

impl Studied<'_> {
    /// The figure called `name`; `dimension` names the one of a slice. `None` while there is nothing to draw.
    pub fn figure(&self, voice: Voice, name: &str, dimension: &str) -> Option<Figure> {
        match name {
            "studies-history" => self.history(voice),
            "studies-importance" => self.importance(voice),
            "studies-parallel" => self.parallel(voice),
            "studies-contour" => self.contour(voice),
            "studies-slice" => self.slice(voice, dimension),
            "studies-timeline" => self.timeline(voice),
            _ => None,
        }
    }

    /// Every trial's value, and the best so far.
    fn history(&self, voice: Voice) -> Option<Figure> {
        let valued: Vec<(u64, f64)> = self.done().map(|(trial, value)| (trial.number, value)).collect();
        let mut best: Vec<(f64, f64)> = Vec::new();
        for &(number, value) in &valued {
            let so_far = best.last().map_or(value, |&(_, best)| if self.sign() * value > self.sign() * best { value } else { best });
            best.push((number as f64, so_far));
        }
        let winner = self.best()?;
        let lines = vec![
            Line { name: voice.say("studies-best-so-far"), points: best, steps: true, ..Line::default() },
            Line {
                name: voice.say("studies-trial"),
                points: valued.iter().map(|&(number, value)| (number as f64, value)).collect(),
                dots: true,
                ..Line::default()
            },
        ];
        Some(Figure {
            id: "studies-history".into(),
            title: voice.say("studies-history"),
            reading: voice.sentence(
                &Sentence::new("studies-history-reading").number("number", winner.number as usize).number("count", valued.len()).measure(
                    "value",
                    winner.value.unwrap_or_default(),
                    DECIMALS,
                ),
            ),
            horizontal: Axis { label: voice.say("studies-trial"), ..Axis::default() },
            vertical: self.objective(voice),
            content: Content::Lines { lines, references: Vec::new() },
            headings: Headings { group: voice.say("studies-series"), ..Headings::default() },
        })
    }

    /// How much of the objective's variation each hyperparameter causes.
    fn importance(&self, voice: Voice) -> Option<Figure> {
        let mut sorted: Vec<&Importance> = self.importance.iter().collect();
        sorted.sort_by(|one, other| other.total.total_cmp(&one.total));
        let first = sorted.first()?;
        let bar = |one: &&Importance| Bar { label: one.name.clone(), value: one.total, reference: Some(one.main), ..Bar::default() };
        Some(Figure {
            id: "studies-importance".into(),
            title: voice.say("studies-importance"),
            reading: voice
                .sentence(&Sentence::new("studies-importance-reading").text("name", first.name.clone()).share("share", first.total)),
            horizontal: Axis { label: voice.say("studies-share"), decimals: 2, ..Axis::default() },
            vertical: Axis { label: voice.say("studies-hyperparameter"), ..Axis::default() },
            content: Content::Bars { bars: sorted.iter().map(bar).collect(), range: Some((0.0, 1.0)) },
            headings: Headings { reference: voice.say("studies-alone"), ..Headings::default() },
        })
    }

    /// Every finished trial as a line through its settings to its value.
    fn parallel(&self, voice: Voice) -> Option<Figure> {
        let best = self.best()?;
        let space = &self.plan.space;
        let coordinates = space.iter().map(|(name, dimension)| Coordinate { name: name.to_owned(), ticks: ticks(dimension) }).collect();
        let path = |(trial, value): (&Trial, f64)| {
            let settings = self.plan.parameters(&trial.parameters);
            Some(Path {
                name: self.trial_name(voice, trial),
                places: space.iter().map(|(name, dimension)| height(dimension, settings.get(name)?)).collect::<Option<_>>()?,
                settings: settings.iter().map(|(_, value)| plain(value)).collect(),
                value,
            })
        };
        Some(Figure {
            id: "studies-parallel".into(),
            title: voice.say("studies-parallel"),
            reading: voice
                .sentence(&Sentence::new("studies-parallel-reading").text("settings", self.plan.parameters(&best.parameters).to_string())),
            horizontal: Axis::default(),
            vertical: Axis::default(),
            content: Content::Parallel {
                coordinates,
                paths: self.done().filter_map(path).collect(),
                value: self.objective(voice),
                lesser: self.plan.direction() == Direction::Minimise,
            },
            headings: Headings { item: voice.say("studies-trial"), ..Headings::default() },
        })
    }

    /// The objective over two dimensions as the surrogate expects it, the others as the best trial has them. Tried cells are framed.
    fn contour(&self, voice: Voice) -> Option<Figure> {
        let (surrogate, best) = (self.surrogate?, self.best()?);
        // The two that matter most, in the order of the space.
        let mut ranked: Vec<usize> = (0..self.plan.space.dimensions()).collect();
        ranked.sort_by(|&one, &other| {
            let total = |index: usize| self.importance.get(index).map_or(0.0, |importance| importance.total);
            total(other).total_cmp(&total(one))
        });
        ranked.truncate(2);
        ranked.sort_unstable();
        let [first, second] = ranked[..] else { return None };
        let dimensions: Vec<(&str, &Dimension)> = self.plan.space.iter().collect();
        let ((down, rows), (across, columns)) = (
            (dimensions[first].0, values(dimensions[first].1, MOST_CELLS)),
            (dimensions[second].0, values(dimensions[second].1, MOST_CELLS)),
        );
        let base = self.plan.parameters(&best.parameters);
        // The greatest value on top, as on an upright axis.
        let rows: Vec<Value> = rows.into_iter().rev().collect();
        let cells: Vec<Configuration> =
            rows.iter().flat_map(|row| columns.iter().map(|column| with(&with(&base, down, row), across, column))).collect();
        let expected = surrogate.expect(&cells);
        let values: Vec<Vec<Option<f64>>> =
            expected.chunks(columns.len()).map(|row| row.iter().map(|answer| answer.map(|(mean, _)| mean)).collect()).collect();
        let place = |all: &[Value], value: Option<&Value>| all.iter().position(|known| Some(known) == value);
        let mut marked: Vec<(usize, usize)> = self
            .done()
            .filter_map(|(trial, _)| Some((place(&rows, trial.parameters.get(down))?, place(&columns, trial.parameters.get(across))?)))
            .collect();
        marked.sort_unstable();
        marked.dedup();
        let flat = values
            .iter()
            .enumerate()
            .flat_map(|(row, values)| values.iter().enumerate().filter_map(move |(column, value)| Some((row, column, (*value)?))));
        let (row, column, value) = flat.reduce(|best, next| if self.sign() * next.2 > self.sign() * best.2 { next } else { best })?;
        Some(Figure {
            id: "studies-contour".into(),
            title: voice.sentence(&Sentence::new("studies-contour").text("down", down).text("across", across)),
            reading: voice.sentence(
                &Sentence::new("studies-contour-reading")
                    .text("down", format!("{down}={}", plain(&rows[row])))
                    .text("across", format!("{across}={}", plain(&columns[column])))
                    .measure("value", value, DECIMALS)
                    .number("count", marked.len()),
            ),
            horizontal: Axis { label: across.to_owned(), ..Axis::default() },
            vertical: Axis { label: down.to_owned(), ..Axis::default() },
            content: Content::Matrix {
                rows: rows.iter().map(plain).collect(),
                columns: columns.iter().map(plain).collect(),
                values,
                value: self.objective(voice),
                range: None,
                marked,
            },
            headings: Headings::default(),
        })
    }

    /// The objective along one dimension: every trial, and what the surrogate expects where the others are as the best trial has them.
    fn slice(&self, voice: Voice, name: &str) -> Option<Figure> {
        let (dimension, best) = (self.plan.space.get(name)?, self.best()?);
        let base = self.plan.parameters(&best.parameters);
        let along = values(dimension, SLICE);
        let configurations: Vec<Configuration> = along.iter().map(|value| with(&base, name, value)).collect();
        let expected = self.surrogate.map(|surrogate| surrogate.expect(&configurations)).unwrap_or_default();
        let reading = {
            let answers = along.iter().zip(&expected).filter_map(|(value, answer)| Some((value, (*answer)?.0)));
            let top = answers.reduce(|best, next| if self.sign() * next.1 > self.sign() * best.1 { next } else { best });
            top.map(|(value, mean)| {
                let setting = format!("{name}={}", plain(value));
                voice.sentence(&Sentence::new("studies-slice-reading").text("setting", setting).measure("value", mean, DECIMALS))
            })
        };
        let figure = |horizontal: Axis, vertical: Axis, content: Content| Figure {
            id: format!("studies-slice-{}", name.replace('_', "-")),
            title: voice.sentence(&Sentence::new("studies-slice").text("name", name)),
            reading: reading.unwrap_or_else(|| voice.say("studies-too-few")),
            horizontal,
            vertical,
            content,
            headings: Headings {
                group: voice.say("studies-series"),
                low: voice.say("studies-low"),
                high: voice.say("studies-high"),
                note: voice.say("studies-trials-of"),
                ..Headings::default()
            },
        };
        let Some(scale) = dimension.order() else {
            let count = |value: &Value| self.done().filter(|(trial, _)| trial.parameters.get(name) == Some(value)).count();
            let bars: Vec<Bar> = along
                .iter()
                .zip(&expected)
                .filter_map(|(value, answer)| {
                    Some(Bar { label: plain(value), value: (*answer)?.0, note: Some(count(value).to_string()), ..Bar::default() })
                })
                .collect();
            let named = Axis { label: name.to_owned(), ..Axis::default() };
            return (!bars.is_empty()).then(|| figure(self.objective(voice), named, Content::Bars { bars, range: None }));
        };
        let mut curve = Line { name: voice.say("studies-expected"), ..Line::default() };
        for (value, answer) in along.iter().zip(&expected) {
            if let (Some(at), Some((mean, deviation))) = (value.as_f64(), answer) {
                curve.points.push((at, *mean));
                curve.band.push((mean - deviation, mean + deviation));
            }
        }
        let points = self.done().filter_map(|(trial, value)| Some((trial.parameters.get(name)?.as_f64()?, value))).collect();
        let trials = Line { name: voice.say("studies-trial"), points, dots: true, ..Line::default() };
        let horizontal =
            Axis { label: name.to_owned(), decimals: setting_decimals(&along), logarithmic: scale == Scale::Log, ..Axis::default() };
        let lines = if curve.points.is_empty() { vec![trials] } else { vec![curve, trials] };
        Some(figure(horizontal, self.objective(voice), Content::Lines { lines, references: Vec::new() }))
    }

    /// When each trial ran.
    fn timeline(&self, voice: Voice) -> Option<Figure> {
        let begin = self.study.trials.iter().filter_map(|trial| trial.started_at).min()?;
        let since = |at: Timestamp| (at.as_millisecond() - begin.as_millisecond()) as f64 / 1000.0;
        let end = |trial: &Trial| since(trial.ended_at.unwrap_or_else(Timestamp::now));
        let longest = self.study.trials.iter().map(end).fold(0.0, f64::max);
        let (unit, key) = if longest > 7200.0 {
            (3600.0, "studies-hours")
        } else if longest > 180.0 {
            (60.0, "studies-minutes")
        } else {
            (1.0, "studies-seconds")
        };
        let span = |trial: &Trial| {
            Some(Span {
                label: format!("{} {}", trial.number, self.plan.parameters(&trial.parameters)),
                group: voice.say(&format!("studies-trial-{}", trial.state.name())),
                start: since(trial.started_at?) / unit,
                end: (end(trial) / unit).max(since(trial.started_at?) / unit),
            })
        };
        let spans: Vec<Span> = self.study.trials.iter().filter_map(span).collect();
        let busy: f64 = spans.iter().map(|span| span.end - span.start).sum();
        Some(Figure {
            id: "studies-timeline".into(),
            title: voice.say("studies-timeline"),
            reading: voice.sentence(
                &Sentence::new("studies-timeline-reading")
                    .number("count", spans.len())
                    .text("length", fixed(longest / unit, 1))
                    .key("unit", key)
                    .text("mean", fixed(busy / spans.len().max(1) as f64, 1)),
            ),
            horizontal: Axis { label: voice.say("studies-since"), unit: Some(voice.say(key)), decimals: 1, ..Axis::default() },
            vertical: Axis::default(),
            content: Content::Spans { spans },
            headings: Headings {
                item: voice.say("studies-trial"),
                group: voice.say("studies-state"),
                low: voice.say("studies-start"),
                high: voice.say("studies-end"),
                ..Headings::default()
            },
        })
    }

    fn objective(&self, voice: Voice) -> Axis {
        Axis { label: super::objective_name(voice, &self.plan.objective), decimals: DECIMALS, ..Axis::default() }
    }

    fn done(&self) -> impl Iterator<Item = (&Trial, f64)> {
        let done = self.study.trials.iter().filter(|trial| trial.state == TrialState::Done);
        done.filter_map(|trial| Some((trial, trial.value?)))
    }

    fn best(&self) -> Option<&Trial> {
        jobs::best_trial(self.plan, &self.study.trials)
    }

    fn sign(&self) -> f64 {
        self.plan.direction().sign()
    }

    fn trial_name(&self, voice: Voice, trial: &Trial) -> String {
        voice.sentence(&Sentence::new("studies-trial-number").number("number", trial.number as usize))
    }
}

/// Every value where there are no more than `most`; else so many, evenly spread, the first and the last among them.
fn values(dimension: &Dimension, most: u64) -> Vec<Value> {
    let mut values: Vec<Value> = match dimension.levels() {
        Some(levels) if levels <= most => (0..levels).map(|index| dimension.level(index)).collect(),
        Some(levels) => (0..most).map(|step| dimension.level(step * (levels - 1) / (most - 1))).collect(),
        None => (0..most).map(|step| dimension.value_at(step as f64 / (most - 1) as f64)).collect(),
    };
    if dimension.order().is_some() {
        values.sort_by(|one, other| one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default()));
    }
    values
}

/// Where a value stands on an upright axis; choices without order are spread evenly.
fn height(dimension: &Dimension, value: &Value) -> Option<f64> {
    let place = dimension.place(value)?;
    let last = dimension.levels().map_or(1, |levels| levels.max(2) - 1) as f64;
    Some(if dimension.order().is_some() { place } else { place / last })
}

fn ticks(dimension: &Dimension) -> Vec<(f64, String)> {
    let most = if dimension.order().is_some() { 5 } else { 12 };
    values(dimension, most).iter().filter_map(|value| Some((height(dimension, value)?, plain(value)))).collect()
}

fn with(base: &Configuration, name: &str, value: &Value) -> Configuration {
    base.iter().map(|(known, old)| (known.to_owned(), if known == name { value.clone() } else { old.clone() })).collect()
}

/// As many decimals as the least of the settings needs to be told from 0.
fn setting_decimals(values: &[Value]) -> usize {
    let whole = values.iter().all(|value| value.as_f64().is_some_and(|value| value.fract() == 0.0));
    let least = values.iter().filter_map(Value::as_f64).map(f64::abs).filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    if whole || !least.is_finite() { 0 } else { (1.0 - least.log10().floor()).clamp(1.0, 8.0) as usize }
}

/// What the surrogate learnt from the trials, and how much each hyperparameter matters.
pub fn learn<'a>(plan: &'a Plan, study: &Study) -> (Option<Surrogate<'a>>, Vec<Importance>) {
    let history: Vec<tune::Trial> = jobs::history(plan, &study.trials);
    let surrogate = Surrogate::learn(&plan.space, &history);
    let importance = surrogate.as_ref().map(Surrogate::importance).unwrap_or_default();
    (surrogate, importance)
}
