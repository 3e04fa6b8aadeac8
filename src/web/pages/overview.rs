//! `/`: what this is, live results of the first system, the networks, what is loaded.

use askama::Template;
use axum::{Router, extract::State, response::Html, routing::get};

use super::{
    fashion,
    networks::Headline,
    page, skin, triplet,
    words::{Glance, Section, Voice},
};
use crate::{
    error::AppResult,
    web::{AppState, shell::Shell},
    words::{SetInfo, SetState},
};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    shell: Shell,
    words: Option<Glance>,
    voice: Voice,
    /// The systems beside words; `overview-{page}-...` and `nav-{page}` in `locales/` are their texts.
    systems: [Headline; 3],
    sets: Vec<SetInfo>,
    importing: Vec<String>,
    failures: Vec<(String, String)>,
}

pub fn router() -> Router<AppState> {
    Router::new().route("/", get(overview))
}

async fn overview(State(state): State<AppState>, shell: Shell) -> AppResult<Html<String>> {
    let overview = move |state: &AppState| {
        let library = &state.library;
        let words = Glance::new(state, &shell)?;
        let (mut importing, mut failures) = (Vec::new(), Vec::new());
        for (id, state) in library.states() {
            match state {
                SetState::Ready(_) => {}
                SetState::Preparing => importing.push(id),
                SetState::Failed(why) => failures.push((id, why)),
            }
        }
        let systems = [triplet::headline(state)?, skin::headline(state)?, fashion::headline(state)?];
        page(&Overview { voice: Voice(shell.language), shell, words, systems, sets: library.list(), importing, failures })
    };
    state.compute(overview).await
}
