//! `/`: what this is, the four systems, what is loaded.

use askama::Template;
use axum::{Router, extract::State, response::Html, routing::get};

use super::page;
use crate::{
    error::AppResult,
    web::{AppState, shell::Shell},
    words::{SetInfo, SetState},
};

/// The four systems; `overview-{id}-...` in `locales/` are their texts, `nav-{id}` of the navigation says whether they are there.
const SYSTEMS: [&str; 4] = ["words", "triplet", "skin", "fashion"];

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    shell: Shell,
    systems: [(&'static str, Option<&'static str>); 4],
    sets: Vec<SetInfo>,
    importing: Vec<String>,
    failures: Vec<(String, String)>,
}

pub fn router() -> Router<AppState> {
    Router::new().route("/", get(overview))
}

async fn overview(State(state): State<AppState>, shell: Shell) -> AppResult<Html<String>> {
    let library = &state.library;
    let systems = SYSTEMS.map(|id| (id, shell.address_of(id)));
    let (mut importing, mut failures) = (Vec::new(), Vec::new());
    for (id, state) in library.states() {
        match state {
            SetState::Ready(_) => {}
            SetState::Preparing => importing.push(id),
            SetState::Failed(why) => failures.push((id, why)),
        }
    }
    page(&Overview { shell, systems, sets: library.list(), importing, failures })
}
