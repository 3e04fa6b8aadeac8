//! Runs over HTTP: asked for, followed, changed, taken away.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Listed;
use crate::{
    error::{AppError, AppResult},
    jobs,
    store::{Best, Change, DatasetUse, Order, Origin, Query, Run},
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
    #[schema(example = 512)]
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
/// [`AppError::Invalid`] for a name or notes that no run can have; as [`jobs::Plan::resolve`].
pub fn submit(app: &AppState, plan: &jobs::Plan) -> AppResult<Run> {
    check_name(&plan.name)?;
    if plan.notes.chars().count() > 20_000 {
        return Err(AppError::invalid("notes", "expected at most 20,000 characters."));
    }
    let new = plan.resolve(&app.settings, &app.datasets, train::State::Queued)?;
    let run = app.store.create_run(&new)?;
    app.queue.wake();
    Ok(run)
}

/// Whether a run or a study may be called so: as long as when it is changed, and one line, since names stand in lists and legends.
///
/// # Errors
/// [`AppError::Invalid`] for `name`.
pub fn check_name(name: &str) -> AppResult<()> {
    if name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(AppError::invalid("name", "expected a line of at most 200 characters."));
    }
    Ok(())
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
/// As [`jobs::resume`].
pub fn take_up(app: &AppState, id: &str) -> AppResult<Run> {
    let run = jobs::resume(&app.store, id, train::State::Queued)?;
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
