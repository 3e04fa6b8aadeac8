//! `/figures/{name}`: what stands on the pages, as files: the same numbers in every form.

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse as _, Response},
    routing::get,
};

use super::{datasets, fashion, runs, skin, studies, triplet, words, words::Voice};
use crate::{
    error::{AppError, AppResult},
    figure::{Direction, Figure, Theme, Width},
    web::{AppState, language::Language, parameters::Parameters, shell::Shell},
};

pub fn router() -> Router<AppState> {
    Router::new().route("/figures/{name}", get(figure))
}

/// `words-neighbors.csv`, `datasets-balance.svg` and the like: the numbers and drawings of a page, for its parameters.
async fn figure(State(state): State<AppState>, Path(name): Path<String>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    let file = move |app: &AppState| {
        let voice = Voice(shell.language);
        if name.starts_with("datasets-") {
            datasets::file(app, voice, &name, &parameters)
        } else if name.starts_with("runs-") {
            runs::file(app, voice, &name, &parameters)
        } else if name.starts_with("studies-") {
            studies::file(app, voice, &name, &parameters)
        } else if name.starts_with("fashion-") {
            fashion::file(app, voice, &name, &parameters)
        } else if name.starts_with("triplet-") {
            triplet::file(app, voice, &name, &parameters)
        } else if name.starts_with("skin-") {
            skin::file(app, voice, &name, &parameters)
        } else {
            words::file(app, voice, &name, parameters)
        }
    };
    state.compute(file).await
}

/// The figure as `svg` or `png`: `theme=dark` for a dark page; `scale` for the pixels of a PNG.
pub fn drawn(figure: &Figure, voice: Voice, parameters: &Parameters, extension: &str) -> AppResult<Response> {
    let theme = match parameters.optional("theme")? {
        None | Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some(_) => return Err(AppError::invalid("theme", "expected light or dark.")),
    };
    let direction = if voice.0 == Language::Persian { Direction::RightToLeft } else { Direction::LeftToRight };
    if extension == "svg" {
        return Ok(named("image/svg+xml", &figure.id, extension, figure.to_svg(Width::Wide, theme, direction).into_bytes()));
    }
    let scale = parameters.number("scale", 2, 1..=4)?;
    let png = figure.to_png(Width::Wide, theme, direction, scale as f32).map_err(|error| AppError::Internal(error.into()))?;
    Ok(named("image/png", &figure.id, extension, png))
}

/// A figure in the form that `extension` asks for, called `name`.
///
/// # Errors
/// When there is no such form, or a parameter can't be used.
pub fn faces(figure: &Figure, voice: Voice, parameters: &Parameters, name: &str, extension: &str) -> AppResult<Response> {
    figure.check().map_err(|error| AppError::Internal(error.into()))?;
    match extension {
        "svg" | "png" => drawn(figure, voice, parameters, extension),
        "csv" => Ok(named("text/csv; charset=utf-8", name, extension, figure.to_csv().into_bytes())),
        "json" => {
            let json = figure.to_json().map_err(|error| AppError::Internal(error.into()))?;
            Ok(named("application/json", name, extension, json.into_bytes()))
        }
        _ => Err(AppError::not_found(format!("{name} has no face {extension:?}; there are svg, png, csv and json."))),
    }
}

/// A file that is shown, and saved under its name.
pub fn named(kind: &'static str, name: &str, extension: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("inline; filename=\"{name}.{extension}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response()
}
