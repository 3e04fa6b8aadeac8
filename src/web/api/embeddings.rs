//! Where a run's network puts images, and the maps of that.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::classifiers::split_of;
use crate::{
    data::Split,
    error::{AppError, AppResult},
    jobs::{Frame, Map, Method, Retrieved, Stage, Standing, Unfolding, Wanted},
    project,
    web::{AppState, language::Language, parameters::Parameters},
};

/// Every route on embeddings.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(csv))
        .routes(routes!(projection))
        .routes(routes!(unfolding))
        .routes(routes!(retrieval))
        .routes(routes!(neighbors))
        .routes(routes!(votes))
}

/// The embeddings of a split, in the data set's order.
#[utoipa::path(get, path = "/api/v1/runs/{id}/embeddings.csv", tag = "runs",
    params(("id" = String, Path, example = "triplet-report"), ("split" = Option<String>, Query, example = "test"),
        ("stage" = Option<String>, Query, description = "`before` or `after` (the default) the training", example = "after")),
    responses((status = 200, body = String, content_type = "text/csv", description = "`index,label,e0,...`"), (status = 404, description = "No such run, or no such split of its data"),
        (status = 409, description = "The run is not done, or its network makes no embeddings"), (status = 503, description = "The data set is not here; `detail` says what brings it")))]
async fn csv(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<impl IntoResponse> {
    let (split, stage) = (split_of(&parameters)?, stage_of(&parameters)?);
    let disposition = format!("attachment; filename=\"{id}-{}-{}.csv\"", stage.name(), split.name());
    let csv = state.compute(move |state| Ok(state.embedder.embeddings(&id, split, stage)?.to_csv())).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)], csv))
}

/// How well the run's network brings images of one label together. Recall, precision and silhouette are taken among the first 10,000 images of the
/// split. The first call has the network look at every image, and keeps what was found.
#[utoipa::path(get, path = "/api/v1/runs/{id}/retrieval", tag = "runs",
    params(("id" = String, Path, example = "triplet-report"), ("split" = Option<String>, Query, example = "test")),
    responses((status = 200, body = Retrieved), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done, or its network makes no embeddings"),
        (status = 503, description = "The data set is not here; `detail` says what brings it")))]
async fn retrieval(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Json<Retrieved>> {
    let split = split_of(&parameters)?;
    Ok(Json(state.compute(move |state| Ok(Retrieved::from(&*state.embedder.retrieval(&id, split)?))).await?))
}

/// A map.
#[derive(Serialize, ToSchema)]
struct Projection {
    method: Method,
    #[schema(example = 512)]
    n: usize,
    /// Of t-SNE: divergence from the affinities, in nats.
    kl_divergence: Option<f64>,
    points: Vec<Place>,
}

/// An image's place on a map.
#[derive(Serialize, ToSchema)]
struct Place {
    index: usize,
    label: u8,
    x: f32,
    y: f32,
}

impl Projection {
    fn new(method: Method, map: &Map) -> Self {
        let places = map.places.iter().zip(&map.labels).enumerate();
        let points = places.map(|(index, (&[x, y], &label))| Place { index, label, x, y }).collect();
        Self { method, n: map.labels.len(), kl_divergence: map.kl_divergence, points }
    }
}

/// So long a map is waited for.
const PATIENCE: Duration = Duration::from_secs(25);

/// A map of the first `n` images of a split. It is drawn once; one that is not done within 25 s answers 503, goes on, and is there later:
/// `projection/events` tells how far it is. The same parameters always give the same map.
#[utoipa::path(get, path = "/api/v1/runs/{id}/projection", tag = "runs",
    params(("id" = String, Path, example = "triplet-report"), ("split" = Option<String>, Query, description = "`train`, `validation`, `test` (the default), or `all`: training images, then test images", example = "test"),
        ("stage" = Option<String>, Query, example = "after"), ("method" = Option<String>, Query, description = "`tsne` (the default) or `pca`", example = "tsne"),
        ("n" = Option<usize>, Query, minimum = 2, maximum = 100_000, description = "512 unless told otherwise", example = 512), ("seed" = Option<u64>, Query, example = 0),
        ("perplexity" = Option<u32>, Query, minimum = 1, maximum = 500, description = "30 unless told otherwise", example = 30)),
    responses((status = 200, body = Projection), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done, or its network makes no embeddings"),
        (status = 422, description = "A parameter can't be used"), (status = 503, description = "Not done yet; `Retry-After` says when to come again")))]
async fn projection(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Json<Projection>> {
    let wanted = wanted(id, &parameters)?;
    let method = wanted.method;
    let unfolding = state.compute(move |state| state.maps.open(wanted)).await?;
    Ok(Json(Projection::new(method, &*unfolding.wait(PATIENCE).await?)))
}

/// A map while it unfolds (server-sent events): `progress` tells how far it is, `frame` where the points are (`iteration`, and `places`: x and y of
/// each point in turn, f32, little-endian, base64), `labels` of which class they are (u8, base64); `end` closes. One that is done already is told from
/// its beginning all the same.
#[utoipa::path(get, path = "/api/v1/runs/{id}/projection/events", tag = "runs",
    params(("id" = String, Path, example = "triplet-report"), ("split" = Option<String>, Query), ("stage" = Option<String>, Query), ("method" = Option<String>, Query),
        ("n" = Option<usize>, Query), ("seed" = Option<u64>, Query), ("perplexity" = Option<u32>, Query),
        ("lang" = Option<String>, Query, description = "`en` or `fa`: the language in which a failure is told; a browser can't send `Accept-Language` with these events")),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 404, description = "No such run, or no such split of its data"),
        (status = 409, description = "The run is not done, or its network makes no embeddings"), (status = 422, description = "A parameter can't be used")))]
async fn unfolding(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> AppResult<impl IntoResponse> {
    let wanted = wanted(id, &parameters)?;
    let language = match parameters.optional("lang")? {
        Some(tag) => Language::of_tag(tag).ok_or_else(|| AppError::invalid("lang", format!("is {tag:?}; expected en or fa.")))?,
        None => Language::of_headers(&headers),
    };
    let unfolding = state.compute(move |state| state.maps.open(wanted)).await?;
    Ok(Sse::new(told(unfolding, language)).keep_alive(KeepAlive::default()))
}

/// A teller of one map.
struct Teller {
    unfolding: std::sync::Arc<Unfolding>,
    standing: tokio::sync::watch::Receiver<Standing>,
    /// Frames told; `None` before the labels are.
    told: Option<usize>,
    /// To be told next, the next one last.
    waiting: Vec<Event>,
    ended: bool,
    language: Language,
}

fn told(unfolding: std::sync::Arc<Unfolding>, language: Language) -> impl Stream<Item = Result<Event, std::convert::Infallible>> {
    let standing = unfolding.standing();
    stream::unfold(Teller { unfolding, standing, told: None, waiting: Vec::new(), ended: false, language }, |mut teller| async move {
        loop {
            if let Some(event) = teller.waiting.pop() {
                return Some((Ok(event), teller));
            }
            if teller.ended {
                return None;
            }
            teller.look();
            if teller.waiting.is_empty() {
                teller.standing.changed().await.ok()?;
            }
        }
    })
}

impl Teller {
    /// Finds what is new.
    fn look(&mut self) {
        let standing = self.standing.borrow_and_update().clone();
        let mut events = Vec::new();
        if self.told.is_none() {
            events.push(event("labels", serde_json::json!({ "labels": BASE64.encode(&self.unfolding.labels) })));
        }
        let told = self.told.unwrap_or_default();
        let frames = self.unfolding.frames_from(told);
        self.told = Some(told + frames.len());
        events.push(event("progress", serde_json::json!(standing)));
        events.extend(frames.iter().map(|frame| as_event(frame)));
        match self.unfolding.outcome().filter(|_| matches!(standing.phase, "done" | "failed")) {
            Some(Ok(_)) => events.push(event("end", serde_json::json!(standing))),
            Some(Err(error)) => events.push(event("end", failure(&error, self.language))),
            None => {}
        }
        self.ended = matches!(standing.phase, "done" | "failed");
        events.reverse();
        self.waiting = events;
    }
}

fn failure(error: &AppError, language: Language) -> serde_json::Value {
    serde_json::json!({ "phase": "failed", "reason": language.retell_plainly(&error.to_string()) })
}

fn event(kind: &str, data: serde_json::Value) -> Event {
    Event::default().event(kind).json_data(data).unwrap_or_default()
}

fn as_event(frame: &Frame) -> Event {
    let bytes: Vec<u8> = frame.places.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    event("frame", serde_json::json!({ "iteration": frame.iteration, "places": BASE64.encode(bytes) }))
}

/// An image near another one.
#[derive(Serialize, ToSchema)]
pub struct Neighbor {
    /// In the training split.
    #[schema(example = 1234)]
    pub index: usize,
    #[schema(example = 7)]
    pub label: u8,
    /// Euclidean, in the space of embeddings.
    #[schema(example = 0.25)]
    pub distance: f32,
}

/// The images nearest to an image in the space of embeddings.
#[derive(Serialize, ToSchema)]
#[schema(as = NearestImages)] // words have neighbors too
struct Neighbors {
    index: usize,
    label: u8,
    /// The nearest first, the image itself left out.
    neighbors: Vec<Neighbor>,
}

/// The images nearest to an image of a split in the space of embeddings, among the training images.
#[utoipa::path(get, path = "/api/v1/runs/{id}/neighbors", tag = "runs",
    params(("id" = String, Path, example = "triplet-report"), ("index" = usize, Query, example = 0), ("split" = Option<String>, Query, example = "test"),
        ("k" = Option<usize>, Query, description = "1 to 100; 10 unless told otherwise", example = 10)),
    responses((status = 200, body = Neighbors), (status = 404, description = "No such run, split or image"), (status = 409, description = "The run is not done, or its network makes no embeddings"),
        (status = 422, description = "A parameter can't be used")))]
async fn neighbors(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Json<Neighbors>> {
    let split = split_of(&parameters)?;
    let (index, k) = (parameters.number("index", usize::MAX, 0..=usize::MAX)?, parameters.number("k", 10, 1..=100)?);
    if index == usize::MAX {
        return Err(AppError::invalid("index", "is missing; expected the number of an image."));
    }
    state
        .compute(move |state| {
            let own = state.embedder.embeddings(&id, split, Stage::After)?;
            if index >= own.labels.len() {
                return Err(AppError::not_found(format!("There is no image {index}: the split has {}.", own.labels.len())));
            }
            let itself = (split == Split::Train).then_some(index);
            let neighbors = state.embedder.nearest(&id, own.row(index), k, itself)?;
            Ok(Json(Neighbors { index, label: own.labels[index], neighbors: neighbors.into_iter().map(Neighbor::from).collect() }))
        })
        .await
}

/// What nearest neighbours say of the images of a split.
#[derive(Serialize, ToSchema)]
struct Votes {
    #[schema(example = 10000)]
    n: usize,
    /// The label that most of each image's five nearest training images have: u8, base64.
    #[schema(example = "BwIBAAQB")]
    said: String,
}

/// What the five nearest training images say of each image, in the order of the split; computed once.
#[utoipa::path(get, path = "/api/v1/runs/{id}/votes", tag = "runs",
    params(("id" = String, Path, example = "triplet-report"), ("split" = Option<String>, Query, description = "`train`, `validation`, `test` (the default), or `all`: training images, then test images", example = "test")),
    responses((status = 200, body = Votes), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done, or its network makes no embeddings"),
        (status = 503, description = "The data set is not here; `detail` says what brings it")))]
async fn votes(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Json<Votes>> {
    let splits = wanted(id.clone(), &parameters)?.splits();
    let said = state.compute(move |state| {
        let parts =
            splits.into_iter().map(|split| Ok(state.embedder.retrieval(&id, split)?.said.clone())).collect::<AppResult<Vec<_>>>()?;
        Ok(parts.concat())
    });
    let said = said.await?;
    Ok(Json(Votes { n: said.len(), said: BASE64.encode(said) }))
}

impl From<(usize, u8, f32)> for Neighbor {
    fn from((index, label, distance): (usize, u8, f32)) -> Self {
        Self { index, label, distance }
    }
}

/// The map that the parameters ask for.
///
/// # Errors
/// [`AppError::Invalid`], naming the parameter.
pub fn wanted(run: String, parameters: &Parameters) -> AppResult<Wanted> {
    let split = match parameters.text("split", "test")? {
        "all" => None,
        _ => Some(split_of(parameters)?),
    };
    let method = match parameters.text("method", "tsne")? {
        "tsne" => Method::Tsne,
        "pca" => Method::Pca,
        other => return Err(AppError::invalid("method", format!("is {other:?}; expected tsne or pca."))),
    };
    Ok(Wanted {
        run,
        split,
        stage: stage_of(parameters)?,
        method,
        n: parameters.number("n", 512, 2..=project::MAXIMUM_TSNE_POINTS)?,
        seed: parameters.number("seed", 0, 0..=usize::MAX >> 11)? as u64,
        perplexity: parameters.number("perplexity", 30, 1..=500)? as u32,
    })
}

fn stage_of(parameters: &Parameters) -> AppResult<Stage> {
    let name = parameters.text("stage", "after")?;
    Stage::named(name).ok_or_else(|| AppError::invalid("stage", format!("is {name:?}; expected before or after.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_fails_says_why_in_the_reader_s_language() {
        let error = AppError::Conflict("The images can't be mapped: there are no points to project.".into());
        assert_eq!(failure(&error, Language::English)["reason"], error.to_string());
        assert_eq!(failure(&error, Language::Persian)["reason"], "این تصویرها را نمی‌توان نگاشت: نقطه‌ای برای نگاشتن نیست.");
    }
}
