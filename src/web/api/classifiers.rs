//! How good a run's network is, and what it says of a picture.

use axum::{
    Json,
    extract::{DefaultBodyLimit, FromRequest as _, Multipart, Path, Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::embeddings::Neighbor;
use crate::{
    data::Split,
    error::{AppError, AppResult},
    jobs,
    metrics::{Curves, Evaluation},
    web::{
        AppState,
        body::JsonBody,
        parameters::Parameters,
        uploads::{self, Classifier, Form},
    },
};

/// Every route on classifiers.
pub fn router() -> OpenApiRouter<AppState> {
    let pictures = OpenApiRouter::new().routes(routes!(predict)).layer(DefaultBodyLimit::max(uploads::BODY_LIMIT));
    OpenApiRouter::new()
        .routes(routes!(evaluation))
        .routes(routes!(precision_recall))
        .routes(routes!(roc))
        .routes(routes!(predictions))
        .merge(pictures)
}

/// How good the run's network is on a split. A ratio with a zero denominator is 0. The first call has the network look at every example, and
/// keeps what it said.
#[utoipa::path(get, path = "/api/v1/runs/{id}/evaluation", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, description = "`train`, `validation` or `test`, which is the default", example = "test")),
    responses((status = 200, body = Evaluation), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done"),
        (status = 503, description = "The data set is not here; `detail` says what brings it")))]
async fn evaluation(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Json<Evaluation>> {
    let split = split_of(&parameters)?;
    state.compute(move |state| Ok(Json(state.judge.judge(&id, split)?.evaluation.clone()))).await
}

/// Precision-recall curves, each class against the rest, and their micro and macro averages, point by point as scikit-learn gives them: x is the
/// recall, which falls from 1; y the precision.
#[utoipa::path(get, path = "/api/v1/runs/{id}/curves/pr", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, example = "test"),
        ("tolerance" = Option<f64>, Query, description = "leaves out points that lie within this distance of the line through those that stay; 0, the default, leaves out none", example = 0.001)),
    responses((status = 200, body = Curves), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done")))]
async fn precision_recall(state: State<AppState>, id: Path<String>, parameters: Parameters) -> AppResult<Json<Curves>> {
    curves(state, id, parameters, Curves::precision_recall).await
}

/// ROC curves, each class against the rest, and their micro and macro averages, point by point as scikit-learn gives them: x is the false positive
/// rate, y the true positive rate. The threshold of the first point is null: more than any probability.
#[utoipa::path(get, path = "/api/v1/runs/{id}/curves/roc", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, example = "test"),
        ("tolerance" = Option<f64>, Query, description = "as for precision-recall curves", example = 0.001)),
    responses((status = 200, body = Curves), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done")))]
async fn roc(state: State<AppState>, id: Path<String>, parameters: Parameters) -> AppResult<Json<Curves>> {
    curves(state, id, parameters, Curves::roc).await
}

async fn curves(
    State(state): State<AppState>,
    Path(id): Path<String>,
    parameters: Parameters,
    of: fn(&[String], &crate::metrics::Predictions) -> Curves,
) -> AppResult<Json<Curves>> {
    let split = split_of(&parameters)?;
    let tolerance = match parameters.optional("tolerance")? {
        None => 0.0,
        Some(text) => text
            .parse::<f64>()
            .ok()
            .filter(|tolerance| (0.0..=0.1).contains(tolerance))
            .ok_or_else(|| AppError::invalid("tolerance", format!("is {text:?}; expected a number from 0 to 0.1.")))?,
    };
    state
        .compute(move |state| {
            let judgement = state.judge.judge(&id, split)?;
            let curves = of(&judgement.dataset.classes, &judgement.predictions);
            Ok(Json(if tolerance > 0.0 { curves.thinned(tolerance) } else { curves }))
        })
        .await
}

/// What the run's network said of each example, in the data set's order.
#[utoipa::path(get, path = "/api/v1/runs/{id}/predictions.csv", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, example = "test")),
    responses((status = 200, body = String, content_type = "text/csv", description = "`index,label,prediction,p0,...,pK`"),
        (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done")))]
async fn predictions(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<impl IntoResponse> {
    let split = split_of(&parameters)?;
    let disposition = format!("attachment; filename=\"{id}-{}.csv\"", split.name());
    let csv = state.compute(move |state| Ok(state.judge.judge(&id, split)?.predictions.to_csv())).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)], csv))
}

/// What a network says of a picture.
#[derive(Serialize, ToSchema)]
struct Prediction {
    /// The label of the most probable class.
    #[schema(example = 9)]
    prediction: usize,
    /// Of every class, in the order of the labels.
    probabilities: Vec<ClassProbability>,
}

/// The probability of a class.
#[derive(Serialize, ToSchema)]
struct ClassProbability {
    #[schema(example = 9)]
    label: usize,
    #[schema(example = "Ankle boot")]
    name: String,
    #[schema(example = 0.93)]
    probability: f32,
}

/// Where a network that makes embeddings puts a picture.
#[derive(Serialize, ToSchema)]
struct Embedded {
    /// The label that most of the five nearest training images have.
    #[schema(example = 7)]
    prediction: u8,
    embedding: Vec<f32>,
    /// The ten nearest training images, the nearest first.
    neighbors: Vec<Neighbor>,
}

/// What a network says of a picture: the first of classifiers, the second of networks that make embeddings.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Said {
    Class(Prediction),
    Point(Embedded),
}

/// A picture as numbers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Pixels {
    /// Rows of shades from 0 (dark) to 1 (light), as many as the network's images have; taken in steps of 1/255.
    #[schema(example = json!([[0.0, 0.5], [1.0, 0.25]]))]
    pixels: Vec<Vec<f64>>,
}

/// What the run's network says of a picture: a multipart form with the file `image` (PNG, JPEG or WebP, at most 10 MB and 40 megapixels), which is
/// made as the data set's own images were, or JSON with `pixels`, which are taken as they are. Nothing is stored.
#[utoipa::path(post, path = "/api/v1/runs/{id}/predict", tag = "runs", params(("id" = String, Path, example = "mlp-k3f9x2a")),
    request_body(content((Pixels = "application/json"), (Vec<u8> = "multipart/form-data"))),
    responses((status = 200, body = Said), (status = 404, description = "No such run"), (status = 409, description = "The run is not done"),
        (status = 422, description = "No picture, or one that can't be used"), (status = 503, description = "Too many wait; `Retry-After` says when to come again")))]
async fn predict(State(state): State<AppState>, Path(id): Path<String>, request: Request) -> Result<Json<Said>, Response> {
    let classifier = Classifier::of(&state, id).await.map_err(IntoResponse::into_response)?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let answered = if kind.starts_with("multipart/form-data") {
        let multipart = Multipart::from_request(request, &state).await.map_err(IntoResponse::into_response)?;
        of_form(&state, &classifier, multipart).await
    } else {
        let JsonBody(Pixels { pixels }) = JsonBody::from_request(request, &state).await?;
        match bytes_of(&pixels, classifier.dataset.shape) {
            Ok(bytes) => classifier.answer(&state, bytes).await,
            Err(error) => Err(error),
        }
    };
    let answered = answered.map_err(IntoResponse::into_response)?;
    if classifier.embeds() {
        return embedded(&state, &classifier, answered).await.map(|answer| Json(Said::Point(answer))).map_err(IntoResponse::into_response);
    }
    let names = classifier.dataset.classes.iter().zip(&answered).enumerate();
    let probabilities: Vec<ClassProbability> =
        names.map(|(label, (name, &probability))| ClassProbability { label, name: name.clone(), probability }).collect();
    let best = probabilities.iter().reduce(|best, next| if next.probability > best.probability { next } else { best });
    Ok(Json(Said::Class(Prediction { prediction: best.map_or(0, |best| best.label), probabilities })))
}

async fn embedded(state: &AppState, classifier: &Classifier, embedding: Vec<f32>) -> AppResult<Embedded> {
    let id = classifier.run.id.clone();
    state
        .compute(move |state| {
            let nearest = state.embedder.nearest(&id, &embedding, 10, None)?;
            let prediction = jobs::vote(nearest.iter().map(|(_, label, _)| *label));
            Ok(Embedded { prediction, embedding, neighbors: nearest.into_iter().map(Neighbor::from).collect() })
        })
        .await
}

async fn of_form(state: &AppState, classifier: &Classifier, multipart: Multipart) -> AppResult<Vec<f32>> {
    let image = Form::read(multipart).await?.image()?;
    let upload = classifier.prepare(state, image).await?;
    classifier.answer(state, upload.pixels).await
}

/// Rows of shades as bytes.
fn bytes_of(pixels: &[Vec<f64>], [height, width, channels]: [usize; 3]) -> AppResult<Vec<u8>> {
    let row_length = width * channels;
    if pixels.len() != height || pixels.iter().any(|row| row.len() != row_length) {
        return Err(AppError::invalid("pixels", format!("expected {height} rows of {row_length} numbers.")));
    }
    if pixels.iter().flatten().any(|value| !(0.0..=1.0).contains(value)) {
        return Err(AppError::invalid("pixels", "expected numbers from 0 to 1."));
    }
    Ok(pixels.iter().flatten().map(|value| (value * 255.0).round() as u8).collect())
}

/// The split that is asked for; the test split where nothing is.
///
/// # Errors
/// [`AppError::Invalid`] when there is no such split.
pub fn split_of(parameters: &Parameters) -> AppResult<Split> {
    let name = parameters.text("split", "test")?;
    Split::named(name).ok_or_else(|| AppError::invalid("split", format!("is {name:?}; expected train, validation or test.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_taken_as_bytes_and_what_is_no_picture_is_named() {
        assert_eq!(bytes_of(&[vec![0.0, 1.0], vec![0.5, 0.25]], [2, 2, 1]).unwrap(), [0, 255, 128, 64]);
        for (pixels, expected) in [(vec![vec![0.0]], "2 rows of 2"), (vec![vec![0.0, 1.5], vec![0.0, 0.0]], "from 0 to 1")] {
            let error = bytes_of(&pixels, [2, 2, 1]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(bytes_of(&[vec![f64::NAN, 0.0], vec![0.0, 0.0]], [2, 2, 1]).is_err());
    }
}
