//! `/words`: the report's results on words, recomputed beside the report's figures.
//!
//! One file per section computes it from a set and the [`query::State`] of the address, and knows neither language nor markup;
//! [`page`] gives it words and links, the templates its shape, [`sheets`] its numbers as files.

mod analogies;
mod chart;
mod comparison;
mod distances;
mod files;
mod groups;
mod input;
mod maps;
mod neighbors;
mod odd;
mod page;
mod query;
mod sentence;
mod sheets;
mod voice;

use askama::Template;
use axum::{
    Router,
    extract::{Path, State as Extract},
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
    routing::get,
};

use self::{
    analogies::Analogies,
    chart::Chart,
    distances::Distances,
    input::FaultKind,
    neighbors::Neighbors,
    odd::Odd,
    page::Page,
    query::{Section, State},
    voice::Voice,
};
use crate::{
    error::{AppError, AppResult},
    web::{AppState, parameters::Parameters, shell::Shell},
    words::{Library, VectorSet},
};

pub fn router() -> Router<AppState> {
    Router::new().route("/words", get(whole)).route("/words/{section}", get(part)).route("/figures/{name}", get(figure))
}

async fn whole(Extract(state): Extract<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    answer(state, shell, parameters, None).await
}

async fn part(Extract(state): Extract<AppState>, Path(id): Path<String>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    let section = Section::named(&id).ok_or_else(|| AppError::not_found(format!("The words page has no section {id:?}.")))?;
    answer(state, shell, parameters, Some(section)).await
}

/// `words-neighbors.csv`, `words-map.svg` and the like: the numbers and drawings of the page, for its parameters.
async fn figure(Extract(state): Extract<AppState>, Path(name): Path<String>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    state.compute(move |app| files::file(&app.library, Voice(shell.language), &name, parameters)).await
}

async fn answer(app: AppState, shell: Shell, parameters: Parameters, only: Option<Section>) -> AppResult<Response> {
    app.compute(move |app| {
        let page = WordsPage::new(&app.library, shell, State::new(parameters.0), only)?;
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
}

impl WordsPage {
    /// Computes `only` that section, or all of them.
    fn new(library: &Library, shell: Shell, state: State, only: Option<Section>) -> AppResult<Self> {
        let mut page = Page::new(library, &shell, state, only)?;
        let set = library.get(page.set.id.as_str())?;
        let set: &VectorSet = &set;
        let wanted = |section| only.is_none_or(|only| only == section);
        let state = page.state.clone();
        let neighbors = wanted(Section::Neighbors).then(|| neighbors::compute(set, &state));
        let distances = wanted(Section::Distances).then(|| distances::compute(set, &state));
        let analogies = wanted(Section::Analogies).then(|| analogies::compute(set, &state));
        let odd = wanted(Section::Odd).then(|| odd::compute(set, &state));
        let maps = wanted(Section::Maps).then(|| maps::compute(set, &state));
        page.note(neighbors.as_ref().map(|section| &section.faults));
        page.note(distances.as_ref().map(|section| &section.faults));
        page.note(analogies.as_ref().map(|section| &section.faults));
        page.note(odd.as_ref().map(|section| &section.faults));
        page.note(maps.as_ref().map(|section| &section.faults));
        let maps = maps.map(|maps| maps.maps.iter().map(|drawn| Chart::new(&page, drawn)).collect::<AppResult<_>>()).transpose()?;
        Ok(Self { shell, page, neighbors, distances, analogies, odd, maps })
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
