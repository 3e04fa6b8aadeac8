//! `/figures/words-...`: what stands on the page, as a file.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};

use super::{accuracy, analogies, bias, chart, distances, input::Fault, maps, neighbors, odd, plots, query::State, sheets, voice::Voice};
use crate::{
    error::{AppError, AppResult},
    figure::Figure,
    web::{
        AppState,
        pages::figures::{drawn, named},
        parameters::Parameters,
    },
};

/// The file called `name` for the parameters of the page.
///
/// # Errors
/// When there is no such figure, or a parameter can't be used: a file has no place to show a fault beside its field.
pub fn file(app: &AppState, voice: Voice, name: &str, parameters: Parameters) -> AppResult<Response> {
    let absent = || AppError::not_found(format!("There is no figure {name:?}."));
    let (kind, extension) = name.rsplit_once('.').ok_or_else(absent)?;
    let id = kind.strip_prefix("words-").ok_or_else(absent)?;
    match extension {
        "svg" | "png" => drawn(&figure(app, voice, id, &parameters)?, voice, &parameters, extension),
        "csv" => Ok(named("text/csv; charset=utf-8", kind, extension, sheets::sheet(app, id, parameters.0)?.csv()?)),
        "json" => Ok(Json(sheets::sheet(app, id, parameters.0)?.json()).into_response()),
        _ => Err(AppError::not_found(format!("{kind} has no face {extension:?}; there are svg, png, csv and json."))),
    }
}

/// The drawing called `id`, for the parameters of the page.
fn figure(app: &AppState, voice: Voice, id: &str, parameters: &Parameters) -> AppResult<Figure> {
    let state = State::new(parameters.0.clone());
    let set = app.library.get(&super::page::set_of(&app.library, &state))?;
    let (figure, faults): (Option<Figure>, Vec<Fault>) = match id {
        "neighbors" => {
            let found = neighbors::compute(&set, &state);
            (plots::neighbors(voice, &found), found.faults)
        }
        "distances" => {
            let found = distances::compute(&set, &state);
            (plots::distances(voice, &found), found.faults)
        }
        "analogies" => {
            let found = analogies::compute(&set, &state);
            (plots::analogies(voice, &found), found.faults)
        }
        "odd" => {
            let found = odd::compute(&set, &state);
            (plots::odd(voice, &found), found.faults)
        }
        "map" => {
            let id = parameters.required("map")?;
            let (drawn, faults) = maps::compute_one(&set, &state, id);
            if drawn.is_none() && faults.is_empty() {
                return Err(AppError::not_found(format!("There is no map {id:?}.")));
            }
            (drawn.and_then(|drawn| chart::map(voice, &drawn)), faults)
        }
        "weat" => {
            let found = bias::compute(&set, &state)?;
            (plots::weat(voice, &found), found.faults)
        }
        "axis" => {
            let found = bias::compute(&set, &state)?;
            (plots::occupations(voice, &found), found.faults)
        }
        "accuracy" => (plots::accuracy(voice, &accuracy::compute_all(app, &set, &state)?), Vec::new()),
        _ => return Err(AppError::not_found(format!("There is no drawing words-{id}."))),
    };
    if let Some(fault) = faults.into_iter().next() {
        return Err(sheets::error(fault));
    }
    let figure = figure.ok_or_else(|| AppError::not_found("There is nothing to draw: the set has too few of these words."))?;
    figure.check().map_err(|error| AppError::Internal(error.into()))?;
    Ok(figure)
}
