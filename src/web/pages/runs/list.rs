//! `/runs`: every run, filtered and sorted by the address.

use askama::Template;
use axum::{
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
};

use super::{
    super::{
        page,
        words::{Sentence, Voice},
    },
    curves::{MOST_RUNS, series_name},
    form::Form,
    show,
};
use crate::{
    error::{AppError, AppResult},
    store::{self, Order, Query, Run},
    train::{self, configuration},
    web::{AppState, api, parameters::Parameters, shell::Shell},
};

/// Runs on one page.
const RUNS: usize = 50;
/// Series that are shown, where a run on the page has them, in this order.
const COLUMNS: [&str; 4] = ["validation_accuracy", "validation_loss", "train_accuracy", "train_loss"];

pub async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    state.compute(move |app| page(&ListPage::new(app, shell, &parameters, Form::empty())?)).await
}

/// Asks for a training. What can't be used is said beside its field, and what was typed stays.
pub async fn ask(State(state): State<AppState>, shell: Shell, parameters: Parameters, body: Bytes) -> AppResult<Response> {
    let ask = move |app: &AppState| {
        let mut form = Form::sent(&body);
        let fault = match form.submit(app) {
            Ok(run) => return Ok(Redirect::to(&format!("/runs/{run}")).into_response()),
            Err(AppError::Invalid { field, reason }) => (StatusCode::UNPROCESSABLE_ENTITY, field, reason),
            Err(AppError::Unavailable(why)) => (StatusCode::SERVICE_UNAVAILABLE, String::new(), why),
            Err(other) => return Err(other),
        };
        form.fault = Some((fault.1, fault.2));
        Ok((fault.0, page(&ListPage::new(app, shell, &parameters, form)?)?).into_response())
    };
    state.compute(ask).await
}

#[derive(Template)]
#[template(path = "runs/list.html")]
struct ListPage {
    shell: Shell,
    voice: Voice,
    parameters: Parameters,
    query: Query,
    rows: Vec<Row>,
    count: u64,
    next: Option<String>,
    columns: Vec<&'static str>,
    tags: Vec<(String, u64)>,
    form: Form,
    /// Whether anything waits or trains, so that the page is worth looking at again.
    is_moving: bool,
}

struct Row {
    run: Run,
    is_synthetic: bool,
}

impl ListPage {
    fn new(app: &AppState, shell: Shell, parameters: &Parameters, form: Form) -> AppResult<Self> {
        let query = api::runs::query(parameters, RUNS)?;
        let store::Page { runs, count, next } = app.store.runs(&query)?;
        let columns = COLUMNS.into_iter().filter(|series| runs.iter().any(|run| run.best.contains_key(*series))).collect();
        let is_moving = shell.active_runs > 0;
        let row = |run: Run| Row { is_synthetic: show::is_synthetic(app, &run), run };
        Ok(Self {
            voice: Voice(shell.language),
            parameters: parameters.clone(),
            rows: runs.into_iter().map(row).collect(),
            tags: app.store.tags()?,
            shell,
            query,
            count,
            next,
            columns,
            form,
            is_moving,
        })
    }

    /// What stands in a field of the filter.
    fn given(&self, name: &str) -> &str {
        self.parameters.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The address of this list with another value of one parameter, from its first page.
    fn with(&self, name: &str, value: &str) -> String {
        let kept =
            self.parameters.0.iter().filter(|(given, text)| given != name && given != "cursor" && given != "lang" && !text.is_empty());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept);
        if !value.is_empty() {
            query.append_pair(name, value);
        }
        format!("/runs?{}", query.finish())
    }

    fn is_sorted_by(&self, name: &str) -> bool {
        match &self.query.order {
            Order::Newest => name == "newest",
            Order::Oldest => name == "oldest",
            Order::Name => name == "name",
            Order::Duration => name == "duration",
            Order::Best(series) => series == name,
        }
    }

    fn series_name(&self, series: &str) -> String {
        series_name(self.voice, series)
    }

    fn best(&self, run: &Run, series: &str) -> String {
        run.best.get(series).map(|best| show::value(best.value)).unwrap_or_default()
    }

    /// What it was told otherwise than usual, but for its data set.
    fn settings(&self, run: &Run) -> String {
        let fields = configuration::fields(&run.system).unwrap_or_default();
        let changed = fields.iter().filter(|field| field.name != "dataset").filter_map(|field| {
            let value = run.config.get(field.name).filter(|value| **value != field.default.value())?;
            Some(format!("{} {}", field.name, show::setting(value)))
        });
        changed.collect::<Vec<_>>().join(" · ")
    }

    fn time(&self, run: &Run) -> String {
        show::time(run.created_at)
    }

    fn length(&self, run: &Run) -> String {
        show::duration_s(run).map(|seconds| show::length(self.voice, seconds)).unwrap_or_default()
    }

    fn state_name(&self, state: &train::State) -> String {
        self.voice.say(&format!("runs-state-{}", state.name()))
    }

    fn states(&self) -> [train::State; 6] {
        train::State::ALL
    }

    fn progress_percent(&self, run: &Run) -> Option<u64> {
        let progress = run.progress.filter(|progress| run.state == train::State::Running && progress.steps > 0)?;
        Some(100 * progress.step / progress.steps)
    }

    fn count_text(&self) -> String {
        self.voice.sentence(&Sentence::new("runs-count").count("count", self.count as usize).number("shown", self.count as usize))
    }

    fn most_compared(&self) -> String {
        self.voice.sentence(&Sentence::new("runs-compare-about").number("most", MOST_RUNS))
    }
}
