//! `/reports/pick?page=...`: the parts of a page, to be put into a report.

use askama::Template;
use axum::{
    Form,
    extract::State,
    response::{Html, Redirect},
};

use super::{
    super::{page, words::Voice},
    composed::check_page,
};
use crate::{
    error::{AppError, AppResult},
    store::{Block, Report},
    web::{
        AppState,
        access::{Caller, Way},
        parameters::Parameters,
        press::{self, Part, Press},
        shell::Shell,
    },
};

#[derive(Template)]
#[template(path = "sharing/pick.html")]
struct PickPage {
    shell: Shell,
    voice: Voice,
    address: String,
    parts: Vec<Part>,
    reports: Vec<Report>,
}

pub async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    let address = parameters.required("page")?.to_owned();
    let parts = parts(&state, &shell, &address).await?;
    state.compute(move |app| page(&PickPage { voice: Voice(shell.language), shell, address, parts, reports: app.store.reports()? })).await
}

async fn parts(state: &AppState, shell: &Shell, address: &str) -> AppResult<Vec<Part>> {
    check_page(address)?;
    press::parts(&Press::new(state, shell.language).page(address).await?)
}

/// Puts the parts that were chosen at the end of a report, or of a new one.
pub async fn take(
    State(state): State<AppState>,
    shell: Shell,
    caller: Caller,
    way: Way,
    Form(sent): Form<Vec<(String, String)>>,
) -> AppResult<Redirect> {
    let sent = Parameters(sent);
    let address = sent.required("page")?.to_owned();
    let known = parts(&state, &shell, &address).await?;
    let chosen: Vec<Part> = sent
        .many("part", known.len().max(1))?
        .into_iter()
        .map(|id| known.iter().find(|part| part.id == id).cloned())
        .collect::<Option<_>>()
        .ok_or_else(|| AppError::invalid("part", format!("{address} has no such part; open its list of parts again.")))?;
    if chosen.is_empty() {
        return Err(AppError::invalid("part", "is missing; choose at least one part."));
    }
    state
        .compute(move |app| {
            let address_of_caller = way.address.to_string();
            let by = (caller.signature(), address_of_caller.as_str());
            let mut report = match sent.optional("report")?.filter(|id| !id.is_empty()) {
                Some(id) => app.store.report(id)?,
                None => app.store.create_report(sent.required("title")?, by)?,
            };
            let page = address.split('#').next().unwrap_or_default();
            report.blocks.extend(chosen.into_iter().map(|part| Block::Part { page: page.to_owned(), part: part.id, title: part.title }));
            let report = app.store.change_report(&report, by)?;
            Ok(Redirect::to(&format!("/reports/{}/edit#block-{}", report.id, report.blocks.len() - 1)))
        })
        .await
}
