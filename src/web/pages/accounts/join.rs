//! `/join/{invitation}`: an invitation becomes an account.

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::CookieJar;

use super::{
    super::{page, words::Voice},
    Fault, fault,
};
use crate::{
    error::{AppError, AppResult},
    store::Role,
    web::{
        AppState,
        access::{Way, session_cookie},
        shell::Shell,
    },
};

#[derive(Template)]
#[template(path = "accounts/join.html")]
struct JoinPage {
    shell: Shell,
    voice: Voice,
    role: Role,
    name: String,
    fault: Option<Fault>,
}

impl JoinPage {
    fn invited(&self) -> String {
        self.voice.say(&format!("accounts-join-{}", self.role.name()))
    }

    fn fault_of(&self, field: &str) -> Option<&str> {
        self.fault.as_ref().filter(|fault| fault.field == field).map(|fault| fault.reason.as_str())
    }
}

pub async fn show(State(state): State<AppState>, mut shell: Shell, Path(invitation): Path<String>) -> AppResult<Html<String>> {
    "/sign-in".clone_into(&mut shell.here); // the switches would carry the secret along
    state
        .compute(move |app| {
            let role = app.accounts.invited(&invitation)?;
            page(&JoinPage { voice: Voice(shell.language), shell, role, name: String::new(), fault: None })
        })
        .await
}

#[derive(serde::Deserialize)]
pub struct Given {
    name: String,
    password: String,
    again: String,
}

pub async fn join(
    State(state): State<AppState>,
    mut shell: Shell,
    Path(invitation): Path<String>,
    way: Way,
    Form(given): Form<Given>,
) -> AppResult<Response> {
    "/sign-in".clone_into(&mut shell.here);
    let join = move |app: &AppState| {
        let role = app.accounts.invited(&invitation)?;
        let joined = if given.password == given.again {
            app.accounts.join(&invitation, &given.name, &given.password, way.address)
        } else {
            Err(AppError::invalid("again", "is not the same password; type it twice alike."))
        };
        match fault(joined)? {
            Ok(account) => {
                let secret = app.accounts.sign_in(&account.name, &given.password, None, way.address)?;
                Ok((CookieJar::new().add(session_cookie(secret)), Redirect::to("/")).into_response())
            }
            Err(fault) => {
                let page = page(&JoinPage { voice: Voice(shell.language), shell, role, name: given.name, fault: Some(fault) })?;
                Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
            }
        }
    };
    state.compute(join).await
}
