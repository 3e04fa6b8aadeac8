//! `/studies`: all searches for good settings, and the form that asks for one; `/studies/{id}`: one as it goes.

mod form;
mod list;
mod plots;
mod study;

use axum::{Router, response::Response, routing::get};

use super::{
    figures,
    words::{Sentence, Voice},
};
use crate::{
    error::{AppError, AppResult},
    tune::Plan,
    web::{AppState, parameters::Parameters},
};

pub fn router() -> Router<AppState> {
    Router::new().route("/studies", get(list::show).post(list::ask)).route("/studies/{id}", get(study::show).post(study::act))
}

/// The file called `name`, such as `studies-history.csv?study=...`.
///
/// # Errors
/// When there is no such figure, study or face.
pub fn file(app: &AppState, voice: Voice, name: &str, parameters: &Parameters) -> AppResult<Response> {
    let absent = || AppError::not_found(format!("There is no figure {name:?}."));
    let (kind, extension) = name.rsplit_once('.').ok_or_else(absent)?;
    if !study::FIGURES.contains(&kind) {
        return Err(absent());
    }
    let found = app.store.study(parameters.required("study")?)?;
    let plan = Plan::from_map(&found.spec)?;
    let (surrogate, importance) = plots::learn(&plan, &found);
    let studied = plots::Studied { study: &found, plan: &plan, surrogate: surrogate.as_ref(), importance: &importance };
    let figure = studied.figure(voice, kind, parameters.optional("dimension")?.unwrap_or_default());
    let figure = figure
        .ok_or_else(|| AppError::not_found(format!("The study {} has too few trials for {kind}, or no such dimension.", found.id)))?;
    figures::faces(&figure, voice, parameters, kind, extension)
}

/// `validation_accuracy` in words.
fn objective_name(voice: Voice, objective: &str) -> String {
    let (split, measure) = objective.split_once('_').unwrap_or(("validation", objective));
    let split = voice.say(&format!("datasets-split-{split}"));
    let measure = voice.say(&format!("runs-measure-{}", measure.replace('_', "-")));
    voice.sentence(&Sentence::new("runs-series").text("split", split).text("measure", measure))
}

/// Whether a study's numbers say nothing of the world: its data set was drawn by this program.
fn is_synthetic(app: &AppState, plan: &Plan) -> bool {
    let dataset = plan.config.get("dataset").and_then(serde_json::Value::as_str).and_then(|id| app.datasets.get(id).ok());
    dataset.is_some_and(crate::data::Dataset::is_synthetic)
}
