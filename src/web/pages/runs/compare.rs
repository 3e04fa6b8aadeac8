//! `/compare?run=...&run=...`: curves over each other, settings that differ, best values.

use std::collections::BTreeSet;

use askama::Template;
use axum::{extract::State, response::Html};

use super::{
    super::{page, words::Voice},
    curves::{Curves, MOST_POINTS, MOST_RUNS, View, series_name},
    run::Chart,
    show,
};
use crate::{
    data::Split,
    error::AppResult,
    store::{Run, lower_is_better},
    web::{AppState, parameters::Parameters, shell::Shell},
};

pub async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    state.compute(move |app| page(&ComparePage::new(app, shell, &parameters)?)).await
}

#[derive(Template)]
#[template(path = "runs/compare.html")]
struct ComparePage {
    shell: Shell,
    voice: Voice,
    runs: Vec<Run>,
    synthetic: Vec<bool>,
    view: View,
    charts: Vec<Chart>,
    is_moving: bool,
}

/// A line of a table with a cell for each run.
struct Line {
    name: String,
    cells: Vec<Cell>,
}

struct Cell {
    text: String,
    /// The best of its line.
    is_best: bool,
}

impl ComparePage {
    fn new(app: &AppState, shell: Shell, parameters: &Parameters) -> AppResult<Self> {
        let mut ids: Vec<String> = Vec::new();
        for id in parameters.many("run", MOST_RUNS)? {
            if !ids.iter().any(|other| other == id) {
                ids.push(id.to_owned());
            }
        }
        let voice = Voice(shell.language);
        let curves = Curves::of(app, &ids, MOST_POINTS)?;
        let mut view = View::new(parameters)?;
        if parameters.optional("split")?.is_none() {
            view.splits = vec![Split::Validation]; // two curves of each run would be too many
        }
        let charts = Chart::all(voice, &curves, &view)?;
        let runs: Vec<Run> = curves.into_iter().map(|curves| curves.run).collect();
        let synthetic = runs.iter().map(|run| show::is_synthetic(app, run)).collect();
        let is_moving = runs.iter().any(|run| !run.state.is_final());
        Ok(Self { shell, voice, runs, synthetic, view, charts, is_moving })
    }

    fn state_name(&self, run: &Run) -> String {
        self.voice.say(&format!("runs-state-{}", run.state.name()))
    }

    fn split(&self) -> &'static str {
        self.view.splits.first().map_or("all", |split| split.name())
    }

    /// Settings, those that differ or those that don't.
    fn settings(&self, differing: bool) -> Vec<Line> {
        let mut names: Vec<String> = Vec::new();
        for name in self.runs.iter().flat_map(|run| run.config.keys()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let line = |name: String, text: &dyn Fn(&Run) -> String| {
            let cells: Vec<Cell> = self.runs.iter().map(|run| Cell { text: text(run), is_best: false }).collect();
            Line { name, cells }
        };
        let mut lines: Vec<Line> = names
            .into_iter()
            .map(|name| line(name.clone(), &|run: &Run| run.config.get(&name).map(show::setting).unwrap_or_default()))
            .collect();
        lines.push(line("seed".into(), &|run: &Run| run.seed.to_string()));
        lines.push(line("threads".into(), &|run: &Run| run.threads.to_string()));
        lines.push(line("parameters".into(), &|run: &Run| run.parameters.map(|count| count.to_string()).unwrap_or_default()));
        lines.retain(|line| line.cells.iter().any(|cell| cell.text != line.cells[0].text) == differing);
        lines
    }

    /// The best value of each series.
    fn results(&self) -> Vec<Line> {
        let all: BTreeSet<&String> = self.runs.iter().flat_map(|run| run.best.keys()).collect();
        let shown = all.into_iter().filter(|series| !series.ends_with("learning_rate"));
        shown
            .map(|series| {
                let value = |run: &Run| run.best.get(series).map(|best| best.value);
                let order = |a: &f64, b: &f64| if lower_is_better(series) { a.total_cmp(b) } else { b.total_cmp(a) };
                let best = self.runs.iter().filter_map(value).min_by(order);
                let cell = |run: &Run| Cell {
                    text: value(run).map(show::value).unwrap_or_default(),
                    is_best: self.runs.len() > 1 && value(run).is_some() && value(run) == best,
                };
                Line { name: series_name(self.voice, series), cells: self.runs.iter().map(cell).collect() }
            })
            .collect()
    }

    fn length(&self, run: &Run) -> String {
        show::duration_s(run).map(|seconds| show::length(self.voice, seconds)).unwrap_or_default()
    }

    fn ids(&self) -> String {
        self.runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>().join(",")
    }
}
