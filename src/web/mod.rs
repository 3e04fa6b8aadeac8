//! The dashboard and the JSON API.
//!
//! A handler returns [`crate::error::AppResult`]; [`faces`] turns an error into problem+json or a page, by where it happened.

mod access;
mod api;
mod assets;
mod body;
mod faces;
mod follow;
mod guard;
mod heat;
mod language;
mod markup;
mod monitor;
mod pages;
mod parameters;
pub mod prefix;
mod press;
mod retold;
mod serving;
mod shell;
mod state;
mod unchanged;
mod uploads;

use std::time::Duration;

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, middleware};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, NotForContentType, Predicate as _},
    },
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};

pub use access::{Caller, Hosts, Reach};
pub use serving::{Certificate, serve};
pub use state::AppState;

/// Larger bodies are refused unless a route says otherwise, in bytes.
const BODY_LIMIT: usize = 1 << 20;
/// A request that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Every route of the server, with what surrounds them all.
pub fn router(state: AppState) -> Router {
    let (api, document) = api::router();
    let around = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(NotForContentType::const_new("font/"))))
        .layer(middleware::from_fn_with_state(state.clone(), prefix::add))
        .layer(middleware::from_fn_with_state(state.clone(), faces::give_faces))
        .layer(middleware::from_fn_with_state(state.clone(), access::identify))
        .layer(middleware::from_fn(guard::refuse_foreign))
        .layer(middleware::from_fn_with_state(state.clone(), access::authorise))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(CatchPanicLayer::new())
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new()
        .merge(pages::router(&state, document))
        .merge(api)
        .merge(assets::router())
        .route_layer(middleware::from_fn(monitor::measure))
        .layer(around)
        .with_state(state)
}

/// What the log says with every line on a request. The query stays out: it is what the reader typed.
fn span(request: &axum::extract::Request) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    // A secret must not find its way into a log.
    let path = request.uri().path();
    let path = ["/join/", "/s/"].into_iter().find(|folder| path.starts_with(folder)).unwrap_or(path);
    tracing::error_span!("request", id, method = %request.method(), path)
}
