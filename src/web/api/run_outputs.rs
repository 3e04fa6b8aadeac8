//! What a run gives: its curves, its events, its weights.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    data::Split,
    error::{AppError, AppResult},
    store::{FEWEST_POINTS, Series},
    web::{
        AppState,
        follow::{Said, follow},
        parameters::Parameters,
    },
};

/// Every route on what runs give.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics)).routes(routes!(events)).routes(routes!(weights))
}

/// The curves of a run.
#[derive(Serialize, ToSchema)]
struct Metrics {
    series: Vec<Curve>,
}

/// One curve.
#[derive(Serialize, ToSchema)]
struct Curve {
    #[schema(example = "loss")]
    name: String,
    split: Split,
    /// Pairs of epoch and value.
    #[schema(example = json!([[1, 0.52], [2, 0.41]]))]
    points: Vec<(u64, f64)>,
    /// The step of each point.
    steps: Vec<u64>,
    /// How many points there are; more than are given where the curve was thinned.
    count: usize,
}

/// Points of a curve that are given unless told otherwise: every one of an ordinary run, and more than a screen shows.
const USUAL_POINTS: usize = 10_000;
/// Enough for every point of any run.
const MOST_POINTS: usize = 1_000_000_000;

/// The curves of a run, by epoch: every point, or of a curve that has more than `points`, so many at most, the first, the last and every
/// extreme among them. `count` says how many there are.
#[utoipa::path(get, path = "/api/v1/runs/{id}/metrics", tag = "runs",
    params(("id" = String, Path),
        ("points" = Option<usize>, Query, description = "at most so many of each curve, 4 to 1000000000; 10000 unless told otherwise")),
    responses((status = 200, body = Metrics), (status = 404, description = "No such run"), (status = 422, description = "`points` can't be used")))]
async fn metrics(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Response> {
    let most = parameters.number("points", USUAL_POINTS, FEWEST_POINTS..=MOST_POINTS)?;
    let curve = |series: Series| {
        let (split, name) = series.split_and_name();
        Curve {
            name: name.to_owned(),
            split,
            points: series.points.iter().map(|point| (point.epoch, point.value)).collect(),
            steps: series.points.iter().map(|point| point.step).collect(),
            count: series.count,
        }
    };
    // It is written out there too: millions of points, where somebody wants them, hold up nobody else.
    let answer = move |app: &AppState| {
        let series = app.store.curves_within(&id, most)?.into_iter().map(curve).collect();
        Ok(Json(Metrics { series }).into_response())
    };
    state.compute(answer).await
}

/// What a run says (server-sent events), from the first event or after the one that `Last-Event-ID` or `after` names: `id` is the event's
/// number, `event` one of `state`, `progress`, `metric`, `log`, `checkpoint`, `end`. The stream ends with the run; asked again after its last
/// event, it answers 204, so that a browser stops asking.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs",
    params(("id" = String, Path), ("after" = Option<u64>, Query, description = "the number of the last event that is known already"),
        ("Last-Event-ID" = Option<u64>, Header, description = "the same, as browsers send it; it wins")),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 204, description = "The run has ended and has nothing more to say"),
        (status = 404, description = "No such run")))]
async fn events(State(state): State<AppState>, Path(id): Path<String>, headers: HeaderMap, parameters: Parameters) -> AppResult<Response> {
    /// Read at once.
    const MOST: usize = 500;
    follow(state, &headers, &parameters, format!("run {id}"), move |app, after| {
        let (events, ended) = app.store.said_after(&id, after, MOST)?;
        Ok(Said::new(&events, ended))
    })
    .await
}

/// The final weights of a run that is done, as safetensors.
#[utoipa::path(get, path = "/api/v1/runs/{id}/weights.safetensors", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, description = "No such run, or no weights yet")))]
async fn weights(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Response> {
    let read = move |app: &AppState| {
        let run = app.store.run(&id)?;
        let absent = || AppError::not_found(format!("The run {} has no weights yet.", run.id));
        let bytes = std::fs::read(app.store.run_folder(&run.id).join("weights.safetensors")).map_err(|_| absent())?;
        Ok((run.id, bytes))
    };
    let (id, bytes) = state.compute(read).await?;
    let disposition = format!("attachment; filename=\"{id}.safetensors\"");
    Ok(([(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response())
}
