//! `/words`: the report's results on words, recomputed beside the report's figures.
//!
//! One file per section computes it from a set and the [`query::State`] of the address, and knows neither language nor markup;
//! [`page`] gives it words and links, the templates its shape, [`sheets`] its numbers as files.

mod accuracy;
mod analogies;
mod bias;
mod chart;
mod comparison;
mod distances;
mod files;
mod glance;
mod groups;
mod input;
mod maps;
mod neighbors;
mod odd;
mod page;
mod plots;
mod query;
mod sentence;
mod sheets;
mod voice;

pub use self::{
    chart::Drawing,
    distances::measures,
    files::file,
    glance::Glance,
    page::default_set,
    query::Section,
    sentence::Sentence,
    voice::{Voice, fixed},
};

use askama::Template;
use axum::{
    Router,
    extract::{Path, State as Extract},
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
    routing::get,
};

use self::{
    accuracy::Accuracy,
    analogies::Analogies,
    bias::Bias,
    chart::Chart,
    distances::Distances,
    input::FaultKind,
    neighbors::Neighbors,
    odd::Odd,
    page::Page,
    query::{LISTS, State},
};
use crate::{
    error::{AppError, AppResult},
    web::{AppState, parameters::Parameters, shell::Shell},
};

pub fn router() -> Router<AppState> {
    Router::new().route("/words", get(whole)).route("/words/{section}", get(part))
}

async fn whole(Extract(state): Extract<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    answer(state, shell, parameters, None).await
}

async fn part(Extract(state): Extract<AppState>, Path(id): Path<String>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    let section = Section::named(&id).ok_or_else(|| AppError::not_found(format!("The words page has no section {id:?}.")))?;
    answer(state, shell, parameters, Some(section)).await
}

async fn answer(app: AppState, shell: Shell, parameters: Parameters, only: Option<Section>) -> AppResult<Response> {
    app.compute(move |app| {
        let page = WordsPage::new(app, shell, State::new(parameters.0), only)?;
        let status = page.page.status();
        let html = page.render().map_err(|error| AppError::Internal(error.into()))?;
        Ok((status, Html(html)).into_response())
    })
    .await
}

#[derive(Template)]
#[template(path = "words.html")]
struct WordsPage {
    shell: Shell,
    page: Page,
    neighbors: Option<Neighbors>,
    distances: Option<Distances>,
    analogies: Option<Analogies>,
    odd: Option<Odd>,
    maps: Option<Vec<Chart>>,
    bias: Option<BiasPart>,
    accuracy: Option<AccuracyPart>,
}

/// Section 6 with its drawings.
struct BiasPart {
    found: Bias,
    weat: Option<Drawing>,
    axis: Option<Drawing>,
}

/// Section 7 with its drawing.
pub struct AccuracyPart {
    pub found: Accuracy,
    pub drawing: Option<Drawing>,
}

impl WordsPage {
    /// Computes `only` that section, or all of them.
    fn new(app: &AppState, shell: Shell, state: State, only: Option<Section>) -> AppResult<Self> {
        let mut page = Page::new(&app.library, &shell, state, only)?;
        let set = &app.library.get(page.set.id.as_str())?;
        let wanted = |section| only.is_none_or(|only| only == section);
        let state = page.state.clone();
        let neighbors = wanted(Section::Neighbors).then(|| neighbors::compute(set, &state));
        let distances = wanted(Section::Distances).then(|| distances::compute(set, &state));
        let analogies = wanted(Section::Analogies).then(|| analogies::compute(set, &state));
        let odd = wanted(Section::Odd).then(|| odd::compute(set, &state));
        let maps = wanted(Section::Maps).then(|| maps::compute(set, &state));
        let bias = wanted(Section::Bias).then(|| bias::compute(set, &state)).transpose()?;
        let accuracy = wanted(Section::Accuracy).then(|| accuracy::compute(app, set, &state));
        page.note(neighbors.as_ref().map(|section| &section.faults));
        page.note(distances.as_ref().map(|section| &section.faults));
        page.note(analogies.as_ref().map(|section| &section.faults));
        page.note(odd.as_ref().map(|section| &section.faults));
        page.note(maps.as_ref().map(|section| &section.faults));
        page.note(bias.as_ref().map(|section| &section.faults));
        let maps = maps.map(|maps| maps.maps.iter().map(|drawn| Chart::new(&page, drawn)).collect::<AppResult<_>>()).transpose()?;
        let bias = bias.map(|found| BiasPart::new(&page, found)).transpose()?;
        let accuracy = accuracy.map(|found| AccuracyPart::new(&page, found)).transpose()?;
        Ok(Self { shell, page, neighbors, distances, analogies, odd, maps, bias, accuracy })
    }
}

impl BiasPart {
    fn new(page: &Page, found: Bias) -> AppResult<Self> {
        let weat = Drawing::of(page, Section::Bias, plots::weat(page.voice, &found))?;
        let axis = Drawing::of(page, Section::Bias, plots::occupations(page.voice, &found))?;
        Ok(Self { found, weat, axis })
    }
}

impl AccuracyPart {
    fn new(page: &Page, found: Accuracy) -> AppResult<Self> {
        let drawing = Drawing::of(page, Section::Accuracy, plots::accuracy(page.voice, &found))?;
        Ok(Self { found, drawing })
    }
}

/// A word that is not there is 404, anything else that can't be used 422.
fn status(faults: &[input::Fault]) -> StatusCode {
    let unknown = |fault: &input::Fault| matches!(fault.kind, FaultKind::Unknown { .. });
    match faults {
        [] => StatusCode::OK,
        faults if faults.iter().all(unknown) => StatusCode::NOT_FOUND,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
