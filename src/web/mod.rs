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
mod monitor;
mod pages;
mod parameters;
mod shell;
mod state;
mod uploads;

use std::{net::SocketAddr, time::Duration};

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
        .layer(middleware::from_fn_with_state(state.clone(), faces::give_faces))
        .layer(middleware::from_fn_with_state(state.clone(), access::identify))
        .layer(middleware::from_fn(guard::refuse_foreign))
        .layer(middleware::from_fn_with_state(state.clone(), access::authorise))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(CatchPanicLayer::new())
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new()
        .merge(pages::router(document))
        .merge(api)
        .merge(assets::router())
        .route_layer(middleware::from_fn(monitor::measure))
        .layer(around)
        .with_state(state)
}

/// What the log says with every line on a request. The query stays out: it is what the reader typed.
fn span(request: &axum::extract::Request) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    // An invitation's secret must not find its way into a log.
    let path = if request.uri().path().starts_with("/join/") { "/join/..." } else { request.uri().path() };
    tracing::error_span!("request", id, method = %request.method(), path)
}

/// Answers on `listener` until `stop` completes, then lets requests under way finish, for a few seconds at most.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    state: AppState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    const LAST_REQUESTS: Duration = Duration::from_secs(5);
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        let _ = stopping.send(());
    });
    let deadline = async {
        // Without a signal to stop there is no deadline either.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        finished = server => finished,
        () = deadline => Ok(()),
    }
}
