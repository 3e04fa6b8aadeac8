//! `/account`: one's password, and tokens for one's programs.

use askama::Template;
use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
};

use super::{
    super::{page, runs::time, words::Voice},
    Fault, account_of, fault,
};
use crate::{
    accounts::MOST_TOKEN_DAYS,
    error::{AppError, AppResult},
    store::{Account, Permission, Token},
    web::{
        AppState,
        access::{Caller, Way},
        parameters::Parameters,
        shell::Shell,
    },
};

#[derive(Template)]
#[template(path = "accounts/own.html")]
struct OwnPage {
    shell: Shell,
    voice: Voice,
    /// None: the server is its user's alone.
    account: Option<Account>,
    tokens: Vec<Token>,
    /// The secret of a token that was just made.
    secret: Option<String>,
    fault: Option<Fault>,
}

impl OwnPage {
    fn new(app: &AppState, shell: Shell, caller: &Caller) -> AppResult<Self> {
        let account = caller.account().cloned();
        let tokens = account.as_ref().map(|account| app.store.tokens(&account.name)).transpose()?.unwrap_or_default();
        Ok(Self { voice: Voice(shell.language), shell, account, tokens, secret: None, fault: None })
    }

    fn fault_of(&self, field: &str) -> Option<&str> {
        self.fault.as_ref().filter(|fault| fault.field == field).map(|fault| fault.reason.as_str())
    }

    fn scopes(&self) -> Vec<Permission> {
        let role = self.account.as_ref().map(|account| account.role);
        Permission::ALL.into_iter().filter(|scope| role.is_some_and(|role| role.may(*scope))).collect()
    }

    fn named(&self, scopes: &[Permission]) -> String {
        scopes.iter().map(|scope| self.voice.say(&format!("accounts-scope-{}", scope.name()))).collect::<Vec<_>>().join(", ")
    }

    fn time(&self, at: &jiff::Timestamp) -> String {
        time(*at)
    }

    fn most_days(&self) -> u32 {
        MOST_TOKEN_DAYS
    }
}

pub async fn show(State(state): State<AppState>, shell: Shell, caller: Caller) -> AppResult<Html<String>> {
    state.compute(move |app| page(&OwnPage::new(app, shell, &caller)?)).await
}

pub async fn change_password(State(state): State<AppState>, shell: Shell, caller: Caller, way: Way, body: Bytes) -> AppResult<Response> {
    let change = move |app: &AppState| {
        let given = Parameters::parse(&String::from_utf8_lossy(&body));
        let text = |name: &str| given.optional(name).map(Option::unwrap_or_default);
        let account = account_of(&caller)?;
        match fault(app.accounts.change_password(account, text("password")?, text("new_password")?, way.address))? {
            Ok(()) => Ok(Redirect::to("/sign-in?back=/account").into_response()),
            Err(fault) => refused(app, shell, &caller, fault),
        }
    };
    state.compute(change).await
}

pub async fn create_token(State(state): State<AppState>, shell: Shell, caller: Caller, way: Way, body: Bytes) -> AppResult<Response> {
    let create = move |app: &AppState| {
        let given = Parameters::parse(&String::from_utf8_lossy(&body));
        let account = account_of(&caller)?;
        let create = || {
            let named = |name: &str| Permission::named(name).ok_or_else(|| AppError::invalid("scopes", format!("{name:?} is none.")));
            let scopes = given.many("scopes", Permission::ALL.len())?.into_iter().map(named).collect::<AppResult<Vec<_>>>()?;
            let days = given.number("days", 90, 1..=MOST_TOKEN_DAYS as usize)?;
            app.accounts.create_token(account, given.optional("name")?.unwrap_or_default(), &scopes, days as u32, way.address)
        };
        match fault(create())? {
            // Shown on the page that answers, and nowhere again: an address that led there would hold it.
            Ok((secret, _)) => Ok(page(&OwnPage { secret: Some(secret), ..OwnPage::new(app, shell, &caller)? })?.into_response()),
            Err(fault) => refused(app, shell, &caller, fault),
        }
    };
    state.compute(create).await
}

pub async fn revoke_token(State(state): State<AppState>, caller: Caller, way: Way, Path(number): Path<i64>) -> AppResult<Redirect> {
    state
        .compute(move |app| {
            app.store.revoke_token(number, &account_of(&caller)?.name, &way.address.to_string())?;
            Ok(Redirect::to("/account#tokens"))
        })
        .await
}

fn refused(app: &AppState, shell: Shell, caller: &Caller, fault: Fault) -> AppResult<Response> {
    let page = page(&OwnPage { fault: Some(fault), ..OwnPage::new(app, shell, caller)? })?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
