//! Signing in and out, joining by an invitation, one's own account, and everybody's for administrators.

mod join;
mod own;
mod people;
mod sign_in;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{
    error::{AppError, AppResult},
    store::Account,
    web::{AppState, Caller},
};

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/join/{invitation}", get(join::show).post(join::join))
        .route("/account", get(own::show))
        .route("/account/password", post(own::change_password))
        .route("/account/tokens", post(own::create_token))
        .route("/account/tokens/{number}", post(own::revoke_token))
        .route("/people", get(people::show))
        .route("/people/invitations", post(people::invite))
        .route("/people/invitations/{number}", post(people::withdraw))
        .route("/people/accounts/{name}", post(people::change))
}

/// What is wrong with a form, and with which field.
struct Fault {
    field: String,
    reason: String,
}

/// The account of whoever posts here.
fn account_of(caller: &Caller) -> AppResult<&Account> {
    caller.account().ok_or_else(|| {
        AppError::Conflict("This server is reached from this machine alone and has no accounts; start it with --lan.".into())
    })
}

/// What can be said beside a field of the form; everything else is an error of the page.
fn fault<T>(outcome: AppResult<T>) -> AppResult<Result<T, Fault>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(AppError::Invalid { field, reason }) => Ok(Err(Fault { field, reason })),
        Err(AppError::Conflict(reason) | AppError::SignIn(reason)) => Ok(Err(Fault { field: String::new(), reason })),
        Err(other) => Err(other),
    }
}
