//! Health and metrics.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::header, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::web::AppState;

/// That the server answers, and what it runs on.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// Of this program.
    version: &'static str,
    /// Version of libtorch.
    #[schema(example = "2.11.0")]
    libtorch: &'static str,
    /// `cpu` or `cuda:N`.
    #[schema(example = "cpu")]
    device: String,
}

/// Whether the server answers, its versions and its device.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, body = Health)))]
pub async fn health(State(state): State<AppState>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        libtorch: crate::models::libtorch_version(),
        device: state.device.clone(),
    })
}

/// Requests by route and status and their times, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.monitor.render())
}

/// This document: every route, its parameters and answers, as `OpenAPI` 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service", responses((status = 200, body = serde_json::Value)))]
pub async fn openapi(Extension(document): Extension<Arc<utoipa::openapi::OpenApi>>) -> Json<utoipa::openapi::OpenApi> {
    Json((*document).clone())
}
