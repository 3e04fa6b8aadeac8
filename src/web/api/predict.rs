//! What a run's network says of a picture.

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, FromRequest as _, Multipart, Path, Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::embeddings::Neighbor;
use crate::{
    data::upload::Step,
    error::{AppError, AppResult},
    jobs::{self, Near},
    web::{
        AppState,
        body::JsonBody,
        parameters::Parameters,
        uploads::{self, Classifier, Form},
    },
};

/// The one route, whose bodies may be large.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(predict)).layer(DefaultBodyLimit::max(uploads::BODY_LIMIT))
}

/// What a network says of a picture.
#[derive(Serialize, ToSchema)]
struct Prediction {
    /// The label of the most probable class.
    #[schema(example = 9)]
    prediction: usize,
    /// Of every class, in the order of the labels.
    probabilities: Vec<ClassProbability>,
    /// Where the network looked (Grad-CAM, Selvaraju et al. 2017): rows of how much each place speaks for the class that is said, at least 0; null
    /// of a network whose last layers do not tell, or with `explain=false`.
    attention: Option<Vec<Vec<f32>>>,
    /// The ten training images that the network finds most alike; null likewise, or where they are not here.
    nearest: Option<Vec<Near>>,
    /// What was done to the picture so that the network could look at it; none for `pixels`.
    steps: Vec<Step>,
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
    /// Rows of shades from 0 (dark) to 1 (light), as many as the network's images have; of images in colour, rows of triples of red, green and blue.
    /// Taken in steps of 1/255.
    #[schema(value_type = Vec<Vec<Value>>, example = json!([[0.0, 0.5], [1.0, 0.25]]))]
    pixels: Value,
}

/// Nearest training images that are told.
const NEAREST: usize = 10;
/// The largest body in JSON, in bytes: thirty times what an image of 28 x 28 in colour takes.
const MOST_JSON: usize = 1 << 20;

/// What the run's network says of a picture: a multipart form with the file `image` (PNG, JPEG or WebP, at most 10 MB and 40 megapixels), which is
/// made as the data set's own images were, or JSON with `pixels`, which are taken as they are. Nothing is stored.
#[utoipa::path(post, path = "/api/v1/runs/{id}/predict", tag = "runs", params(("id" = String, Path, example = "mlp-k3f9x2a"),
        ("explain" = Option<bool>, Query, description = "whether to tell where the network looked and what it finds alike; `true` unless told otherwise", example = true)),
    request_body(content((Pixels = "application/json"), (Vec<u8> = "multipart/form-data"))),
    responses((status = 200, body = Said), (status = 404, description = "No such run"), (status = 409, description = "The run is not done"),
        (status = 422, description = "No picture, or one that can't be used"), (status = 503, description = "Too many wait; `Retry-After` says when to come again")))]
async fn predict(
    State(state): State<AppState>,
    Path(id): Path<String>,
    parameters: Parameters,
    request: Request,
) -> Result<Json<Said>, Response> {
    let explain = explain(&parameters).map_err(IntoResponse::into_response)?;
    let classifier = Classifier::of(&state, id).await.map_err(IntoResponse::into_response)?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (pixels, steps) = if kind.starts_with("multipart/form-data") {
        let multipart = Multipart::from_request(request, &state).await.map_err(IntoResponse::into_response)?;
        let image = Form::read(multipart).await.and_then(Form::image).map_err(IntoResponse::into_response)?;
        let upload = classifier.prepare(&state, image).await.map_err(IntoResponse::into_response)?;
        (upload.pixels, upload.steps)
    } else {
        let JsonBody(Pixels { pixels }) = JsonBody::from_request(short(request).await?, &state).await?;
        (bytes_of(&pixels, classifier.dataset.shape).map_err(IntoResponse::into_response)?, Vec::new())
    };
    let said = if classifier.embeds() {
        let embedding = classifier.answer(&state, pixels).await.map_err(IntoResponse::into_response)?;
        embedded(&state, &classifier, embedding).await.map(Said::Point)
    } else {
        classified(&state, &classifier, pixels, steps, explain).await.map(Said::Class)
    };
    said.map(Json).map_err(IntoResponse::into_response)
}

async fn classified(state: &AppState, classifier: &Classifier, pixels: Vec<u8>, steps: Vec<Step>, explain: bool) -> AppResult<Prediction> {
    let said = if explain {
        classifier.answer_closely(state, pixels).await?
    } else {
        jobs::Said { answers: classifier.answer(state, pixels).await?, attention: None }
    };
    let names = classifier.dataset.classes.iter().zip(&said.answers).enumerate();
    let probabilities: Vec<ClassProbability> =
        names.map(|(label, (name, &probability))| ClassProbability { label, name: name.clone(), probability }).collect();
    let best = probabilities.iter().reduce(|best, next| if next.probability > best.probability { next } else { best });
    let prediction = best.map_or(0, |best| best.label);
    let (mut attention, mut nearest) = (None, None);
    if let Some(found) = said.attention {
        attention = found.map(0, prediction).map(|map| map.chunks_exact(found.side[1]).map(<[f32]>::to_vec).collect());
        nearest = classifier.nearest(state, found.features, NEAREST).await?;
    }
    Ok(Prediction { prediction, probabilities, attention, nearest, steps })
}

fn explain(parameters: &Parameters) -> AppResult<bool> {
    match parameters.text("explain", "true")? {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(AppError::invalid("explain", format!("is {other:?}; expected true or false."))),
    }
}

/// The same request, whose body is known to be no longer than it need be: numbers in JSON take many times the memory of their text.
async fn short(request: Request) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MOST_JSON).await.map_err(|_| {
        AppError::invalid("pixels", format!("take more than {MOST_JSON} bytes as JSON; a form takes larger pictures.")).into_response()
    })?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
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

/// Rows of shades, or of triples, as bytes `[height, width, channels]`.
fn bytes_of(pixels: &Value, [height, width, channels]: [usize; 3]) -> AppResult<Vec<u8>> {
    let one = if channels == 1 { "number" } else { "triple of numbers: red, green and blue" };
    let refuse =
        |where_: String| AppError::invalid("pixels", format!("{where_}; expected {height} rows of {width} times a {one}, from 0 to 1."));
    let rows = list(pixels, height).ok_or_else(|| refuse(format!("are {}", shape_of(pixels, "rows"))))?;
    let mut bytes = Vec::with_capacity(height * width * channels);
    for (row, values) in rows.iter().enumerate() {
        let places = list(values, width).ok_or_else(|| refuse(format!("have {} in row {row}", shape_of(values, "places"))))?;
        for (column, place) in places.iter().enumerate() {
            let at = || format!("row {row}, place {column}");
            let numbers = if channels == 1 { Some(std::slice::from_ref(place)) } else { list(place, channels) };
            for number in numbers.ok_or_else(|| refuse(format!("have {} at {}", shape_of(place, "numbers"), at())))? {
                let value = number.as_f64().filter(|value| (0.0..=1.0).contains(value));
                let value = value.ok_or_else(|| refuse(format!("have {} at {}", shape_of(number, "numbers"), at())))?;
                bytes.push((value * 255.0).round() as u8);
            }
        }
    }
    Ok(bytes)
}

/// A list of so many values.
fn list(value: &Value, count: usize) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice).filter(|values| values.len() == count)
}

/// What stands where something else was expected.
fn shape_of(value: &Value, what: &str) -> String {
    match value {
        Value::Array(values) => format!("{} {what}", values.len()),
        Value::Number(number) => format!("the number {number}"),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string().chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pixels_are_taken_as_bytes_in_grey_and_in_colour() {
        assert_eq!(bytes_of(&json!([[0.0, 1], [0.5, 0.25]]), [2, 2, 1]).unwrap(), [0, 255, 128, 64]);
        assert_eq!(bytes_of(&json!([[[0, 0.5, 1]], [[1, 0.25, 0]]]), [2, 1, 3]).unwrap(), [0, 128, 255, 255, 64, 0]);
    }

    #[test]
    fn what_is_no_picture_is_named_with_its_place() {
        for (pixels, shape, expected) in [
            (json!([[0.0]]), [2, 2, 1], "are 1 rows; expected 2 rows of 2 times a number"),
            (json!("x"), [2, 2, 1], "are \"x\"; expected"),
            (json!([[0.0, 0.0], [0.0]]), [2, 2, 1], "have 1 places in row 1"),
            (json!([[0.0, 1.5]]), [1, 2, 1], "have the number 1.5 at row 0, place 1"),
            (json!([[0.0, -0.5]]), [1, 2, 1], "have the number -0.5 at row 0, place 1"),
            (json!([[0.0, null]]), [1, 2, 1], "have null at row 0, place 1"),
            (
                json!([[[0, 0, 0], 0.5]]),
                [1, 2, 3],
                "have the number 0.5 at row 0, place 1; expected 1 rows of 2 times a triple of numbers: red",
            ),
            (json!([[[0, 0, 0], [0.5]]]), [1, 2, 3], "have 1 numbers at row 0, place 1"),
            (json!([[[0, 0, 0], [0, 0, 256]]]), [1, 2, 3], "have the number 256 at row 0, place 1"),
            (json!([[[0, 0, 0], [0, 0, "1"]]]), [1, 2, 3], "have \"1\" at row 0"),
            (json!([[{"r": 0}, [0, 0, 0]]]), [1, 2, 3], "have an object at row 0, place 0"),
        ] {
            let error = bytes_of(&pixels, shape).unwrap_err().to_string();
            assert!(error.starts_with("pixels: ") && error.contains(expected), "{error}");
        }
    }
}
