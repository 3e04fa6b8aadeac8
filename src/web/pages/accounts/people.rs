//! `/people`: accounts, invitations and the audit trail, for administrators.

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
};

use super::{
    super::{page, runs::time, words::Voice},
    Fault, account_of, fault,
};
use crate::{
    error::{AppError, AppResult},
    store::{Account, AuditEntry, Invitation, Role},
    web::{
        AppState,
        access::{Caller, Way},
        parameters::Parameters,
        shell::Shell,
    },
};

/// Lines of the audit trail on one page.
const ENTRIES: usize = 50;

/// What the audit trail tells of, as `locales/` has it.
const DEEDS: [&str; 18] = [
    "join",
    "sign-in",
    "sign-in-refused",
    "password",
    "role",
    "disable",
    "enable",
    "token",
    "revoke",
    "invite",
    "withdraw",
    "share",
    "unshare",
    "report",
    "delete",
    "post",
    "put",
    "patch",
];

#[derive(Template)]
#[template(path = "accounts/people.html")]
struct PeoplePage {
    shell: Shell,
    voice: Voice,
    accounts: Vec<Account>,
    invitations: Vec<Invitation>,
    audit: Vec<AuditEntry>,
    /// The link of an invitation that was just made.
    link: Option<String>,
    fault: Option<Fault>,
}

impl PeoplePage {
    fn new(app: &AppState, shell: Shell, before: Option<i64>) -> AppResult<Self> {
        let (accounts, invitations, audit) = (app.store.accounts()?, app.store.invitations()?, app.store.audit(before, ENTRIES)?);
        Ok(Self { voice: Voice(shell.language), shell, accounts, invitations, audit, link: None, fault: None })
    }

    fn role_name(&self, role: &Role) -> String {
        self.voice.say(&format!("accounts-role-{}", role.name()))
    }

    /// Where an account is changed.
    fn address(&self, account: &Account) -> String {
        let name = percent_encoding::utf8_percent_encode(&account.name, percent_encoding::NON_ALPHANUMERIC);
        format!("/people/accounts/{name}")
    }

    /// What was done, in the reader's words.
    fn did(&self, entry: &AuditEntry) -> String {
        let key = entry.did.to_lowercase().replace(' ', "-");
        if DEEDS.contains(&key.as_str()) { self.voice.say(&format!("audit-{key}")) } else { entry.did.clone() }
    }

    fn time(&self, at: &jiff::Timestamp) -> String {
        time(*at)
    }

    /// The number before which the next page of the audit trail begins.
    fn earlier(&self) -> Option<i64> {
        self.audit.last().filter(|last| last.number > 1 && self.audit.len() == ENTRIES).map(|last| last.number)
    }
}

pub async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    let before = parameters.optional("before")?.map(|_| parameters.number("before", 0, 1..=usize::MAX >> 1)).transpose()?;
    state.compute(move |app| page(&PeoplePage::new(app, shell, before.map(|before| before as i64))?)).await
}

#[derive(serde::Deserialize)]
pub struct Invited {
    role: String,
}

/// The link is shown on the page that answers, and nowhere again.
pub async fn invite(
    State(state): State<AppState>,
    shell: Shell,
    caller: Caller,
    way: Way,
    Form(invited): Form<Invited>,
) -> AppResult<Html<String>> {
    state
        .compute(move |app| {
            let role = role_of(&invited.role)?;
            let secret = app.accounts.invite(role, Some(&account_of(&caller)?.name), &way.address.to_string())?;
            let link = Some(way.link(&format!("/join/{secret}")));
            page(&PeoplePage { link, ..PeoplePage::new(app, shell, None)? })
        })
        .await
}

pub async fn withdraw(State(state): State<AppState>, caller: Caller, way: Way, Path(number): Path<i64>) -> AppResult<Redirect> {
    state
        .compute(move |app| {
            app.store.withdraw(number, (&account_of(&caller)?.name, &way.address.to_string()))?;
            Ok(Redirect::to("/people#invitations"))
        })
        .await
}

#[derive(serde::Deserialize)]
pub struct Changed {
    role: Option<String>,
    /// `yes` or `no`.
    disabled: Option<String>,
}

pub async fn change(
    State(state): State<AppState>,
    shell: Shell,
    caller: Caller,
    way: Way,
    Path(name): Path<String>,
    Form(changed): Form<Changed>,
) -> AppResult<Response> {
    let change = move |app: &AppState| {
        let role = changed.role.as_deref().map(role_of).transpose()?;
        let disabled = match changed.disabled.as_deref() {
            None => None,
            Some("yes") => Some(true),
            Some("no") => Some(false),
            Some(_) => return Err(AppError::invalid("disabled", "expected yes or no.")),
        };
        let changed = app.store.change_account(&name, role, disabled, (&account_of(&caller)?.name, &way.address.to_string()));
        match fault(changed)? {
            Ok(_) => Ok(Redirect::to("/people").into_response()),
            Err(fault) => {
                let page = page(&PeoplePage { fault: Some(fault), ..PeoplePage::new(app, shell, None)? })?;
                Ok((StatusCode::CONFLICT, page).into_response())
            }
        }
    };
    state.compute(change).await
}

fn role_of(name: &str) -> AppResult<Role> {
    Role::named(name).ok_or_else(|| AppError::invalid("role", "expected viewer, trainer or admin."))
}
