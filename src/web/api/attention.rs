//! Where a run's classifier looks in an image, and which training images it finds alike.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    data::{Dataset, Split},
    error::{AppError, AppResult},
    jobs::{Class, Explained, Near},
    store::Run,
    train::dataset_of,
    web::{
        AppState,
        heat::{Enlarged, Heat, overlay},
        parameters::Parameters,
    },
};

/// Both routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Documented::openapi()).route("/api/v1/runs/{id}/attention/{split}/{name}", get(attention))
}

/// axum's addresses have no parameter with a fixed end, such as `{index}.png`: what is described and what is mounted differ in that.
#[derive(utoipa::OpenApi)]
#[openapi(paths(picture, values))]
struct Documented;

/// Where a network looks in an image.
#[derive(Serialize, ToSchema)]
struct Attended {
    split: Split,
    #[schema(example = 12)]
    index: usize,
    /// The class that is explained.
    class: Class,
    /// The most probable class.
    prediction: Class,
    /// Of every class; empty where the run's weights or the images are not here, and only maps were kept.
    probabilities: Vec<f32>,
    /// Rows of the map, at least 0, in parts of the class's logit (Grad-CAM, Selvaraju et al. 2017).
    values: Vec<Vec<f32>>,
    /// The greatest of them, which has the brightest colour in the picture. 0: nothing in the image speaks for the class.
    #[schema(example = 0.8)]
    most: f32,
    /// The ten training images whose features, the means of the last maps, are most like this image's; null where they can't be had.
    nearest: Option<Vec<Near>>,
    /// Whether the map was kept and is rounded to a 255th of its greatest value, since the run's weights or the images are not here.
    kept: bool,
}

/// The run, the split and the image that an address names, and the class that is asked for.
struct Asked {
    run: Run,
    dataset: &'static Dataset,
    split: Split,
    index: usize,
    class: Option<usize>,
}

/// Nearest training images that are told.
const NEAREST: usize = 10;
/// Pictures are made at most so many times as large: 896 pixels for 28.
const MOST_SCALE: usize = 32;

async fn attention(
    state: State<AppState>,
    Path((id, split, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    let absent = || AppError::not_found(format!("There is no picture {split}/{name} of what {id} looks at.")).into_response();
    let Some((index, extension)) = name.split_once('.') else { return absent() };
    let (Ok(index), Some(named)) = (index.parse(), Split::named(&split)) else { return absent() };
    match extension {
        "png" => picture(state, Path((id, named, index)), headers, parameters).await.into_response(),
        "json" => values(state, Path((id, named, index)), parameters).await.into_response(),
        _ => absent(),
    }
}

/// An image with what the run's classifier looks at laid over it (Grad-CAM, Selvaraju et al. 2017): the brighter, the more a place speaks for the
/// class; its greatest value has the brightest colour, however small it is.
#[utoipa::path(get, path = "/api/v1/runs/{id}/attention/{split}/{index}.png", tag = "runs",
    params(("id" = String, Path, example = "resnet14-k3f9x2a"), ("split" = String, Path, description = "`train`, `validation` or `test`", example = "test"), ("index" = usize, Path, description = "from 0, in the order of the run's split", example = 0),
        ("class" = Option<String>, Query, description = "its label, its abbreviation or its name; the most probable one unless told otherwise", example = "mel"),
        ("scale" = Option<usize>, Query, description = "how many times as large as the image, 1 to 32; 8 unless told otherwise", example = 8),
        ("pixels" = Option<String>, Query, description = "`nearest` (the default) shows the image's own pixels as squares, `smooth` blends them", example = "nearest")),
    responses((status = 200, body = Vec<u8>, content_type = "image/png"), (status = 304, description = "It is what `If-None-Match` names"), (status = 404, description = "No such run, split or image"),
        (status = 409, description = "The run is not done, or its network does not tell where it looks"), (status = 422, description = "A parameter can't be used"),
        (status = 503, description = "The data set or the weights are not here; `detail` says what brings them")))]
async fn picture(
    State(state): State<AppState>,
    Path((id, split, index)): Path<(String, Split, usize)>,
    headers: HeaderMap,
    parameters: Parameters,
) -> AppResult<Response> {
    let scale = parameters.number("scale", 8, 1..=MOST_SCALE)?;
    let enlarged = match parameters.text("pixels", "nearest")? {
        "nearest" => Enlarged::Nearest,
        "smooth" => Enlarged::Smooth,
        other => return Err(AppError::invalid("pixels", format!("is {other:?}; expected nearest or smooth."))),
    };
    let class = parameters.optional("class")?.map(str::to_owned);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let draw = move |state: &AppState| {
        let asked = Asked::new(state, &id, split, index, class.as_deref())?;
        let weights = asked.run.weights.as_deref().unwrap_or_default();
        let said =
            format!("1 {weights} {} {} {split:?} {index} {:?} {scale} {enlarged:?}", asked.run.id, asked.dataset.sha256(), asked.class);
        let tag = format!("\"{:016x}\"", xxh3_64(said.as_bytes()));
        if known.is_some_and(|known| known.split(',').any(|other| other.trim() == tag)) {
            return Ok((tag, None));
        }
        let explained = state.explainer.image(&asked.run.id, split, index)?;
        let values = asked.map(&explained)?;
        let absent = || {
            let status = state.datasets.status(asked.dataset);
            AppError::Unavailable(format!("The image itself is not here. {}", state.datasets.advice(asked.dataset, &status)))
        };
        let pixels = explained.pixels.as_deref().ok_or_else(absent)?;
        let heat = Heat { values, side: explained.side };
        Ok((tag, Some(overlay(pixels, asked.dataset.shape, heat, scale, enlarged))))
    };
    let (tag, png) = state.compute(draw).await?;
    // Weights and data set are pinned by hashes, so a picture stays what it is.
    let kept = [(header::ETAG, tag), (header::CACHE_CONTROL, "public, max-age=86400".to_owned())];
    Ok(match png {
        None => (StatusCode::NOT_MODIFIED, kept).into_response(),
        Some(png) => (kept, [(header::CONTENT_TYPE, "image/png")], png).into_response(),
    })
}

/// The values of that map, the probabilities, and the ten training images that the network finds most alike. Where the run's weights or the images
/// are not here, the maps that were kept of test images it got wrong.
#[utoipa::path(get, path = "/api/v1/runs/{id}/attention/{split}/{index}.json", tag = "runs",
    params(("id" = String, Path, example = "resnet14-k3f9x2a"), ("split" = String, Path, description = "`train`, `validation` or `test`", example = "test"), ("index" = usize, Path, description = "from 0, in the order of the run's split", example = 0),
        ("class" = Option<String>, Query, description = "its label, its abbreviation or its name; the most probable one unless told otherwise", example = "mel")),
    responses((status = 200, body = Attended), (status = 404, description = "No such run, split or image"), (status = 409, description = "The run is not done, or its network does not tell where it looks"),
        (status = 422, description = "No such class"), (status = 503, description = "The data set or the weights are not here; `detail` says what brings them")))]
async fn values(
    State(state): State<AppState>,
    Path((id, split, index)): Path<(String, Split, usize)>,
    parameters: Parameters,
) -> AppResult<Json<Attended>> {
    let class = parameters.optional("class")?.map(str::to_owned);
    let told = move |state: &AppState| {
        let asked = Asked::new(state, &id, split, index, class.as_deref())?;
        let explained = state.explainer.image(&asked.run.id, split, index)?;
        let values = asked.map(&explained)?;
        let class = |label: usize| Class {
            label,
            name: asked.dataset.classes.get(label).cloned().unwrap_or_default(),
            code: asked.dataset.short_name(label).unwrap_or_default().to_owned(),
        };
        let itself = (split == Split::Train).then_some(index);
        // Without the training images there is nothing to be near to; the map stands.
        let nearest = state.explainer.nearest(&asked.run, &explained.features, NEAREST, itself);
        Ok(Json(Attended {
            split,
            index,
            class: class(asked.class.unwrap_or_else(|| explained.said())),
            prediction: class(explained.said()),
            values: values.chunks_exact(explained.side[1]).map(<[f32]>::to_vec).collect(),
            most: values.iter().copied().fold(0.0, f32::max),
            nearest: if explained.features.is_empty() { None } else { nearest.ok() },
            kept: explained.probabilities.is_empty(),
            probabilities: explained.probabilities,
        }))
    };
    state.compute(told).await
}

impl Asked {
    fn new(state: &AppState, id: &str, split: Split, index: usize, class: Option<&str>) -> AppResult<Self> {
        let run = state.store.run(id)?;
        let dataset = dataset_of(&run.config)?;
        let class = class.map(|text| class_of(dataset, "class", text)).transpose()?;
        Ok(Self { run, dataset, split, index, class })
    }

    fn map<'map>(&self, explained: &'map Explained) -> AppResult<&'map [f32]> {
        let class = self.class.unwrap_or_else(|| explained.said());
        explained.map(class).ok_or_else(|| {
            let (run, split) = (&self.run.id, self.split.name());
            let why = format!(
                "Of what {run} looks at in {split}/{} only maps of other classes were kept; its weights and images bring the rest.",
                self.index
            );
            AppError::Unavailable(why)
        })
    }
}

/// The class that a parameter means.
///
/// # Errors
/// [`AppError::Invalid`] for `field` when there is none.
pub fn class_of(dataset: &Dataset, field: &str, text: &str) -> AppResult<usize> {
    dataset.class(text).ok_or_else(|| {
        let known: Vec<&str> = (0..dataset.classes.len()).filter_map(|label| dataset.short_name(label)).collect();
        AppError::invalid(field, format!("is {text:?}; expected a label from 0 to {} or one of {}.", known.len() - 1, known.join(", ")))
    })
}
