//! Studies over HTTP: asked for, followed, cancelled, resumed.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Listed, runs::check_name};
use crate::{
    error::AppResult,
    jobs,
    store::{Study, Trial, TrialState},
    train,
    tune::{self, MedianPruning, Parameters as Configuration, Plan, Sampler, Space},
    web::{
        AppState,
        body::JsonBody,
        follow::{Said, follow},
        parameters::Parameters,
    },
};

/// Every route on studies.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(resume))
        .routes(routes!(events))
}

/// A study.
#[derive(Serialize, ToSchema)]
struct StudyInfo {
    #[schema(example = "study-k3f9x2a")]
    id: String,
    name: String,
    #[schema(example = "mlp")]
    system: String,
    state: train::State,
    /// Why it failed or was cancelled; that the space was used up.
    reason: Option<String>,
    /// What is searched, in the form in which it is asked for.
    #[schema(value_type = Object, example = json!({"units": {"type": "integer", "min": 16, "max": 512, "step": 16}, "learning_rate": {"type": "choice", "values": [0.0001, 0.001, 0.01]}}))]
    space: Space,
    /// `bayesian`, `random` or `grid`.
    #[schema(value_type = String)]
    sampler: Sampler,
    objective: String,
    max_trials: u64,
    parallel: u64,
    /// Whether trials are given up that do worse than the median of the others.
    pruning: bool,
    seed: u64,
    /// Settings that all trials share.
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// The trial with the best value.
    best: Option<TrialInfo>,
    trials: Vec<TrialInfo>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// A trial of a study.
#[derive(Serialize, ToSchema)]
struct TrialInfo {
    /// From 1.
    number: u64,
    /// The settings that were tried.
    #[schema(value_type = Object, example = json!({"units": 32, "learning_rate": 0.001}))]
    params: Configuration,
    /// The best value of the objective.
    value: Option<f64>,
    state: TrialState,
    /// The id of its run.
    run: Option<String>,
    duration_s: Option<f64>,
}

impl TrialInfo {
    fn new(plan: &Plan, trial: &Trial) -> Self {
        Self {
            number: trial.number,
            params: plan.parameters(&trial.parameters),
            value: trial.value,
            state: trial.state,
            run: trial.run.clone(),
            duration_s: trial.duration_s(),
        }
    }
}

impl StudyInfo {
    fn new(study: Study) -> AppResult<Self> {
        let plan = Plan::from_map(&study.spec)?;
        Ok(Self {
            best: jobs::best_trial(&plan, &study.trials).map(|trial| TrialInfo::new(&plan, trial)),
            trials: study.trials.iter().map(|trial| TrialInfo::new(&plan, trial)).collect(),
            id: study.id,
            name: study.name,
            system: study.system,
            state: study.state,
            reason: study.reason,
            space: plan.space,
            sampler: plan.sampler,
            objective: plan.objective,
            max_trials: plan.max_trials,
            parallel: plan.parallel,
            pruning: plan.pruning.is_some(),
            seed: plan.seed,
            config: plan.config,
            created_at: study.created_at,
            started_at: study.started_at,
            ended_at: study.ended_at,
        })
    }
}

/// The studies, the newest first.
#[utoipa::path(get, path = "/api/v1/studies", tag = "studies", responses((status = 200, body = Listed<StudyInfo>)))]
async fn list(State(state): State<AppState>) -> AppResult<Json<Listed<StudyInfo>>> {
    let studies = state.compute(|app| app.store.studies()).await?;
    Ok(Json(Listed { items: studies.into_iter().map(StudyInfo::new).collect::<AppResult<_>>()?, next_cursor: None }))
}

/// What is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewStudyBody {
    #[schema(example = "mlp")]
    system: String,
    #[serde(default)]
    name: String,
    /// `bayesian`, `random` or `grid`.
    #[schema(value_type = String, example = "bayesian")]
    sampler: Sampler,
    /// `validation_accuracy` or `validation_loss`, at its best epoch.
    #[serde(default = "usual_objective")]
    objective: String,
    max_trials: u64,
    /// Of each trial; without, the system's usual number.
    epochs: Option<u64>,
    /// For each hyperparameter `{"type":"integer","min","max","step","scale"}`, `{"type":"float","min","max","step","scale"}` (`scale` is
    /// `linear` or `log`; `step` and `scale` may be left out) or `{"type":"choice","values":[...]}`.
    #[schema(value_type = Object, example = json!({"units": {"type": "integer", "min": 16, "max": 512, "step": 16}, "learning_rate": {"type": "choice", "values": [0.0001, 0.001, 0.01]}}))]
    space: Configuration,
    #[serde(default)]
    seed: u64,
    /// Trials at one time.
    #[serde(default = "one")]
    parallel: u64,
    /// Whether trials are given up that do worse than the median of the others.
    #[serde(default)]
    pruning: bool,
    /// Settings that all trials share.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: Map<String, Value>,
}

fn usual_objective() -> String {
    "validation_accuracy".into()
}

fn one() -> u64 {
    1
}

/// Asks for a study. Each of its trials is a run in the queue.
#[utoipa::path(post, path = "/api/v1/studies", tag = "studies", request_body = NewStudyBody,
    responses((status = 202, body = StudyInfo, headers(("Location" = String, description = "the study's address"))),
        (status = 422, description = "Something can't be used; `field` names it, as in `space.units.step`"),
        (status = 503, description = "The data set is not ready; `detail` says what brings it")))]
async fn create(State(state): State<AppState>, JsonBody(body): JsonBody<NewStudyBody>) -> AppResult<Response> {
    let NewStudyBody { system, name, sampler, objective, max_trials, epochs, space, seed, parallel, pruning, mut config } = body;
    if let Some(epochs) = epochs {
        config.insert("epochs".into(), epochs.into());
    }
    let space = Space::declared(space)?;
    let order = space.iter().map(|(name, _)| name.to_owned()).collect();
    let pruning = pruning.then(MedianPruning::default);
    let plan = Plan { system, sampler, objective, max_trials, parallel, space, order, config, seed, pruning };
    accepted(state.compute(move |app| submit(app, &name, &plan)).await?)
}

/// Puts a study into the queue.
///
/// # Errors
/// As [`check_name`] and [`jobs::ask_study`].
pub fn submit(app: &AppState, name: &str, plan: &tune::Plan) -> AppResult<Study> {
    check_name(name)?;
    jobs::ask_study(&app.store, &app.settings, &app.datasets, name, plan, train::State::Queued)
}

fn accepted(study: Study) -> AppResult<Response> {
    let location = format!("/api/v1/studies/{}", study.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(StudyInfo::new(study)?)).into_response())
}

/// A study with its trials.
#[utoipa::path(get, path = "/api/v1/studies/{id}", tag = "studies", params(("id" = String, Path)),
    responses((status = 200, body = StudyInfo), (status = 404, description = "No such study")))]
async fn show(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Json<StudyInfo>> {
    Ok(Json(StudyInfo::new(state.compute(move |app| app.store.study(&id)).await?)?))
}

/// Cancels a study with the trials that run. It can be resumed.
#[utoipa::path(post, path = "/api/v1/studies/{id}/cancel", tag = "studies", params(("id" = String, Path)),
    responses((status = 202, body = StudyInfo), (status = 404, description = "No such study"), (status = 409, description = "It has ended")))]
async fn cancel(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Response> {
    accepted(state.compute(move |app| app.store.request_study_stop(&id)).await?)
}

/// Goes on with a study that ended before its time: trials that were stopped are taken up again, and what is proposed next is what
/// would have been.
#[utoipa::path(post, path = "/api/v1/studies/{id}/resume", tag = "studies", params(("id" = String, Path)),
    responses((status = 202, body = StudyInfo), (status = 404, description = "No such study"), (status = 409, description = "It is done, or has not ended")))]
async fn resume(State(state): State<AppState>, Path(id): Path<String>) -> AppResult<Response> {
    accepted(state.compute(move |app| app.store.resume_study(&id, train::State::Queued)).await?)
}

/// What happens to a study (server-sent events), from the first event or after the one that `Last-Event-ID` or `after` names: `id` is the
/// event's number, `event` is `state` or `trial`. The stream ends with the study; asked again after its last event, it answers 204.
#[utoipa::path(get, path = "/api/v1/studies/{id}/events", tag = "studies",
    params(("id" = String, Path), ("after" = Option<u64>, Query, description = "the number of the last event that is known already"),
        ("Last-Event-ID" = Option<u64>, Header, description = "the same, as browsers send it; it wins")),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 204, description = "The study has ended and nothing more is to say"),
        (status = 404, description = "No such study")))]
async fn events(State(state): State<AppState>, Path(id): Path<String>, headers: HeaderMap, parameters: Parameters) -> AppResult<Response> {
    follow(state, &headers, &parameters, format!("study {id}"), move |app, after| {
        let ended = app.store.study(&id)?.state.is_final();
        Ok(Said::new(&app.store.study_events_after(&id, after)?, ended))
    })
    .await
}
