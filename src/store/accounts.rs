//! Accounts and the browsers that are signed in with them.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    Store,
    access::{Account, Role, Session},
    audit::{TERMINAL, at, audit},
    keys::{invitation_of, no_invitation},
    now_ms,
};
use crate::error::{AppError, AppResult};

/// A session or a token that is in use is written down again only after so long: a page of ten requests need not be ten writes.
pub(super) const USE_MS: i64 = 60_000;
/// Columns of [`account_at`], of a table called `a`.
pub(super) const ACCOUNT: &str = "a.name, a.role, a.password, a.created_ms, a.disabled_ms IS NOT NULL";

impl Store {
    /// The account called `name`, whatever the case of its letters.
    ///
    /// # Errors
    /// The store's own.
    pub fn account(&self, name: &str) -> AppResult<Option<Account>> {
        self.read(|connection| account(connection, name))
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// The store's own.
    pub fn accounts(&self) -> AppResult<Vec<Account>> {
        let query = format!("SELECT {ACCOUNT} FROM accounts AS a ORDER BY a.name");
        self.read(|connection| connection.prepare_cached(&query)?.query_map([], |row| account_at(row, 0))?.collect())
    }

    /// Whether somebody can administer accounts.
    ///
    /// # Errors
    /// The store's own.
    pub fn has_admin(&self) -> AppResult<bool> {
        self.read(|connection| Ok(count_admins(connection)? > 0))
    }

    /// Makes an account with the invitation whose secret has this hash, which is used up by it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such invitation, or it has expired; [`AppError::Invalid`] for `name` when it is taken.
    pub fn join(&self, invitation: &str, name: &str, password: &str, address: &str) -> AppResult<Account> {
        self.write(|transaction| {
            let found = invitation_of(transaction, invitation)?.ok_or_else(no_invitation)?;
            if account(transaction, name)?.is_some() {
                return Err(AppError::invalid("name", format!("{name:?} is taken; choose another.")));
            }
            transaction.execute("DELETE FROM invitations WHERE number = ?", [found.number])?;
            let insert = "INSERT INTO accounts (name, role, password, created_ms) VALUES (?, ?, ?, ?)";
            transaction.execute(insert, params![name, found.role.name(), password, now_ms()])?;
            let by = found.invited_by.as_deref().unwrap_or(TERMINAL);
            audit(transaction, name, "join", &format!("{}, invited by {by}", found.role.name()), address)?;
            account(transaction, name)?.ok_or_else(|| AppError::Internal(anyhow::anyhow!("the account is not there")))
        })
    }

    /// Gives an account another role, or shuts or opens it; whoever is signed in with it is signed out when it is shut.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such account; [`AppError::Conflict`] when nobody would be left who can administer accounts.
    pub fn change_account(&self, name: &str, role: Option<Role>, disabled: Option<bool>, by: (&str, &str)) -> AppResult<Account> {
        self.write(|transaction| {
            let before = account(transaction, name)?.ok_or_else(|| no_account(name))?;
            let (role, disabled) = (role.unwrap_or(before.role), disabled.unwrap_or(before.is_disabled));
            let update = "UPDATE accounts SET role = ?, disabled_ms = CASE WHEN ? THEN coalesce(disabled_ms, ?) END WHERE name = ?";
            transaction.execute(update, params![role.name(), disabled, now_ms(), name])?;
            if count_admins(transaction)? == 0 {
                return Err(AppError::Conflict(format!("{} is the last administrator; make another first.", before.name)));
            }
            if disabled {
                transaction.execute("DELETE FROM sessions WHERE account = (SELECT number FROM accounts WHERE name = ?)", [name])?;
            }
            if role != before.role {
                audit(transaction, by.0, "role", &format!("{}: {} to {}", before.name, before.role.name(), role.name()), by.1)?;
            }
            if disabled != before.is_disabled {
                audit(transaction, by.0, if disabled { "disable" } else { "enable" }, &before.name, by.1)?;
            }
            account(transaction, name)?.ok_or_else(|| no_account(name))
        })
    }

    /// Sets another password, and ends every session of the account.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such account.
    pub fn change_password(&self, name: &str, password: &str, by: (&str, &str)) -> AppResult<()> {
        self.write(|transaction| {
            if transaction.execute("UPDATE accounts SET password = ? WHERE name = ?", [password, name])? == 0 {
                return Err(no_account(name));
            }
            transaction.execute("DELETE FROM sessions WHERE account = (SELECT number FROM accounts WHERE name = ?)", [name])?;
            audit(transaction, by.0, "password", name, by.1)
        })
    }

    /// Signs a browser in for `lifetime_ms`; `replaced` is the hash of a session that it had, which ends.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such account.
    pub fn begin_session(&self, secret: &str, name: &str, lifetime_ms: i64, replaced: Option<&str>, address: &str) -> AppResult<()> {
        self.write(|transaction| {
            let now = now_ms();
            transaction.execute("DELETE FROM sessions WHERE secret = ? OR expires_ms <= ?", params![replaced, now])?;
            let insert = "INSERT INTO sessions (secret, account, created_ms, used_ms, expires_ms)
                SELECT ?1, number, ?2, ?2, ?3 FROM accounts WHERE name = ?4";
            if transaction.execute(insert, params![secret, now, now.saturating_add(lifetime_ms), name])? == 0 {
                return Err(no_account(name));
            }
            audit(transaction, name, "sign-in", "", address)
        })
    }

    /// The session of this hash, if it still is one. In use it lasts another `lifetime_ms`.
    ///
    /// # Errors
    /// The store's own.
    pub fn session(&self, secret: &str, lifetime_ms: i64) -> AppResult<Option<Session>> {
        let query = format!(
            "SELECT s.used_ms, s.expires_ms, {ACCOUNT} FROM sessions AS s JOIN accounts AS a ON a.number = s.account
            WHERE s.secret = ? AND s.expires_ms > ? AND a.disabled_ms IS NULL"
        );
        let now = now_ms();
        let found = self.read(|connection| {
            let session =
                |row: &Row<'_>| Ok(Session { used_at: at(row.get(0)?), expires_at: at(row.get(1)?), account: account_at(row, 2)? });
            connection.prepare_cached(&query)?.query_row(params![secret, now], session).optional()
        })?;
        if found.as_ref().is_some_and(|session| now - session.used_at.as_millisecond() > USE_MS) {
            self.write(|transaction| {
                let update = "UPDATE sessions SET used_ms = ?, expires_ms = ? WHERE secret = ?";
                Ok(transaction.execute(update, params![now, now.saturating_add(lifetime_ms), secret])?)
            })?;
        }
        Ok(found)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store's own.
    pub fn end_session(&self, secret: &str) -> AppResult<()> {
        self.write(|transaction| Ok(transaction.execute("DELETE FROM sessions WHERE secret = ?", [secret])?)).map(drop)
    }
}

pub(super) fn no_account(name: &str) -> AppError {
    AppError::not_found(format!("There is no account {name:?}."))
}

fn account(connection: &Connection, name: &str) -> rusqlite::Result<Option<Account>> {
    let query = format!("SELECT {ACCOUNT} FROM accounts AS a WHERE a.name = ?");
    connection.prepare_cached(&query)?.query_row([name], |row| account_at(row, 0)).optional()
}

pub(super) fn account_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Account> {
    let role: String = row.get(first + 1)?;
    Ok(Account {
        name: row.get(first)?,
        role: Role::named(&role).unwrap_or(Role::Viewer), // a role of a newer program's is the least
        password: row.get(first + 2)?,
        created_at: at(row.get(first + 3)?),
        is_disabled: row.get(first + 4)?,
    })
}

fn count_admins(connection: &Connection) -> rusqlite::Result<i64> {
    let query = "SELECT count(*) FROM accounts WHERE role = ? AND disabled_ms IS NULL";
    connection.query_row(query, [Role::Admin.name()], |row| row.get(0))
}
