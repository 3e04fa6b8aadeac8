//! `/sign-in` and `/sign-out`.

use askama::Template;
use axum::{
    Form,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::CookieJar;

use super::{
    super::{page, preferences::own_address, words::Voice},
    Fault, fault,
};
use crate::{
    error::AppResult,
    web::{
        AppState,
        access::{Way, ended_cookie, session_cookie, session_of},
        parameters::Parameters,
        shell::Shell,
    },
};

#[derive(Template)]
#[template(path = "accounts/sign_in.html")]
struct SignInPage {
    shell: Shell,
    voice: Voice,
    /// Where to go then.
    back: String,
    name: String,
    fault: Option<Fault>,
}

pub async fn show(shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    let back = own_address(parameters.optional("back")?.unwrap_or("/"));
    page(&SignInPage { voice: Voice(shell.language), shell, back, name: String::new(), fault: None })
}

#[derive(serde::Deserialize)]
pub struct Given {
    name: String,
    password: String,
    #[serde(default)]
    back: String,
}

pub async fn sign_in(
    State(state): State<AppState>,
    shell: Shell,
    way: Way,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> AppResult<Response> {
    let back = own_address(&given.back);
    let name = given.name.clone();
    let present = session_of(&headers);
    let sign_in = move |app: &AppState| fault(app.accounts.sign_in(&given.name, &given.password, present.as_deref(), way.address));
    match state.compute(sign_in).await? {
        Ok(secret) => Ok((CookieJar::new().add(session_cookie(secret)), Redirect::to(&back)).into_response()),
        Err(fault) => {
            let page = page(&SignInPage { voice: Voice(shell.language), shell, back, name, fault: Some(fault) })?;
            Ok((StatusCode::UNAUTHORIZED, page).into_response())
        }
    }
}

pub async fn sign_out(State(state): State<AppState>, headers: HeaderMap) -> AppResult<Response> {
    if let Some(secret) = session_of(&headers) {
        state.compute(move |app| app.accounts.sign_out(&secret)).await?;
    }
    Ok((CookieJar::new().add(ended_cookie()), Redirect::to("/sign-in")).into_response())
}
