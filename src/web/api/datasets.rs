//! Data sets over HTTP.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Listed;
use crate::{
    data::{self, Dataset, Datasets, Split, fetch::Progress},
    error::{AppError, AppResult},
    web::AppState,
};

/// Every route on data sets.
pub fn router() -> OpenApiRouter<AppState> {
    let images = OpenApiRouter::with_openapi(Images::openapi()).route("/api/v1/datasets/{id}/images/{split}/{name}", get(image));
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(fetch)).routes(routes!(events)).merge(images)
}

/// axum's addresses have no parameter with a fixed end, such as `{index}.png`: what is described and what is mounted differ in that.
#[derive(utoipa::OpenApi)]
#[openapi(paths(image))]
struct Images;

/// A data set.
#[derive(Serialize, ToSchema)]
struct DatasetInfo {
    #[schema(example = "fashion-mnist")]
    id: &'static str,
    #[schema(example = "Fashion-MNIST")]
    name: &'static str,
    state: data::State,
    /// Why it is invalid, or why the last fetch of it failed.
    reason: Option<String>,
    /// Images in each split.
    #[schema(value_type = BTreeMap<String, usize>, example = json!({"train": 60_000, "test": 10_000}))]
    splits: BTreeMap<&'static str, usize>,
    /// Names of the classes; label 0 is the first.
    #[schema(value_type = Vec<String>, example = json!(["T-shirt/top", "Trouser"]))]
    classes: &'static [String],
    /// Abbreviations of the classes in the same order; empty where the field has none.
    #[schema(value_type = Vec<String>, example = json!(["akiec", "bcc"]))]
    codes: &'static [&'static str],
    /// Yes-or-no questions that matter more than which class it is, and the labels for which the answer is yes.
    #[schema(value_type = BTreeMap<String, Vec<usize>>, example = json!({"melanoma": [4], "malignant": [0, 1, 4]}))]
    questions: BTreeMap<&'static str, &'static [usize]>,
    /// Whether it is known which images show one lesion.
    grouped: bool,
    /// Height, width and channels of an image.
    #[schema(example = json!([28, 28, 1]))]
    shape: [usize; 3],
    #[schema(example = "MIT (Zalando SE)")]
    licence: &'static str,
    #[schema(example = "Zalando Research, https://github.com/zalandoresearch/fashion-mnist")]
    source: &'static str,
    citation: &'static str,
    /// Bytes of its files: as they are here, or as they would be fetched. 0 for one that is drawn.
    #[schema(example = 30_878_645)]
    bytes: u64,
    /// Whether `POST .../fetch` can bring it.
    fetchable: bool,
    /// Whether it was drawn by this program and says nothing of the world.
    #[schema(example = false)]
    synthetic: bool,
    /// How far its fetch is, while it is fetched.
    progress: Option<Progress>,
}

impl DatasetInfo {
    fn new(datasets: &Datasets, dataset: &'static Dataset) -> Self {
        let status = datasets.status(dataset);
        let here: u64 = status.files.iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum();
        let about = &dataset.about;
        Self {
            id: &about.id,
            name: &about.name,
            state: status.state,
            reason: status.reason,
            splits: dataset.splits.iter().map(|(split, count)| (split.name(), *count)).collect(),
            classes: &dataset.classes,
            codes: dataset.codes,
            questions: dataset.questions.iter().map(|question| (question.id, question.classes)).collect(),
            grouped: datasets.groups(dataset).is_ok(),
            shape: dataset.shape,
            licence: &about.licence,
            source: &about.source,
            citation: &about.citation,
            bytes: if here > 0 { here } else { about.bytes() },
            fetchable: about.can_be_fetched(),
            synthetic: dataset.is_synthetic(),
            progress: status.progress,
        }
    }
}

/// Every data set that is known of: where it stands, its splits, its licence and where it comes from.
#[utoipa::path(get, path = "/api/v1/datasets", tag = "datasets", responses((status = 200, body = Listed<DatasetInfo>)))]
async fn list(State(state): State<AppState>) -> AppResult<Json<Listed<DatasetInfo>>> {
    let items = |state: &AppState| Ok(state.datasets.list().iter().map(|dataset| DatasetInfo::new(&state.datasets, dataset)).collect());
    Ok(Json(Listed { items: state.compute(items).await?, next_cursor: None }))
}

/// Begins to bring a data set from its publisher. What an earlier fetch left is gone on with; one that is under way, or done, is left alone.
#[utoipa::path(post, path = "/api/v1/datasets/{id}/fetch", tag = "datasets", params(("id" = String, Path, example = "mnist")),
    responses((status = 202, body = DatasetInfo), (status = 404, description = "No such data set"), (status = 422, description = "It has no publisher's address")))]
async fn fetch(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<(StatusCode, Json<DatasetInfo>)> {
    let begin = move |state: &AppState| {
        let dataset = state.datasets.get(&id)?;
        state.datasets.start_fetch(dataset)?;
        Ok((StatusCode::ACCEPTED, Json(DatasetInfo::new(&state.datasets, dataset))))
    };
    state.compute(begin).await
}

/// A fetch as it goes (server-sent events): `progress` with `file`, `bytes` and `total`, a few times a second; at its end `state` with `state`
/// and `reason`, and nothing more. Where nothing is fetched, `state` comes at once.
#[utoipa::path(get, path = "/api/v1/datasets/{id}/events", tag = "datasets", params(("id" = String, Path, example = "mnist")),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 404, description = "No such data set")))]
async fn events(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<impl IntoResponse> {
    let dataset = state.datasets.get(&id)?;
    Ok(Sse::new(followed(state, dataset)).keep_alive(KeepAlive::default()))
}

/// What a follower of a fetch still waits for.
enum Next {
    Progress(tokio::sync::watch::Receiver<Progress>),
    State,
    Nothing,
}

fn followed(state: AppState, dataset: &'static Dataset) -> impl Stream<Item = Result<Event, Infallible>> {
    /// Between two events: as often as an eye can use.
    const PAUSE: Duration = Duration::from_millis(200);
    let next = state.datasets.follow(dataset).map_or(Next::State, |mut receiver| {
        receiver.mark_changed(); // how far it is already comes at once
        Next::Progress(receiver)
    });
    stream::unfold((state, next), move |(state, mut next)| async move {
        if let Next::Progress(mut receiver) = next {
            if receiver.changed().await.is_ok() {
                let event = Event::default().event("progress").json_data(&*receiver.borrow_and_update());
                tokio::time::sleep(PAUSE).await;
                return Some((Ok(event.unwrap_or_default()), (state, Next::Progress(receiver))));
            }
            next = Next::State;
        }
        if matches!(next, Next::Nothing) {
            return None;
        }
        let status = state.compute(move |state| Ok(state.datasets.status(dataset))).await;
        let end = status.map(|status| End { state: status.state, reason: status.reason });
        let event = end.map(|end| Event::default().event("state").json_data(end).unwrap_or_default());
        Some((Ok(event.unwrap_or_default()), (state, Next::Nothing)))
    })
}

/// How a fetch ended.
#[derive(Serialize)]
struct End {
    state: data::State,
    reason: Option<String>,
}

/// One image, as it is: 28 pixels wide and high.
#[utoipa::path(get, path = "/api/v1/datasets/{id}/images/{split}/{index}.png", tag = "datasets",
    params(("id" = String, Path, example = "mnist-sample"), ("split" = String, Path, description = "`train`, `validation` or `test`", example = "train"),
        ("index" = usize, Path, description = "from 0, in the data set's order", example = 0)),
    responses((status = 200, body = Vec<u8>, content_type = "image/png"), (status = 404, description = "No such data set, split or image"),
        (status = 503, description = "The data set is not ready; `detail` says what brings it")))]
async fn image(State(state): State<AppState>, Path((id, split, name)): Path<(String, String, String)>) -> AppResult<impl IntoResponse> {
    let absent = || AppError::not_found(format!("There is no image {split}/{name} of {id}."));
    let index: usize = name.strip_suffix(".png").and_then(|index| index.parse().ok()).ok_or_else(absent)?;
    let split = Split::named(&split).ok_or_else(absent)?;
    let draw = move |state: &AppState| {
        let dataset = state.datasets.get(&id)?;
        let examples = state.datasets.examples(dataset, split)?;
        let beyond = || {
            AppError::not_found(format!(
                "There is no image {index} in {}; they run from 0 to {}.",
                split.name(),
                examples.len().saturating_sub(1)
            ))
        };
        examples.png(index).ok_or_else(beyond)
    };
    let png = state.compute(draw).await?;
    // A data set is pinned by checksum, so an image stays what it is.
    Ok(([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "public, max-age=86400")], png))
}
