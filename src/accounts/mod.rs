//! Signing in: passwords, secrets, invitations, sessions and tokens, and how often one may try.
//!
//! What is kept is `store`'s; what a request may do is decided in `web`. Secrets leave this module once, to whom they belong, and are kept as
//! hashes; comparing a secret is looking its hash up, so that time tells nothing of it.

mod attempts;
mod password;
mod secret;

use std::{net::IpAddr, sync::Arc};

pub use self::attempts::network_of;
use self::{attempts::Attempts, secret::Secret};
use crate::{
    error::{AppError, AppResult},
    store::{self, Account, Permission, Role, Session, Store, Token},
};

/// The accounts of one store; cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    attempts: Arc<Attempts>,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A browser that is not used for so long is signed out.
pub const SESSION_MS: i64 = 14 * DAY_MS;
/// An invitation lasts as long.
pub const INVITATION_MS: i64 = 7 * DAY_MS;
/// Days that a token may last at most.
pub const MOST_TOKEN_DAYS: u32 = 365;
/// Lengths of names, in characters.
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 2..=40;

impl Accounts {
    /// Those of `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, attempts: Arc::default() }
    }

    /// A secret for the first administrator's invitation, where nobody can administer accounts yet; the one before it is none any more.
    ///
    /// # Errors
    /// The store's own.
    pub fn first_invitation(&self) -> AppResult<Option<String>> {
        if self.store.has_admin()? {
            return Ok(None);
        }
        self.invite(Role::Admin, None, "terminal").map(Some)
    }

    /// The secret of a new invitation, which is shown this once.
    ///
    /// # Errors
    /// The store's own.
    pub fn invite(&self, role: Role, by: Option<&str>, address: &str) -> AppResult<String> {
        let secret = Secret::fresh("");
        self.store.invite(&secret.hash(), role, by, INVITATION_MS, address)?;
        Ok(secret.shown())
    }

    /// What the account will be that this invitation makes.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when it is none, or none any more.
    pub fn invited(&self, invitation: &str) -> AppResult<Role> {
        let found = self.store.invitation(&secret::hash(invitation))?;
        found.map(|found| found.role).ok_or_else(store::no_invitation)
    }

    /// Makes an account with an invitation. Takes the tenths of a second that a password costs.
    ///
    /// # Errors
    /// [`AppError::NotFound`] as [`Self::invited`]; [`AppError::Invalid`] for `name` or `password`.
    pub fn join(&self, invitation: &str, name: &str, password: &str, address: IpAddr) -> AppResult<Account> {
        self.invited(invitation)?;
        let name = check_name(name)?;
        let kept = password::keep(password, name)?;
        self.store.join(&secret::hash(invitation), name, &kept, &address.to_string())
    }

    /// Signs a browser in: the secret of its session. `replaced`: that of a session that it had before, which ends. Takes tenths of a second.
    ///
    /// # Errors
    /// [`AppError::SignIn`] when name and password don't belong together, whichever of them is wrong; [`AppError::TooMany`] after some such.
    pub fn sign_in(&self, name: &str, password: &str, replaced: Option<&str>, address: IpAddr) -> AppResult<String> {
        self.attempts.begin(name, address)?;
        let account = self.store.account(name)?.filter(|account| !account.is_disabled);
        // As long for a name that nobody has: time must not tell which names there are.
        let is_right = password::is_kept_as(password, account.as_ref().map(|account| account.password.as_str()));
        let Some(account) = account.filter(|_| is_right) else {
            self.store.record(&shortened(name), "sign-in refused", "", &address.to_string())?;
            return Err(AppError::SignIn("The name or the password is wrong.".into()));
        };
        self.attempts.succeeded(name, address);
        let secret = Secret::fresh("");
        let replaced = replaced.map(secret::hash);
        self.store.begin_session(&secret.hash(), &account.name, SESSION_MS, replaced.as_deref(), &address.to_string())?;
        Ok(secret.shown())
    }

    /// Who is signed in with this secret.
    ///
    /// # Errors
    /// The store's own.
    pub fn session(&self, secret: &str) -> AppResult<Option<Session>> {
        self.store.session(&secret::hash(secret), SESSION_MS)
    }

    /// Signs a browser out.
    ///
    /// # Errors
    /// The store's own.
    pub fn sign_out(&self, secret: &str) -> AppResult<()> {
        self.store.end_session(&secret::hash(secret))
    }

    /// Another password for an account whose present one is given; every browser is signed out.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `password` (the present one is wrong) or `new_password`; [`AppError::TooMany`] after some wrong ones.
    pub fn change_password(&self, account: &Account, present: &str, new: &str, address: IpAddr) -> AppResult<()> {
        self.attempts.begin(&account.name, address)?;
        if !password::is_kept_as(present, Some(&account.password)) {
            return Err(AppError::invalid("password", "is not your present password."));
        }
        self.attempts.succeeded(&account.name, address);
        let kept = password::keep(new, &account.name).map_err(|error| match error {
            AppError::Invalid { reason, .. } => AppError::invalid("new_password", reason),
            other => other,
        })?;
        self.store.change_password(&account.name, &kept, (&account.name, &address.to_string()))
    }

    /// A token for programs: its secret, which is shown this once, and what is known of it.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `name`, `scopes` or `days`.
    pub fn create_token(
        &self,
        owner: &Account,
        name: &str,
        scopes: &[Permission],
        days: u32,
        address: IpAddr,
    ) -> AppResult<(String, Token)> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > *NAME_LENGTHS.end() || name.chars().any(char::is_control) {
            return Err(AppError::invalid(
                "name",
                format!("expected 1 to {} characters that say what the token is for.", NAME_LENGTHS.end()),
            ));
        }
        if scopes.is_empty() {
            return Err(AppError::invalid("scopes", "expected at least one of read, train and administer."));
        }
        if let Some(beyond) = scopes.iter().find(|scope| !owner.role.may(**scope)) {
            return Err(AppError::invalid("scopes", format!("name {}, which a {} may not do.", beyond.name(), owner.role.name())));
        }
        if !(1..=MOST_TOKEN_DAYS).contains(&days) {
            return Err(AppError::invalid("days", format!("expected 1 to {MOST_TOKEN_DAYS}.")));
        }
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let secret = Secret::fresh(secret::TOKEN_PREFIX);
        let token = self.store.create_token(&secret.hash(), &owner.name, name, &scopes, i64::from(days) * DAY_MS, &address.to_string())?;
        Ok((secret.shown(), token))
    }

    /// Whose token this is, and what it may be used for.
    ///
    /// # Errors
    /// The store's own.
    pub fn token(&self, secret: &str) -> AppResult<Option<(Account, Token)>> {
        self.store.token(&secret::hash(secret))
    }
}

/// A new secret for a link, which is shown once, and what is kept of it.
#[must_use]
pub fn link_secret() -> (String, String) {
    let secret = Secret::fresh("");
    let hash = secret.hash();
    (secret.shown(), hash)
}

/// What is kept of the secret of a link that somebody opens.
#[must_use]
pub fn kept_of(secret: &str) -> String {
    secret::hash(secret)
}

fn check_name(name: &str) -> AppResult<&str> {
    let name = name.trim();
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_');
    if NAME_LENGTHS.contains(&name.chars().count()) && name.chars().all(fits) {
        return Ok(name);
    }
    let lengths = format!("{} to {}", NAME_LENGTHS.start(), NAME_LENGTHS.end());
    Err(AppError::invalid("name", format!("expected {lengths} letters, digits, dots, hyphens and underscores.")))
}

/// Of a name that somebody typed and nobody checked, what the audit trail keeps.
fn shortened(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(*NAME_LENGTHS.end()).collect()
}

#[cfg(test)]
mod tests;
