//! `/`: what this is, the four systems, what is loaded.

use askama::Template;
use axum::{Router, extract::State, response::Html, routing::get};

use super::page;
use crate::{
    error::AppResult,
    web::{AppState, shell::Shell},
    words::{SetInfo, SetState},
};

/// A system as the overview shows it; its texts are `overview-{id}-...` in `locales/`.
struct System {
    id: &'static str,
    /// Its page; `None` while it is yet to come.
    address: Option<&'static str>,
}

const SYSTEMS: [System; 4] = [
    System { id: "words", address: Some("/words") },
    System { id: "triplet", address: None },
    System { id: "skin", address: None },
    System { id: "fashion", address: None },
];

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    shell: Shell,
    systems: &'static [System; 4],
    sets: Vec<SetInfo>,
    importing: Vec<String>,
    failures: Vec<(String, String)>,
}

pub fn router() -> Router<AppState> {
    Router::new().route("/", get(overview))
}

async fn overview(State(state): State<AppState>, shell: Shell) -> AppResult<Html<String>> {
    let library = &state.library;
    let (mut importing, mut failures) = (Vec::new(), Vec::new());
    for (id, state) in library.states() {
        match state {
            SetState::Ready(_) => {}
            SetState::Preparing => importing.push(id),
            SetState::Failed(why) => failures.push((id, why)),
        }
    }
    page(&Overview { shell, systems: &SYSTEMS, sets: library.list(), importing, failures })
}
