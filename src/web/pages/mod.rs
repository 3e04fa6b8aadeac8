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
use axum::{Router, middleware, response::Html};
use utoipa::openapi::OpenApi;

use super::{AppState, unchanged};
use crate::error::{AppError, AppResult};

pub fn router(state: &AppState, document: OpenApi) -> Router<AppState> {
    // What these show follows from runs that have ended, from word vectors and data sets, and takes long to make.
    let on_systems = Router::new()
        .merge(overview::router())
        .merge(words::router())
        .merge(fashion::router())
        .merge(triplet::router())
        .merge(skin::router())
        .merge(report::router())
        .route_layer(middleware::from_fn_with_state(state.clone(), unchanged::keep));
    Router::new()
        .merge(on_systems)
        .merge(preferences::router())
        .merge(accounts::router())
        .merge(datasets::router())
        .merge(runs::router())
        .merge(studies::router())
        .merge(sharing::router())
        .merge(figures::router())
        .merge(api::router(document))
}

/// A page as a response.
fn page(template: &impl Template) -> AppResult<Html<String>> {
    template.render().map(Html).map_err(|error| AppError::Internal(error.into()))
}
