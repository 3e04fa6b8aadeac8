//! Words on a plane.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::MOST_WORDS;
use crate::{
    error::{AppError, AppResult},
    project::{self, Points, TsneOptions},
    web::{AppState, body::JsonBody},
    words::VectorSet,
};

/// Places words on a plane, by PCA or t-SNE, from their unit vectors.
#[utoipa::path(post, path = "/api/v1/words/{set}/projection", tag = "words", params(("set" = String, Path, example = "default")), request_body = ProjectionRequest,
    responses((status = 200, body = Projected), (status = 404, description = "No such set"), (status = 422, description = "No words, too many, or an option out of range")))]
pub async fn projection(
    State(state): State<AppState>,
    Path(set): Path<String>,
    JsonBody(request): JsonBody<ProjectionRequest>,
) -> AppResult<Json<Projected>> {
    let set = state.library.get(&set)?;
    if request.words.is_empty() {
        return Err(AppError::invalid("words", "is empty; expected at least one word."));
    }
    if request.words.len() > MOST_WORDS {
        return Err(AppError::invalid("words", format!("has {} words; at most {MOST_WORDS} are taken.", request.words.len())));
    }
    if !(1.0..=500.0).contains(&request.perplexity) {
        return Err(AppError::invalid("perplexity", "expected a number from 1 to 500."));
    }
    let wanted = Arc::new(AtomicBool::new(true));
    let _gone = GivenUp(Arc::clone(&wanted));
    state.compute(move |_| project_words(&set, request, &wanted).map(Json)).await
}

/// Words to be drawn on a plane.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectionRequest {
    /// 1 to 2000 words; those that the set lacks come back in `missing`.
    #[schema(example = json!(["man", "woman", "king", "queen"]))]
    words: Vec<String>,
    /// `pca` or `tsne`.
    #[serde(default)]
    method: ProjectionMethod,
    /// The same seed gives the same map.
    #[serde(default)]
    seed: u64,
    /// Of t-SNE: about how many neighbours count; lowered to a third of the other points.
    #[serde(default = "default_perplexity")]
    perplexity: f64,
}

fn default_perplexity() -> f64 {
    5.0
}

/// How many dimensions become two.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProjectionMethod {
    /// The first two principal components.
    #[default]
    Pca,
    /// t-distributed stochastic neighbour embedding.
    Tsne,
}

/// Words on a plane.
#[derive(Serialize, ToSchema)]
pub struct Projected {
    method: ProjectionMethod,
    points: Vec<ProjectedWord>,
    /// Words that the set lacks.
    missing: Vec<String>,
}

/// A word's place on a plane.
#[derive(Serialize, ToSchema)]
pub struct ProjectedWord {
    word: String,
    x: f32,
    y: f32,
}

fn project_words(set: &VectorSet, request: ProjectionRequest, wanted: &AtomicBool) -> AppResult<Projected> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for word in request.words {
        match set.index_of(&word) {
            Some(index) => found.push(index),
            None => missing.push(word),
        }
    }
    let values: Vec<f32> = found.iter().flat_map(|&index| set.unit(index)).collect(); // [words, dimension]
    let failed = |error: project::ProjectError| AppError::invalid("words", error.to_string());
    let plane = match (found.is_empty(), request.method) {
        (true, _) => Vec::new(),
        (false, ProjectionMethod::Pca) => project::pca(Points::new(&values, set.dimension()).map_err(failed)?, 2).map_err(failed)?.plane(),
        (false, ProjectionMethod::Tsne) => {
            let options = TsneOptions { perplexity: request.perplexity, seed: request.seed, ..TsneOptions::default() };
            let points = Points::new(&values, set.dimension()).map_err(failed)?;
            project::tsne(points, &options, &mut |_| {
                if wanted.load(Ordering::Relaxed) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .map_err(failed)?
            .coordinates
        }
    };
    let points = found.iter().zip(plane).map(|(&index, [x, y])| ProjectedWord { word: set.word(index).to_owned(), x, y }).collect();
    Ok(Projected { method: request.method, points, missing })
}

/// Stops the computation when nobody waits for its answer any more: the reader left, or the time ran out.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
