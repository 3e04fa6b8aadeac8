//! The images of a run's split, by what they are and what its network took them for.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Listed, attention::class_of, classifiers::asked_of};
use crate::{
    error::{AppError, AppResult},
    jobs::{Judgement, Only, Order, Selection},
    web::{AppState, parameters::Parameters},
};

/// The one route.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(examples))
}

/// An image and what a network took it for.
#[derive(Serialize, ToSchema)]
struct Example {
    /// Its number in the run's split, as pictures and attention are asked for; see `image`.
    #[schema(example = 12)]
    index: usize,
    /// Its true class.
    #[schema(example = 4)]
    label: usize,
    /// The name of its true class.
    #[schema(example = "melanoma")]
    name: String,
    /// What the network took it for.
    #[schema(example = 5)]
    prediction: usize,
    /// The probability of that class.
    #[schema(example = 0.87)]
    probability: f32,
    /// Of every class, in the order of the labels.
    probabilities: Vec<f32>,
    /// Whether its lesion is on an image that the network learned from or, of the test split, was chosen by; null where that is not known, and in
    /// the training split.
    lesion_seen: Option<bool>,
    /// The address of the image.
    #[schema(example = "/api/v1/datasets/ham10000-28/images/test/12.png")]
    image: String,
}

/// Images on one page unless told otherwise, and at most.
const PAGE: usize = 60;
const MOST: usize = 1000;

/// Images of a split with what the network said of each: of a true class, of a decision, right or wrong, in the order that is asked for, page by
/// page. `prior`, or `of` and `threshold`, decide as they do for the evaluation.
#[utoipa::path(get, path = "/api/v1/runs/{id}/examples", tag = "runs",
    params(("id" = String, Path, example = "resnet14-k3f9x2a"), ("split" = Option<String>, Query, example = "test"), ("lesions" = Option<String>, Query, description = "`all`, which is the default, or `unseen`"),
        ("true" = Option<String>, Query, description = "a class by its label, its abbreviation or its name"), ("predicted" = Option<String>, Query, description = "a class, likewise"),
        ("only" = Option<String>, Query, description = "`errors` or `correct`"),
        ("order" = Option<String>, Query, description = "`confidence` (the most confident decision first, the default), `uncertain`, `loss` (the least probable truth first) or `index`", example = "confidence"),
        ("prior" = Option<String>, Query), ("of" = Option<String>, Query), ("threshold" = Option<String>, Query), ("miss" = Option<f64>, Query), ("false_alarm" = Option<f64>, Query),
        ("limit" = Option<usize>, Query, description = "1 to 1000; 60 unless told otherwise", example = 60), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = Listed<Example>), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done"),
        (status = 422, description = "A parameter can't be used"), (status = 503, description = "The data set is not here; `detail` says what brings it")))]
async fn examples(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Json<Listed<Example>>> {
    let asked = asked_of(&parameters)?;
    let limit = parameters.number("limit", PAGE, 1..=MOST)?;
    let start = parameters.number("cursor", 0, 0..=usize::MAX >> 1)?;
    state
        .compute(move |state| {
            let judgement = state.judge.judge_as(&id, &asked)?;
            let rows = selection(&judgement, &parameters)?.rows(&judgement);
            let seen = state.judge.seen(&judgement).ok().filter(|_| judgement.split != crate::data::Split::Train);
            let items = rows.iter().skip(start).take(limit).map(|&row| Example::new(&judgement, row, seen.as_ref().map(|seen| seen[row])));
            let end = start.saturating_add(limit);
            Ok(Json(Listed { items: items.collect(), next_cursor: (end < rows.len()).then(|| end.to_string()) }))
        })
        .await
}

/// What `true`, `predicted`, `only` and `order` ask for.
fn selection(judgement: &Judgement, parameters: &Parameters) -> AppResult<Selection> {
    let given = |name: &str| Ok::<_, AppError>(parameters.optional(name)?.filter(|text| !text.is_empty()));
    let class = |name: &str| given(name)?.map(|text| class_of(judgement.dataset, name, text)).transpose();
    let only = given("only")?
        .map(|name| Only::named(name).ok_or_else(|| AppError::invalid("only", format!("is {name:?}; expected errors or correct."))));
    let order = given("order")?.map(|name| {
        Order::named(name).ok_or_else(|| AppError::invalid("order", format!("is {name:?}; expected confidence, uncertain, loss or index.")))
    });
    Ok(Selection {
        label: class("true")?,
        decided: class("predicted")?,
        only: only.transpose()?,
        order: order.transpose()?.unwrap_or_default(),
    })
}

impl Example {
    fn new(judgement: &Judgement, row: usize, lesion_seen: Option<bool>) -> Self {
        let (predictions, dataset) = (&judgement.predictions, judgement.dataset);
        let (label, prediction) = (usize::from(predictions.labels()[row]), usize::from(judgement.decisions[row]));
        let index = judgement.place(row);
        // A validation split that was cut off the training split has its images there.
        let split = if dataset.has(judgement.split) { judgement.split } else { crate::data::Split::Train };
        Self {
            index,
            label,
            name: dataset.classes[label].clone(),
            prediction,
            probability: predictions.row(row)[prediction],
            probabilities: predictions.row(row).to_vec(),
            lesion_seen,
            image: format!("/api/v1/datasets/{}/images/{}/{}.png", dataset.id(), split.name(), judgement.first + index),
        }
    }
}
