//! Runs over HTTP: asked for, followed, changed, taken away.

use std::{collections::BTreeMap, convert::Infallible};

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Listed;
use crate::{
    data::Split,
    error::{AppError, AppResult},
    jobs,
    store::{self, Best, Change, DatasetUse, Numbered, Order, Origin, Query, Run},
    train::{self, Progress, configuration},
    web::{AppState, body::JsonBody, parameters::Parameters},
};

/// Every route on runs.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(systems))
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(cancel))
        .routes(routes!(resume))
        .routes(routes!(repeat))
        .routes(routes!(metrics))
        .routes(routes!(events))
        .routes(routes!(weights))
}

/// A run.
#[derive(Serialize, ToSchema)]
pub struct RunInfo {
    #[schema(example = "mlp-k3f9x2a")]
    id: String,
    #[schema(example = "mlp")]
    system: String,
    name: String,
    state: train::State,
    /// Why it failed, was cancelled or was interrupted.
    reason: Option<String>,
    /// Every key of the system's configuration.
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    seed: u64,
    dataset: Option<DatasetUse>,
    #[schema(value_type = Object, example = json!({"torchboard": "0.1.0", "libtorch": "2.11.0"}))]
    versions: Map<String, Value>,
    #[schema(value_type = Object)]
    hardware: Map<String, Value>,
    /// Threads that it computes with.
    threads: usize,
    /// As asked for: `auto`, `cpu` or `cuda:N`.
    device: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Trainable parameters.
    parameters: Option<u64>,
    progress: Progress,
    /// The best and the last value of each series, by its name, such as `validation_accuracy`.
    best: BTreeMap<String, Best>,
    notes: String,
    tags: Vec<String>,
    /// The study that it is a trial of.
    study: Option<String>,
    /// The trial's number, from 1.
    trial: Option<u64>,
    /// The run that this one repeats.
    repeats: Option<String>,
    /// Hash of the final weights: equal for two runs exactly when their weights are, to the last bit.
    weights: Option<String>,
    origin: Origin,
}

impl From<Run> for RunInfo {
    fn from(run: Run) -> Self {
        let epochs = run.config.get("epochs").and_then(Value::as_u64).unwrap_or_default();
        let (study, trial) = run.trial.map_or((None, None), |(study, trial)| (Some(study), Some(trial)));
        Self {
            id: run.id,
            system: run.system,
            name: run.name,
            state: run.state,
            reason: run.reason,
            config: run.config,
            seed: run.seed,
            dataset: run.dataset,
            versions: run.versions,
            hardware: run.hardware,
            threads: run.threads,
            device: run.device,
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            parameters: run.parameters,
            progress: run.progress.unwrap_or(Progress { epochs, ..Progress::default() }),
            best: run.best,
            notes: run.notes,
            tags: run.tags,
            study,
            trial,
            repeats: run.repeats,
            weights: run.weights,
            origin: run.origin,
        }
    }
}

/// Reads the parameters of a list of runs, which the page of runs shares.
///
/// # Errors
/// [`AppError::Invalid`], naming the parameter.
pub fn query(parameters: &Parameters, limit: usize) -> AppResult<Query> {
    let given = |name: &str| -> AppResult<Option<String>> {
        Ok(parameters.optional(name)?.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let many = |name: &str| -> Vec<&str> {
        let values = parameters.0.iter().filter(|(given, _)| given == name).flat_map(|(_, value)| value.split(','));
        values.map(str::trim).filter(|value| !value.is_empty()).collect()
    };
    let system = given("system")?;
    if let Some(system) = system.as_deref().filter(|system| !SYSTEMS.contains(system)) {
        return Err(AppError::invalid("system", format!("is {system:?}; expected one of {}.", SYSTEMS.join(", "))));
    }
    let state = |name: &str| {
        let expected = || train::State::ALL.map(train::State::name).join(", ");
        train::State::named(name).ok_or_else(|| AppError::invalid("state", format!("is {name:?}; expected one of {}.", expected())))
    };
    let order = match parameters.optional("sort")?.unwrap_or_default() {
        "" | "newest" => Order::Newest,
        "oldest" => Order::Oldest,
        "name" => Order::Name,
        "duration" => Order::Duration,
        series => Order::Best(series.to_owned()),
    };
    Ok(Query {
        system,
        states: many("state").into_iter().map(state).collect::<AppResult<_>>()?,
        tags: many("tag").into_iter().map(str::to_owned).collect(),
        text: given("q")?,
        study: given("study")?,
        without_trials: parameters.optional("trials")? == Some("no"),
        order,
        limit: parameters.number("limit", limit, 1..=1000)?,
        cursor: given("cursor")?,
    })
}

/// What runs can be of.
pub const SYSTEMS: [&str; 5] = ["mlp", "cnn", "triplet", "resnet14", "glove"];

/// Runs, the newest first unless told otherwise.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs",
    params(("system" = Option<String>, Query, description = "`mlp`, `triplet`, `resnet14` or `glove`"),
        ("state" = Option<String>, Query, description = "one state, or several parted by commas"),
        ("tag" = Option<String>, Query, description = "may repeat: runs with all of these tags"),
        ("q" = Option<String>, Query, description = "text in name, id or notes"),
        ("study" = Option<String>, Query, description = "trials of this study"),
        ("trials" = Option<String>, Query, description = "`no` leaves trials of studies out"),
        ("sort" = Option<String>, Query, description = "`newest`, `oldest`, `name`, `duration`, or a series such as `validation_accuracy`, best first"),
        ("limit" = Option<usize>, Query, description = "1 to 1000; 50 unless told otherwise"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = Listed<RunInfo>), (status = 422, description = "A parameter can't be used")))]
async fn list(State(state): State<AppState>, parameters: Parameters) -> AppResult<Json<Listed<RunInfo>>> {
    let query = query(&parameters, 50)?;
    let page = state.compute(move |app| app.store.runs(&query)).await?;
    Ok(Json(Listed { items: page.runs.into_iter().map(RunInfo::from).collect(), next_cursor: page.next }))
}

/// What can be trained.
#[derive(Serialize, ToSchema)]
struct SystemInfo {
    #[schema(example = "mlp")]
    id: &'static str,
    /// The keys of its configuration.
    fields: Vec<FieldInfo>,
}

/// A key of a configuration.
#[derive(Serialize, ToSchema)]
struct FieldInfo {
    #[schema(example = "units")]
    name: &'static str,
    /// What it does.
    about: &'static str,
    /// Which values it takes, in words.
    #[schema(example = "a whole number from 1 to 4096")]
    expected: String,
    #[schema(value_type = Object, example = 512)]
    default: Value,
}

/// What can be trained, and every key of its configuration: what it does, which values it takes, what it is unless it is given.
#[utoipa::path(get, path = "/api/v1/systems", tag = "runs", responses((status = 200, body = Listed<SystemInfo>)))]
async fn systems() -> AppResult<Json<Listed<SystemInfo>>> {
    let field = |field: &configuration::Field| FieldInfo {
        name: field.name,
        about: field.about,
        expected: field.expected(),
        default: field.default.value(),
    };
    let system = |id: &'static str| Ok(SystemInfo { id, fields: configuration::fields(id)?.iter().map(field).collect() });
    let items = configuration::systems().into_iter().map(system).collect::<AppResult<_>>()?;
    Ok(Json(Listed { items, next_cursor: None }))
}

/// What to train.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRunBody {
    #[schema(example = "mlp")]
    system: String,
    /// What to call it; its id unless given.
    #[serde(default)]
    name: String,
    /// What differs from the system's defaults.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"units": 32, "learning_rate": 0.001, "epochs": 2, "dataset": "fashion-mnist-sample"}))]
    config: Map<String, Value>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    notes: String,
}

/// Asks for a training. It begins when those before it in the queue have ended.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs", request_body = NewRunBody,
    responses((status = 202, body = RunInfo, headers(("Location" = String, description = "the run's address"))),
        (status = 422, description = "An unknown key or a value out of range; `field` names it"),
        (status = 503, description = "The data set is not ready; `detail` says what brings it")))]
async fn create(State(state): State<AppState>, JsonBody(body): JsonBody<NewRunBody>) -> AppResult<Response> {
    let NewRunBody { system, name, config, seed, tags, notes } = body;
    let plan = jobs::Plan { id: None, system, name, config, seed, tags, notes, trial: None };
    let run = state.compute(move |app| submit(app, &plan)).await?;
    Ok(accepted(run))
}

/// Puts a training into the queue.
///
/// # Errors
/// As [`jobs::Plan::resolve`].
pub fn submit(app: &AppState, plan: &jobs::Plan) -> AppResult<Run> {
    let new = plan.resolve(&app.settings, &app.datasets, train::State::Queued)?;
    let run = app.store.create_run(&new)?;
    app.queue.wake();
    Ok(run)
}

fn accepted(run: Run) -> Response {
    let location = format!("/api/v1/runs/{}", run.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(RunInfo::from(run))).into_response()
}

/// A run.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = RunInfo), (status = 404, description = "No such run")))]
async fn show(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Json<RunInfo>> {
    Ok(Json(state.compute(move |app| app.store.run(&id)).await?.into()))
}

/// What may be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    name: Option<String>,
    notes: Option<String>,
    tags: Option<Vec<String>>,
}

/// Renames a run, or changes its notes or tags.
#[utoipa::path(patch, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path)), request_body = ChangeBody,
    responses((status = 200, body = RunInfo), (status = 404, description = "No such run"), (status = 422, description = "A text is too long")))]
async fn change(State(state): State<AppState>, Path(id): Path<String>, JsonBody(body): JsonBody<ChangeBody>) -> AppResult<Json<RunInfo>> {
    let change = Change { name: body.name, notes: body.notes, tags: body.tags };
    Ok(Json(state.compute(move |app| app.store.change_run(&id, &change)).await?.into()))
}

/// Deletes a run that has ended, with its weights and all it said.
#[utoipa::path(delete, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path)),
    responses((status = 204), (status = 404, description = "No such run"), (status = 409, description = "It has not ended")))]
async fn delete(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<StatusCode> {
    state.compute(move |app| app.store.delete_run(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cancels a run that waits or trains. Its last checkpoint stays, and it can be resumed.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", params(("id" = String, Path)),
    responses((status = 202, body = RunInfo), (status = 404, description = "No such run"), (status = 409, description = "It has ended")))]
async fn cancel(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Response> {
    Ok(accepted(state.compute(move |app| app.store.request_stop(&id)).await?))
}

/// Goes on with a run that failed, was cancelled or was interrupted, from its last checkpoint.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", params(("id" = String, Path)),
    responses((status = 202, body = RunInfo), (status = 404, description = "No such run"), (status = 409, description = "It is done, or has not ended")))]
async fn resume(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Response> {
    Ok(accepted(state.compute(move |app| take_up(app, &id)).await?))
}

/// Puts a run that ended before its time back into the queue.
///
/// # Errors
/// As [`store::Store::resume_run`].
pub fn take_up(app: &AppState, id: &str) -> AppResult<Run> {
    let run = app.store.resume_run(id, train::State::Queued)?;
    app.queue.wake();
    Ok(run)
}

/// Trains a run that is done once more, with the same seed, data and threads, and says in its log whether the weights came out equal.
#[utoipa::path(post, path = "/api/v1/runs/{id}/repeat", tag = "runs", params(("id" = String, Path)),
    responses((status = 202, body = RunInfo), (status = 404, description = "No such run"), (status = 409, description = "It is not done")))]
async fn repeat(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Response> {
    Ok(accepted(state.compute(move |app| train_again(app, &id)).await?))
}

/// Puts a repeat of a run that is done into the queue.
///
/// # Errors
/// As [`jobs::repeat`].
pub fn train_again(app: &AppState, id: &str) -> AppResult<Run> {
    let new = jobs::repeat(&app.store.run(id)?, &app.settings, &app.datasets, train::State::Queued)?;
    let run = app.store.create_run(&new)?;
    app.queue.wake();
    Ok(run)
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
}

/// The curves of a run, by epoch.
#[utoipa::path(get, path = "/api/v1/runs/{id}/metrics", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = Metrics), (status = 404, description = "No such run")))]
async fn metrics(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Json<Metrics>> {
    let curves = state.compute(move |app| app.store.curves(&id)).await?;
    let curve = |series: store::Series| {
        let (split, name) = series.split_and_name();
        Curve {
            name: name.to_owned(),
            split,
            points: series.points.iter().map(|point| (point.epoch, point.value)).collect(),
            steps: series.points.iter().map(|point| point.step).collect(),
        }
    };
    Ok(Json(Metrics { series: curves.into_iter().map(curve).collect() }))
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
    let after = after(&headers, &parameters)?;
    let changes = state.store.changes()?;
    let run = id.clone();
    let (last, ended) = state.compute(move |app| Ok((app.store.last_event(&run)?, app.store.run(&run)?.state.is_final()))).await?;
    if ended && after >= last {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let follower = Follower { state, run: id, after, waiting: Vec::new(), changes, ended: false };
    Ok(Sse::new(followed(follower)).keep_alive(KeepAlive::default()).into_response())
}

/// The number of the last event that a follower knows.
///
/// # Errors
/// [`AppError::Invalid`] when it is no number.
pub fn after(headers: &HeaderMap, parameters: &Parameters) -> AppResult<u64> {
    match headers.get("last-event-id") {
        Some(number) => {
            let number = number.to_str().ok().and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| AppError::invalid("Last-Event-ID", "expected the number of an event."))
        }
        None => Ok(parameters.number("after", 0, 0..=usize::MAX)? as u64),
    }
}

struct Follower {
    state: AppState,
    run: String,
    /// The last event that was read.
    after: u64,
    /// Read and not yet sent, the next one last.
    waiting: Vec<Numbered>,
    changes: tokio::sync::watch::Receiver<u64>,
    ended: bool,
}

fn followed(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    /// Read at once.
    const MOST: usize = 500;
    stream::unfold(follower, |mut follower| async move {
        loop {
            if let Some(numbered) = follower.waiting.pop() {
                follower.ended = matches!(numbered.event, train::Event::End { .. });
                return Some((Ok(as_sent(&numbered)), follower));
            }
            // Marked before reading: what is stored from here on wakes the wait below.
            follower.changes.mark_unchanged();
            let (run, after) = (follower.run.clone(), follower.after);
            let read = follower.state.compute(move |app| app.store.events_after(&run, after, MOST)).await;
            match read {
                Ok(events) if events.is_empty() && follower.ended => return None,
                Ok(events) if events.is_empty() => follower.changes.changed().await.ok()?,
                Ok(mut events) => {
                    follower.after = events.last().map_or(after, |last| last.number);
                    events.reverse();
                    follower.waiting = events;
                }
                // The run was deleted, or the store can't be read: the browser asks again and learns it.
                Err(_) => return None,
            }
        }
    })
}

fn as_sent(numbered: &Numbered) -> Event {
    let data = serde_json::to_value(numbered).unwrap_or_default();
    let name = data.get("event").and_then(Value::as_str).unwrap_or("log").to_owned();
    Event::default().id(numbered.number.to_string()).event(name).json_data(data).unwrap_or_default()
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
