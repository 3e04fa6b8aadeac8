//! `/figures/words-...`: what stands on the page, as a file.

use axum::{
    Json,
    http::header,
    response::{IntoResponse as _, Response},
};

use super::{
    accuracy, analogies, bias, chart, distances,
    input::{self, Fault},
    maps, neighbors, odd, plots,
    query::State,
    sheets,
    voice::Voice,
};
use crate::{
    error::{AppError, AppResult},
    figure::{Direction, Figure, Theme, Width},
    web::{AppState, language::Language, parameters::Parameters},
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

/// `theme=dark` for a dark page; `scale` for the pixels of a PNG.
fn drawn(figure: &Figure, voice: Voice, parameters: &Parameters, extension: &str) -> AppResult<Response> {
    let theme = match parameters.optional("theme")? {
        None | Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some(_) => return Err(AppError::invalid("theme", "expected light or dark.")),
    };
    let direction = if voice.0 == Language::Persian { Direction::RightToLeft } else { Direction::LeftToRight };
    if extension == "svg" {
        return Ok(named("image/svg+xml", &figure.id, extension, figure.to_svg(Width::Wide, theme, direction).into_bytes()));
    }
    let scale = parameters.optional("scale")?.map_or(Ok(2), |text| input::number(text, 1..=4, ""));
    let scale = scale.map_err(|_| AppError::invalid("scale", "expected a whole number from 1 to 4."))?;
    let png = figure.to_png(Width::Wide, theme, direction, scale as f32).map_err(|error| AppError::Internal(error.into()))?;
    Ok(named("image/png", &figure.id, extension, png))
}

fn named(kind: &'static str, name: &str, extension: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("inline; filename=\"{name}.{extension}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response()
}
