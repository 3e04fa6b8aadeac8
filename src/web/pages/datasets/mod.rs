//! `/datasets`: where each data set stands, its licence, the balance of its classes, its images by split and class.

mod balance;
mod browser;

use std::borrow::Borrow;

use askama::Template;
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::{get, post},
};

use self::browser::{Browser, View};
use super::{
    figures, page,
    words::{Drawing, Sentence, Voice},
};
use crate::{
    data::{self, Dataset, Split, Status, fetch::Progress},
    error::{AppError, AppResult},
    web::{AppState, parameters::Parameters, shell::Shell},
};

pub fn router() -> Router<AppState> {
    Router::new().route("/datasets", get(show)).route("/datasets/{id}/fetch", post(fetch))
}

async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    state.compute(move |app| page(&DatasetsPage::new(app, shell, &parameters)?)).await
}

/// The button of a page without scripts.
async fn fetch(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Redirect> {
    let begin = move |app: &AppState| {
        let dataset = app.datasets.get(&id)?;
        app.datasets.start_fetch(dataset)?;
        Ok(Redirect::to(&View::of(dataset).address()))
    };
    state.compute(begin).await
}

/// The file called `name`, such as `datasets-balance.csv`, for the parameters of the page.
///
/// # Errors
/// When there is no such figure, or the data set is not here.
pub fn file(app: &AppState, voice: Voice, name: &str, parameters: &Parameters) -> AppResult<Response> {
    let absent = || AppError::not_found(format!("There is no figure {name:?}."));
    let (kind, extension) = name.rsplit_once('.').ok_or_else(absent)?;
    if kind != balance::NAME {
        return Err(absent());
    }
    let dataset = app.datasets.get(parameters.required("set")?)?;
    let counts = balance::counts(app, dataset)?;
    let figure = balance::figure(voice, dataset, &counts);
    match extension {
        "svg" | "png" => figures::drawn(&figure, voice, parameters, extension),
        "csv" => Ok(figures::named("text/csv; charset=utf-8", kind, extension, balance::csv(dataset, &counts)?)),
        "json" => Ok(Json(balance::json(dataset, &counts)).into_response()),
        _ => Err(AppError::not_found(format!("{kind} has no face {extension:?}; there are svg, png, csv and json."))),
    }
}

#[derive(Template)]
#[template(path = "datasets.html")]
struct DatasetsPage {
    shell: Shell,
    voice: Voice,
    rows: Vec<Row>,
    view: View,
    status: Status,
    /// Where the set is ready.
    shown: Option<Shown>,
}

/// A line of the table of data sets.
struct Row {
    dataset: &'static Dataset,
    status: Status,
    /// Of this page with that set.
    address: String,
    is_shown: bool,
}

/// What there is to see of a set that is ready.
struct Shown {
    balance: Drawing,
    reading: String,
    browser: Browser,
}

impl DatasetsPage {
    fn new(app: &AppState, shell: Shell, parameters: &Parameters) -> AppResult<Self> {
        let statuses: Vec<(&'static Dataset, Status)> =
            app.datasets.list().iter().map(|dataset| (dataset, app.datasets.status(dataset))).collect();
        let first = statuses.iter().find(|(_, status)| status.state == data::State::Ready);
        let default = first.map_or_else(|| &app.datasets.list()[0], |(dataset, _)| *dataset);
        let dataset = parameters.optional("set")?.map_or(Ok(default), |id| app.datasets.get(id))?;
        let view = View::new(dataset, parameters)?;
        let status = app.datasets.status(dataset);
        let voice = Voice(shell.language);
        let shown = (status.state == data::State::Ready).then(|| Shown::new(app, voice, &view)).transpose()?;
        let row = |(dataset, status): (&'static Dataset, Status)| Row {
            is_shown: dataset.id() == view.dataset.id(),
            address: View::of(dataset).address(),
            dataset,
            status,
        };
        Ok(Self { shell, voice, rows: statuses.into_iter().map(row).collect(), status, shown, view })
    }

    /// Whether something is being fetched: a page without scripts then looks again by itself.
    fn is_fetching(&self) -> bool {
        self.rows.iter().any(|row| row.status.state == data::State::Fetching)
    }

    /// Megabytes with one decimal.
    fn megabytes(&self, bytes: u64) -> String {
        format!("{:.1}", bytes as f64 / 1e6)
    }

    fn progress_text(&self, progress: &Progress) -> String {
        let (here, total) = (self.megabytes(progress.bytes), self.megabytes(progress.total));
        self.voice.sentence(&Sentence::new("datasets-progress").text("here", here).text("total", total))
    }

    fn state_name(&self, status: &Status) -> String {
        self.voice.say(&format!("datasets-state-{}", status.state.name()))
    }

    fn split_name(&self, split: &Split) -> String {
        self.voice.say(&format!("datasets-split-{}", split.name()))
    }

    fn about(&self, dataset: &Dataset) -> String {
        self.voice.say(&format!("datasets-about-{}", dataset.id()))
    }

    /// Whether the button is worth showing.
    fn can_fetch(&self, dataset: &Dataset, status: &Status) -> bool {
        dataset.about.can_be_fetched() && matches!(status.state, data::State::Absent | data::State::Invalid)
    }

    /// Whether the choice stands at this class; templates give a number or a reference to one.
    fn is_class(&self, class: impl Borrow<usize>) -> bool {
        self.view.class == Some(*class.borrow())
    }

    fn is_split(&self, split: &Split) -> bool {
        self.view.split == *split
    }

    /// Images of a split, or nothing where the set has no such split.
    fn images_of(&self, dataset: &Dataset, split: &Split) -> String {
        let found = dataset.splits.iter().find(|(other, _)| other == split);
        found.map(|(_, count)| count.to_string()).unwrap_or_default()
    }

    fn splits(&self) -> Vec<Split> {
        self.view.dataset.splits.iter().map(|(split, _)| *split).collect()
    }

    /// `1–60 of 6,000 images`.
    fn range_text(&self, browser: &Browser) -> String {
        let sentence = Sentence::new("datasets-range")
            .number("first", browser.first)
            .number("last", browser.first + browser.images.len().saturating_sub(1))
            .number("count", browser.count);
        self.voice.sentence(&sentence)
    }
}

impl Shown {
    fn new(app: &AppState, voice: Voice, view: &View) -> AppResult<Self> {
        let counts = balance::counts(app, view.dataset)?;
        let figure = balance::figure(voice, view.dataset, &counts);
        let balance = Drawing::new(&figure, balance::NAME, &format!("?set={}", view.dataset.id()))?;
        Ok(Self { balance, reading: figure.reading, browser: Browser::new(app, view)? })
    }
}
