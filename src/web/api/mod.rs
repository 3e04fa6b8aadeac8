//! The JSON API under `/api/v1`, and the service's own addresses. Every route is in the `OpenAPI` document.

mod attention;
mod bias;
mod classifiers;
mod datasets;
pub mod embeddings;
mod evaluation;
mod examples;
mod predict;
mod projection;
mod run_outputs;
pub mod runs;
mod service;
pub mod studies;
mod words;

use std::sync::Arc;

use axum::{Extension, Router};
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

/// What the document says of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Torchboard",
        description = "JSON, snake_case. Errors are problem details (RFC 9457) with `type`, `title`, `status`, `detail` and, for bad input, `field`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "service", description = "The server itself"),
        (name = "words", description = "Word vectors. `{set}` is an id from the list; `default` is always one."),
        (name = "datasets", description = "Labelled images: where they are, fetching them, looking at them."),
        (name = "runs", description = "Trainings: asking for them, following them, comparing them."),
        (name = "studies", description = "Searches for good settings; each trial is a run.")
    )
)]
struct Document;

/// A list and where its next page begins.
#[derive(Serialize, ToSchema)]
struct Listed<T> {
    items: Vec<T>,
    /// `null` at the end.
    next_cursor: Option<String>,
}

/// The routes, and the document that describes them.
pub fn router() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(service::health))
        .routes(routes!(service::metrics))
        .routes(routes!(service::openapi))
        .merge(words::router())
        .routes(routes!(projection::projection))
        .routes(routes!(evaluation::evaluation))
        .routes(routes!(bias::association))
        .routes(routes!(bias::axis))
        .merge(datasets::router())
        .merge(runs::router())
        .merge(run_outputs::router())
        .merge(studies::router())
        .merge(classifiers::router())
        .merge(predict::router())
        .merge(examples::router())
        .merge(attention::router())
        .merge(embeddings::router())
        .split_for_parts();
    (router.layer(Extension(Arc::new(document.clone()))), document)
}
