//! What word vectors get right.

use axum::{
    Json,
    extract::{Path, State},
};

use crate::{
    error::{AppError, AppResult},
    web::{AppState, parameters::Parameters},
    words::evaluate::{DEFAULT_LIMIT, Evaluation, MOST_LIMIT},
};

/// What the set gets right of the analogy questions, section by section, by 3CosAdd among its first, most frequent, `limit` words; counted as
/// gensim's `evaluate_word_analogies` does. The first call for a large set may take longer than a request may last: the computation goes on,
/// and a later call gets its result at once.
#[utoipa::path(get, path = "/api/v1/words/{set}/evaluation", tag = "words",
    params(("set" = String, Path, example = "default"), ("limit" = Option<usize>, Query, minimum = 1, maximum = 10_000_000, example = 20_000)),
    responses((status = 200, body = Evaluation), (status = 404, description = "No such set"), (status = 422, description = "`limit` out of range"),
        (status = 503, description = "The questions are not here, which `detail` tells what to do about; or too many evaluations wait")))]
pub async fn evaluation(State(state): State<AppState>, Path(set): Path<String>, parameters: Parameters) -> AppResult<Json<Evaluation>> {
    let set = state.library.get(&set)?;
    let limit = parameters.number("limit", DEFAULT_LIMIT, 1..=MOST_LIMIT)?;
    if let Some(known) = state.evaluations.known(&set, limit) {
        return Ok(Json(Evaluation::clone(&known)));
    }
    // Not by `AppState::compute`: those who wait here would keep others from being answered. `Evaluations` bounds their number itself.
    let computed = tokio::task::spawn_blocking(move || state.evaluations.get_or_compute(&set, limit)).await;
    let evaluation = computed.map_err(|panic| AppError::Internal(panic.into()))??;
    Ok(Json(Evaluation::clone(&evaluation)))
}
