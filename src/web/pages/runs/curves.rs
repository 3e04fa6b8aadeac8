//! Curves of one or several runs: what the address asks of them, and the figure.

use std::collections::BTreeSet;

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::super::{
    figures,
    words::{Drawing, Sentence, Voice},
};
use crate::{
    data::Split,
    error::{AppError, AppResult},
    figure::{Axis, Content, Figure, Headings, Line},
    store::{Run, Series},
    web::{AppState, parameters::Parameters},
};

/// Names the figure in addresses.
pub const NAME: &str = "runs-curves";
/// More runs in one figure can't be told apart.
pub const MOST_RUNS: usize = 12;
/// Points of a curve that are drawn: two for a pixel or so. Longer curves are thinned, and keep their extremes. `curves.js` asks for as many.
pub const MOST_POINTS: usize = 1000;

/// How curves are to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// 0 shows the points themselves; towards 1 each is drawn more towards those before it.
    pub smoothing: f64,
    /// Steps instead of epochs.
    pub steps: bool,
    /// A logarithmic scale of values, where all are positive.
    pub logarithmic: bool,
    /// Which splits' curves; empty: all.
    pub splits: Vec<Split>,
}

/// A run with its curves.
pub struct Curves {
    /// The run.
    pub run: Run,
    /// All of them, with every point or as many as are drawn.
    pub series: Vec<Series>,
}

impl View {
    /// Reads `smoothing`, `axis`, `scale` and `split`.
    ///
    /// # Errors
    /// [`AppError::Invalid`], naming the parameter.
    pub fn new(parameters: &Parameters) -> AppResult<Self> {
        let smoothing = match parameters.optional("smoothing")?.unwrap_or_default() {
            "" => 0.0,
            text => text
                .parse()
                .ok()
                .filter(|value| (0.0..1.0).contains(value))
                .ok_or_else(|| AppError::invalid("smoothing", format!("is {text:?}; expected a number from 0 to below 1.")))?,
        };
        let one_of = |name: &str, usual: &str, other: &str| match parameters.optional(name)?.unwrap_or_default() {
            given if given.is_empty() || given == usual => Ok(false),
            given if given == other => Ok(true),
            given => Err(AppError::invalid(name, format!("is {given:?}; expected {usual} or {other}."))),
        };
        let splits = match parameters.optional("split")?.unwrap_or_default() {
            "" | "all" => Vec::new(),
            name => {
                let named = Split::named(name);
                vec![named.ok_or_else(|| AppError::invalid("split", format!("is {name:?}; expected train, validation or all.")))?]
            }
        };
        Ok(Self { smoothing, steps: one_of("axis", "epoch", "step")?, logarithmic: one_of("scale", "linear", "log")?, splits })
    }

    /// As a query that [`Self::new`] reads, without defaults; begins with `&` unless it is empty.
    pub fn query(&self) -> String {
        let smoothing = (self.smoothing > 0.0).then(|| format!("&smoothing={}", self.smoothing));
        let axis = self.steps.then(|| "&axis=step".to_owned());
        let scale = self.logarithmic.then(|| "&scale=log".to_owned());
        let split = self.splits.first().map(|split| format!("&split={}", split.name()));
        [smoothing, axis, scale, split].into_iter().flatten().collect()
    }
}

impl Curves {
    /// Reads the runs called `ids`, with at most `most` points of each curve.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn of(app: &AppState, ids: &[String], most: usize) -> AppResult<Vec<Self>> {
        ids.iter().map(|id| Ok(Self { run: app.store.run(id)?, series: app.store.curves_within(id, most)? })).collect()
    }
}

/// The names of what was measured in any of the runs: what is learnt by first, settings last.
pub fn names(curves: &[Curves]) -> Vec<String> {
    let all: BTreeSet<&str> = curves.iter().flat_map(|curves| curves.series.iter().map(|series| series.split_and_name().1)).collect();
    let mut names: Vec<String> = all.into_iter().map(str::to_owned).collect();
    names.sort_by_key(|name| (["loss", "accuracy"].iter().position(|known| known == name).unwrap_or(2), name == "learning_rate"));
    names
}

/// All curves of what is called `name`; `None` when there are none.
pub fn figure(voice: Voice, curves: &[Curves], name: &str, view: &View) -> Option<Figure> {
    let mut lines = Vec::new();
    for Curves { run, series } in curves {
        for series in series.iter().filter(|series| series.split_and_name().1 == name) {
            let (split, _) = series.split_and_name();
            if !view.splits.is_empty() && !view.splits.contains(&split) && has_split(curves, name, &view.splits) {
                continue;
            }
            let split = voice.say(&format!("datasets-split-{}", split.name()));
            let label = if curves.len() == 1 { split } else { format!("{} · {split}", run.name) };
            let at = |point: &crate::store::SeriesPoint| if view.steps { point.step as f64 } else { point.epoch as f64 };
            let values = smoothed(series.points.iter().map(|point| point.value), view.smoothing);
            lines.push(Line { name: label, points: series.points.iter().map(at).zip(values).collect(), ..Line::default() });
        }
    }
    let logarithmic = view.logarithmic && lines.iter().all(|line| line.points.iter().all(|(_, value)| *value > 0.0));
    if lines.iter().all(|line| line.points.is_empty()) {
        return None;
    }
    let measure = measure_name(voice, name);
    Some(Figure {
        id: format!("{NAME}-{}", name.replace('_', "-")),
        title: measure.clone(),
        reading: reading(voice, curves, name),
        horizontal: Axis { label: voice.say(if view.steps { "runs-step" } else { "runs-epoch" }), ..Axis::default() },
        vertical: Axis { label: measure, decimals: decimals(&lines), logarithmic, ..Axis::default() },
        content: Content::Lines { lines, references: Vec::new() },
        headings: Headings { group: voice.say("runs-curve"), ..Headings::default() },
    })
}

/// The figure with its files; `None` when there is nothing to draw.
///
/// # Errors
/// Never for finite numbers.
pub fn drawing(voice: Voice, curves: &[Curves], name: &str, view: &View) -> AppResult<Option<(Figure, Drawing)>> {
    let Some(figure) = figure(voice, curves, name, view) else { return Ok(None) };
    let runs: Vec<String> = curves.iter().map(|curves| format!("run={}", curves.run.id)).collect();
    let query = format!("?metric={name}&{}{}", runs.join("&"), view.query());
    let drawing = Drawing::new(&figure, NAME, &query)?;
    Ok(Some((figure, drawing)))
}

/// The file called `name`, such as `runs-curves.csv?run=...&metric=loss`.
///
/// # Errors
/// When there is no such figure, run or face.
pub fn file(app: &AppState, voice: Voice, name: &str, parameters: &Parameters) -> AppResult<Response> {
    let absent = || AppError::not_found(format!("There is no figure {name:?}."));
    let (kind, extension) = name.rsplit_once('.').ok_or_else(absent)?;
    if kind != NAME {
        return Err(absent());
    }
    let ids: Vec<String> = parameters.many("run", MOST_RUNS)?.into_iter().map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(AppError::invalid("run", "is missing; expected ?run=..., once for each run."));
    }
    let metric = parameters.text("metric", "loss")?;
    let most = if matches!(extension, "svg" | "png") { MOST_POINTS } else { usize::MAX };
    let (curves, view) = (Curves::of(app, &ids, most)?, View::new(parameters)?);
    let figure = figure(voice, &curves, metric, &view);
    let figure = figure.ok_or_else(|| AppError::not_found(format!("None of these runs has measured {metric:?} yet.")))?;
    match extension {
        "svg" | "png" => figures::drawn(&figure, voice, parameters, extension),
        "csv" => Ok(figures::named("text/csv; charset=utf-8", kind, extension, csv(&curves, metric)?)),
        "json" => {
            Ok(Json(json!({ "metric": metric, "columns": COLUMNS, "rows": rows(&curves, metric).collect::<Vec<_>>() })).into_response())
        }
        _ => Err(AppError::not_found(format!("{kind} has no face {extension:?}; there are svg, png, csv and json."))),
    }
}

const COLUMNS: [&str; 5] = ["run", "split", "epoch", "step", "value"];

/// Every point as it was measured, without smoothing.
fn rows<'a>(curves: &'a [Curves], metric: &'a str) -> impl Iterator<Item = (&'a str, &'static str, u64, u64, f64)> {
    curves.iter().flat_map(move |Curves { run, series }| {
        series.iter().filter(move |series| series.split_and_name().1 == metric).flat_map(move |series| {
            let split = series.split_and_name().0.name();
            series.points.iter().map(move |point| (run.id.as_str(), split, point.epoch, point.step, point.value))
        })
    })
}

fn csv(curves: &[Curves], metric: &str) -> AppResult<Vec<u8>> {
    let internal = |error: csv::Error| AppError::Internal(error.into());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(internal)?;
    for row in rows(curves, metric) {
        writer.serialize(row).map_err(internal)?;
    }
    writer.into_inner().map_err(|error| AppError::Internal(error.into_error().into()))
}

/// What was measured, in words where it is well known.
pub fn measure_name(voice: Voice, name: &str) -> String {
    match name {
        "loss" | "accuracy" | "learning_rate" | "active" | "spread" | "knn_accuracy" => {
            voice.say(&format!("runs-measure-{}", name.replace('_', "-")))
        }
        other => other.replace('_', " "),
    }
}

/// `validation_loss` in words.
pub fn series_name(voice: Voice, series: &str) -> String {
    let Some((split, name)) = series.split_once('_').and_then(|(split, name)| Some((Split::named(split)?, name))) else {
        return series.replace('_', " ");
    };
    let split = voice.say(&format!("datasets-split-{}", split.name()));
    voice.sentence(&Sentence::new("runs-series").text("split", split).text("measure", measure_name(voice, name)))
}

fn has_split(curves: &[Curves], name: &str, splits: &[Split]) -> bool {
    curves.iter().flat_map(|curves| &curves.series).any(|series| {
        let (split, measure) = series.split_and_name();
        measure == name && splits.contains(&split)
    })
}

/// The exponential moving average that `TensorBoard` draws: freed of its bias towards the first value (Kingma and Ba 2015, section 3).
fn smoothed(values: impl Iterator<Item = f64>, weight: f64) -> Vec<f64> {
    let (mut average, mut remaining) = (0.0, 1.0);
    values
        .map(|value| {
            average = weight * average + (1.0 - weight) * value;
            remaining *= weight;
            average / (1.0 - remaining)
        })
        .collect()
}

/// So many that the curves' range shows three digits.
fn decimals(lines: &[Line]) -> usize {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let range = (high - low).max(high.abs() / 100.0);
    if range > 0.0 { (3.0 - range.log10().ceil()).clamp(0.0, 8.0) as usize } else { 3 }
}

/// Where the validation curve of one run was best; which run is best of several.
fn reading(voice: Voice, curves: &[Curves], name: &str) -> String {
    if name == "learning_rate" {
        return voice.say("runs-reading-learning-rate"); // a setting has no best value
    }
    let key = |split: Split| format!("{}_{name}", split.name());
    let best =
        |curves: &Curves| [Split::Validation, Split::Train].into_iter().find_map(|split| Some((split, *curves.run.best.get(&key(split))?)));
    let decimals = 4;
    if let [only] = curves {
        let Some((split, best)) = best(only) else { return String::new() };
        let split = voice.say(&format!("datasets-split-{}", split.name()));
        return voice.sentence(
            &Sentence::new("runs-reading-one")
                .text("split", split)
                .measure("best", best.value, decimals)
                .number("epoch", best.epoch as usize)
                .measure("last", best.last, decimals),
        );
    }
    let lower = crate::store::lower_is_better(name);
    let order = |a: &f64, b: &f64| if lower { a.total_cmp(b) } else { b.total_cmp(a) };
    let winner = curves
        .iter()
        .filter_map(|curves| Some((&curves.run, curves.run.best.get(&key(Split::Validation))?)))
        .min_by(|a, b| order(&a.1.value, &b.1.value));
    let Some((run, best)) = winner else { return String::new() };
    voice.sentence(
        &Sentence::new("runs-reading-several")
            .text("run", run.name.clone())
            .measure("best", best.value, decimals)
            .number("epoch", best.epoch as usize),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_is_an_average_without_bias() {
        assert_eq!(smoothed([4.0, 0.0, 2.0].into_iter(), 0.0), [4.0, 0.0, 2.0]);
        // By hand, weight 1/2: 4; (1 + 0) / (3/4) = 4/3; (1/2 + 0 + 1) / (7/8) = 12/7.
        let expected = [4.0, 4.0 / 3.0, 12.0 / 7.0];
        for (value, expected) in smoothed([4.0, 0.0, 2.0].into_iter(), 0.5).into_iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_view_says_what_it_was_read_from_and_no_defaults() {
        for query in ["", "&smoothing=0.6&axis=step&scale=log&split=validation"] {
            assert_eq!(View::new(&Parameters::parse(query.trim_start_matches('&'))).unwrap().query(), query);
        }
        for (query, field) in [("smoothing=1", "smoothing"), ("axis=x", "axis"), ("scale=2", "scale"), ("split=half", "split")] {
            let fault = View::new(&Parameters::parse(query)).err();
            assert!(matches!(&fault, Some(AppError::Invalid { field: named, .. }) if named == field), "{query}: {fault:?}");
        }
    }
}
