//! What word vectors associate: word lists with word lists, and words with the ends of an axis.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::words::MOST_WORDS;
use crate::{
    error::{AppError, AppResult},
    web::{AppState, body::JsonBody, parameters::Parameters},
    words::{
        answers::Axis,
        bias::{self, Association, Test, WordList},
    },
};

/// Most words in one list of an association test: a hundred times as many regroupings of these are summed for the p-value.
const MOST_WORDS_OF_LIST: usize = 200;

/// The word embedding association test (WEAT, Caliskan et al. 2017): how much more the first target goes with the first attribute, and the
/// second with the second, than the other way round, with its permutation p-value.
#[utoipa::path(post, path = "/api/v1/words/{set}/association", tag = "words", params(("set" = String, Path, example = "default")), request_body = AssociationRequest,
    responses((status = 200, body = Association), (status = 404, description = "No such set"),
        (status = 422, description = "Not two targets and two attributes, a list of more than 200 words or with fewer than two that the set has, or a word in both targets")))]
pub async fn association(
    State(state): State<AppState>,
    Path(set): Path<String>,
    JsonBody(request): JsonBody<AssociationRequest>,
) -> AppResult<Json<Association>> {
    let set = state.library.get(&set)?;
    let test = Test { id: String::new(), targets: two("targets", request.targets)?, attributes: two("attributes", request.attributes)? };
    state.compute(move |_| bias::associate(&set, &test).map(Json)).await
}

/// Four lists of words; those that the set lacks are left out and come back in `missing`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssociationRequest {
    /// X and Y: what is compared.
    #[schema(min_items = 2, max_items = 2, example = json!([{"name": "science", "words": ["science", "chemistry", "astronomy"]}, {"name": "arts", "words": ["poetry", "dance", "novel"]}]))]
    targets: Vec<WordList>,
    /// A and B: what the targets may be associated with.
    #[schema(min_items = 2, max_items = 2, example = json!([{"name": "male", "words": ["he", "him", "his"]}, {"name": "female", "words": ["she", "her", "hers"]}]))]
    attributes: Vec<WordList>,
}

fn two(field: &str, lists: Vec<WordList>) -> AppResult<[WordList; 2]> {
    if let Some(list) = lists.iter().find(|list| list.words.len() > MOST_WORDS_OF_LIST) {
        let count = list.words.len();
        return Err(AppError::invalid(field, format!("has a list of {count} words; at most {MOST_WORDS_OF_LIST} are taken.")));
    }
    lists.try_into().map_err(|lists: Vec<_>| AppError::invalid(field, format!("has {} lists; expected two.", lists.len())))
}

/// Where words lie on the axis between two words: the cosine to the difference of their unit vectors, highest first. By default the
/// occupations that the pages show, between she and he (Bolukbasi et al. 2016).
#[utoipa::path(get, path = "/api/v1/words/{set}/axis", tag = "words",
    params(("set" = String, Path, example = "default"), ("from" = Option<String>, Query, example = "she"), ("to" = Option<String>, Query, example = "he"),
        ("word" = Option<Vec<String>>, Query, description = "repeat for several", example = json!(["nurse", "captain"]))),
    responses((status = 200, body = Axis), (status = 404, description = "No such set, or it lacks an end of the axis"), (status = 422, description = "Both ends are one word, or too many words")))]
pub async fn axis(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<Axis>> {
    let set = state.library.get(&set)?;
    let given = parameters.many("word", MOST_WORDS)?;
    let words = if given.is_empty() { bias::default_lists().occupations.words } else { given.into_iter().map(str::to_owned).collect() };
    let [from, to] = [parameters.text("from", "she")?.to_owned(), parameters.text("to", "he")?.to_owned()];
    state.compute(move |_| Axis::of(&set, &from, &to, &words).map(Json)).await
}
