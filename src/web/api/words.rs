//! Word vectors over HTTP.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Listed;
use crate::{
    error::{AppError, AppResult},
    web::{AppState, parameters::Parameters},
    words::{
        SetInfo, VectorSet,
        analogy::{self, Method},
        answers::{Analogy, DEFAULT_NEIGHBORS, MOST_NEIGHBORS, Neighbors, OddOneOut, Similarity},
    },
};

/// Most words on each side of an analogy: by multiplication each of them costs a pass over the whole set.
const MOST_TERMS: usize = 100;
/// Most words of one question.
pub(super) const MOST_WORDS: usize = 2000;

/// Every route on words.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(neighbors))
        .routes(routes!(similarity))
        .routes(routes!(analogy))
        .routes(routes!(odd_one_out))
        .routes(routes!(vectors))
        .routes(routes!(completions))
}

/// What every question to a set has: the set, and words that must be in it.
struct Question {
    set: Arc<VectorSet>,
    parameters: Parameters,
}

impl Question {
    fn new(state: &AppState, id: &str, parameters: Parameters) -> AppResult<Self> {
        Ok(Self { set: state.library.get(id)?, parameters })
    }

    fn word(&self, name: &str) -> AppResult<usize> {
        self.set.find(self.parameters.required(name)?)
    }

    /// The words under each of `names`. Looking one up is quick; only near spellings of an unknown one are worth another thread.
    async fn look_up<const N: usize>(&self, state: &AppState, names: [&str; N]) -> AppResult<[Vec<usize>; N]> {
        let mut found = [const { Vec::new() }; N];
        for (indices, name) in found.iter_mut().zip(names) {
            for word in self.parameters.many(name, MOST_TERMS)? {
                let index = if let Some(index) = self.set.look_up(word) {
                    index
                } else {
                    let (set, word) = (Arc::clone(&self.set), word.to_owned());
                    state.compute(move |_| set.find(&word)).await?
                };
                indices.push(index);
            }
        }
        Ok(found)
    }

    fn words(&self, name: &str) -> AppResult<Vec<usize>> {
        self.parameters.many(name, MOST_WORDS)?.into_iter().map(|word| self.set.find(word)).collect()
    }

    fn k(&self) -> AppResult<usize> {
        self.parameters.number("k", DEFAULT_NEIGHBORS, 1..=MOST_NEIGHBORS)
    }

    fn names(&self, indices: &[usize]) -> Vec<String> {
        indices.iter().map(|&index| self.set.word(index).to_owned()).collect()
    }
}

/// The vector sets that can be asked.
#[utoipa::path(get, path = "/api/v1/words", tag = "words", responses((status = 200, body = Listed<SetInfo>)))]
async fn list(State(state): State<AppState>) -> Json<Listed<SetInfo>> {
    Json(Listed { items: state.library.list(), next_cursor: None })
}

/// The words nearest to a word by cosine similarity, best first; exact.
#[utoipa::path(get, path = "/api/v1/words/{set}/neighbors", tag = "words",
    params(("set" = String, Path, example = "default"), ("word" = String, Query, example = "john"), ("k" = Option<usize>, Query, minimum = 1, maximum = 1000, example = 10)),
    responses((status = 200, body = Neighbors), (status = 404, description = "No such set or word; `suggestions` has near spellings"), (status = 422, description = "`k` outside 1..=1000")))]
async fn neighbors(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<Neighbors>> {
    let question = Question::new(&state, &set, parameters)?;
    let k = question.k()?;
    question.parameters.required("word")?;
    let [word] = question.look_up(&state, ["word"]).await?;
    let found = state.searches.nearest(Arc::clone(&question.set), analogy::combine(&question.set, &word, &[], k)).await?;
    Ok(Json(Neighbors::new(&question.set, word[0], k, &found)))
}

/// Cosine similarity and distance of two words.
#[utoipa::path(get, path = "/api/v1/words/{set}/similarity", tag = "words",
    params(("set" = String, Path, example = "default"), ("a" = String, Query, example = "john"), ("b" = String, Query, example = "alex")),
    responses((status = 200, body = Similarity), (status = 404, description = "No such set or word")))]
async fn similarity(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<Similarity>> {
    let question = Question::new(&state, &set, parameters)?;
    state
        .compute(move |_| {
            let (a, b) = (question.word("a")?, question.word("b")?);
            Ok(Json(Similarity::of(&question.set, a, b)))
        })
        .await
}

/// The words nearest to the positives less the negatives: by addition (3CosAdd) or multiplication (3CosMul).
#[utoipa::path(get, path = "/api/v1/words/{set}/analogy", tag = "words",
    params(("set" = String, Path, example = "default"), ("positive" = Vec<String>, Query, description = "repeat for several", example = json!(["king", "woman"])),
        ("negative" = Option<Vec<String>>, Query, description = "repeat for several", example = json!(["man"])),
        ("k" = Option<usize>, Query, minimum = 1, maximum = 1000, example = 10), ("method" = Option<String>, Query, description = "`add` or `mul`", example = "add")),
    responses((status = 200, body = Analogy), (status = 404, description = "No such set or word"), (status = 422, description = "No positive word, or `k` or `method` out of range")))]
async fn analogy(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<Analogy>> {
    let question = Question::new(&state, &set, parameters)?;
    let k = question.k()?;
    let method = match question.parameters.optional("method")? {
        None | Some("add") => Method::Add,
        Some("mul") => Method::Mul,
        Some(other) => return Err(AppError::invalid("method", format!("is {other:?}; expected add or mul."))),
    };
    let [positive, negative] = question.look_up(&state, ["positive", "negative"]).await?;
    if positive.is_empty() {
        return Err(AppError::invalid("positive", "is missing; expected at least one ?positive=word."));
    }
    let found = match method {
        Method::Add => state.searches.nearest(Arc::clone(&question.set), analogy::combine(&question.set, &positive, &negative, k)).await?,
        Method::Mul => {
            let (set, positive, negative) = (Arc::clone(&question.set), positive.clone(), negative.clone());
            state.compute(move |_| Ok(analogy::solve(&set, &positive, &negative, k, Method::Mul))).await?
        }
    };
    Ok(Json(Analogy::new(&question.set, &positive, &negative, method, k, &found)))
}

/// The word least similar to the centroid of all.
#[utoipa::path(get, path = "/api/v1/words/{set}/odd-one-out", tag = "words",
    params(("set" = String, Path, example = "default"), ("word" = Vec<String>, Query, description = "repeat; at least three", example = json!(["breakfast", "dinner", "lunch", "horse"]))),
    responses((status = 200, body = OddOneOut), (status = 404, description = "No such set or word"), (status = 422, description = "Fewer than three words")))]
async fn odd_one_out(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<OddOneOut>> {
    let question = Question::new(&state, &set, parameters)?;
    state.compute(move |_| OddOneOut::of(&question.set, &question.words("word")?).map(Json)).await
}

/// Vectors as their file has them.
#[derive(Serialize, ToSchema)]
struct Vectors {
    dimension: usize,
    vectors: Vec<WordVector>,
}

/// A word and its vector.
#[derive(Serialize, ToSchema)]
struct WordVector {
    word: String,
    values: Vec<f32>,
}

/// The vectors of words, as their file has them.
#[utoipa::path(get, path = "/api/v1/words/{set}/vectors", tag = "words",
    params(("set" = String, Path, example = "default"), ("word" = Vec<String>, Query, description = "repeat for several", example = json!(["king", "queen"]))),
    responses((status = 200, body = Vectors), (status = 404, description = "No such set or word"), (status = 422, description = "No word given")))]
async fn vectors(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<Vectors>> {
    let question = Question::new(&state, &set, parameters)?;
    state
        .compute(move |_| {
            let words = question.words("word")?;
            if words.is_empty() {
                return Err(AppError::invalid("word", "is missing; expected at least one ?word=..."));
            }
            let set = &question.set;
            let vector = |&index: &usize| WordVector { word: set.word(index).to_owned(), values: set.row(index).to_vec() };
            Ok(Json(Vectors { dimension: set.dimension(), vectors: words.iter().map(vector).collect() }))
        })
        .await
}

/// Words that begin alike.
#[derive(Serialize, ToSchema)]
struct Completions {
    prefix: String,
    /// Most frequent first.
    words: Vec<String>,
    /// Where no word begins so: near spellings, best first.
    suggestions: Vec<String>,
}

/// Words that begin with what has been typed, most frequent first; near spellings where there is none.
#[utoipa::path(get, path = "/api/v1/words/{set}/completions", tag = "words",
    params(("set" = String, Path, example = "default"), ("prefix" = String, Query, example = "quee"), ("limit" = Option<usize>, Query, minimum = 1, maximum = 100, example = 8)),
    responses((status = 200, body = Completions), (status = 404, description = "No such set")))]
async fn completions(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<Completions>> {
    let question = Question::new(&state, &set, parameters)?;
    let limit = question.parameters.number("limit", 8, 1..=100)?;
    state
        .compute(move |_| {
            let prefix = question.parameters.required("prefix")?.to_owned();
            let mut found = question.set.completions(&prefix, limit);
            if found.is_empty() {
                found = question.set.completions(&prefix.to_lowercase(), limit);
            }
            let near = if found.is_empty() { question.set.near_spellings(&prefix, limit.min(5)) } else { Vec::new() };
            Ok(Json(Completions { words: question.names(&found), suggestions: question.names(&near), prefix }))
        })
        .await
}
