//! `/runs`: all trainings, and the form that asks for one; `/runs/{id}`: one as it goes; `/compare`: several beside each other.

mod compare;
mod curves;
mod form;
mod import;
mod list;
mod run;
mod show;

pub use self::{
    curves::file,
    show::{length, time},
};

use axum::{Router, routing::get};

use crate::web::AppState;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/runs", get(list::show).post(list::ask))
        .route("/runs/{id}", get(run::show).post(run::act))
        .route("/runs/{id}/file", get(import::file))
        .route("/compare", get(compare::show))
        .merge(import::router())
}
