//! `/frozen?page=...`: a page as one file, which opens without a server and without a network.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};

use crate::{
    error::{AppError, AppResult},
    web::{
        AppState,
        language::Language,
        parameters::Parameters,
        press::{Frozen, Press, freeze, is_keepable},
        shell::Shell,
    },
};

/// The page of the query, in this language, as it is now.
pub async fn frozen(state: &AppState, address: &str, language: Language) -> AppResult<Frozen> {
    if !is_keepable(address) {
        return Err(AppError::invalid("page", format!("is {address:?}; expected the address of a page of results, such as /skin.")));
    }
    let stamp = format!("{} {} · {}", language.say("sharing-stamp"), language.moment(jiff::Timestamp::now()), path_of(address));
    freeze(&Press::new(state, language), address, &stamp).await
}

/// What a page's address says of itself in print: its path, without what is long.
fn path_of(address: &str) -> String {
    address.split('#').next().unwrap_or_default().chars().take(80).collect()
}

pub async fn download(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    let address = parameters.required("page")?;
    let frozen = frozen(&state, address, shell.language).await?;
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '-' };
    let name: String = path.trim_matches('/').chars().map(letter).take(80).collect();
    let name = if name.is_empty() { "overview" } else { &name };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"torchboard-{name}.html\"")),
        (header::CONTENT_SECURITY_POLICY, frozen.policy),
    ];
    Ok((headers, frozen.html).into_response())
}
