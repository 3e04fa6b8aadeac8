//! One file per page: query, template, handler, `router()`.

mod accounts;
mod api;
mod datasets;
mod fashion;
mod figures;
mod networks;
mod overview;
mod preferences;
mod report;
mod runs;
mod sharing;
mod skin;
mod studies;
mod triplet;
mod words;

use askama::Template;
use axum::{Router, response::Html};
use utoipa::openapi::OpenApi;

use super::AppState;
use crate::error::{AppError, AppResult};

pub fn router(document: OpenApi) -> Router<AppState> {
    Router::new()
        .merge(overview::router())
        .merge(preferences::router())
        .merge(accounts::router())
        .merge(words::router())
        .merge(datasets::router())
        .merge(runs::router())
        .merge(studies::router())
        .merge(fashion::router())
        .merge(triplet::router())
        .merge(skin::router())
        .merge(report::router())
        .merge(sharing::router())
        .merge(figures::router())
        .merge(api::router(document))
}

/// A page as a response.
fn page(template: &impl Template) -> AppResult<Html<String>> {
    template.render().map(Html).map_err(|error| AppError::Internal(error.into()))
}
