//! Tokens of programs, and links that invite people.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    Store,
    access::{Account, Invitation, Permission, Role, Token},
    accounts::{ACCOUNT, USE_MS, account_at, no_account},
    audit::{TERMINAL, at, audit},
    now_ms,
};
use crate::error::{AppError, AppResult};

/// Columns of [`token_at`]; how many they are.
const TOKEN: &str = "t.number, a.name, t.name, t.scopes, t.created_ms, t.expires_ms, t.used_ms";
const TOKEN_COLUMNS: usize = 7;
/// Columns of [`invitation_at`].
const INVITATION: &str = "number, role, invited_by, created_ms, expires_ms";

impl Store {
    /// Keeps the hash of a new token's secret.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such account.
    pub fn create_token(
        &self,
        secret: &str,
        owner: &str,
        name: &str,
        scopes: &[Permission],
        lifetime_ms: i64,
        address: &str,
    ) -> AppResult<Token> {
        self.write(|transaction| {
            let now = now_ms();
            let insert = "INSERT INTO tokens (secret, account, name, scopes, created_ms, expires_ms)
                SELECT ?, number, ?, ?, ?, ? FROM accounts WHERE name = ?";
            let values = params![
                secret,
                name,
                serde_json::to_string(scopes).map_err(anyhow::Error::from)?,
                now,
                now.saturating_add(lifetime_ms),
                owner
            ];
            if transaction.execute(insert, values)? == 0 {
                return Err(no_account(owner));
            }
            audit(transaction, owner, "token", name, address)?;
            let query = format!("SELECT {TOKEN} FROM tokens AS t JOIN accounts AS a ON a.number = t.account WHERE t.secret = ?");
            Ok(transaction.query_row(&query, [secret], token_at)?)
        })
    }

    /// The tokens of an account that have not expired, the newest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn tokens(&self, owner: &str) -> AppResult<Vec<Token>> {
        let query = format!(
            "SELECT {TOKEN} FROM tokens AS t JOIN accounts AS a ON a.number = t.account WHERE a.name = ? AND t.expires_ms > ? ORDER BY t.number DESC"
        );
        self.read(|connection| connection.prepare_cached(&query)?.query_map(params![owner, now_ms()], token_at)?.collect())
    }

    /// The account and the token whose secret has this hash, if it still is one.
    ///
    /// # Errors
    /// The store's own.
    pub fn token(&self, secret: &str) -> AppResult<Option<(Account, Token)>> {
        let query = format!(
            "SELECT {TOKEN}, {ACCOUNT} FROM tokens AS t JOIN accounts AS a ON a.number = t.account
            WHERE t.secret = ? AND t.expires_ms > ? AND a.disabled_ms IS NULL"
        );
        let now = now_ms();
        let found = self.read(|connection| {
            let both = |row: &Row<'_>| Ok((account_at(row, TOKEN_COLUMNS)?, token_at(row)?));
            connection.prepare_cached(&query)?.query_row(params![secret, now], both).optional()
        })?;
        if found.as_ref().is_some_and(|(_, token)| token.used_at.is_none_or(|used| now - used.as_millisecond() > USE_MS)) {
            self.write(|transaction| Ok(transaction.execute("UPDATE tokens SET used_ms = ? WHERE secret = ?", params![now, secret])?))?;
        }
        Ok(found)
    }

    /// Ends a token of this owner.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when the owner has no such token.
    pub fn revoke_token(&self, number: i64, owner: &str, address: &str) -> AppResult<()> {
        self.write(|transaction| {
            let delete = "DELETE FROM tokens WHERE number = ? AND account = (SELECT number FROM accounts WHERE name = ?) RETURNING name";
            let name: Option<String> = transaction.query_row(delete, params![number, owner], |row| row.get(0)).optional()?;
            let name = name.ok_or_else(|| AppError::not_found(format!("{owner} has no token {number}.")))?;
            audit(transaction, owner, "revoke", &name, address)
        })
    }

    /// Keeps the hash of an invitation's secret. One by the terminal takes the place of those before it.
    ///
    /// # Errors
    /// The store's own.
    pub fn invite(&self, secret: &str, role: Role, invited_by: Option<&str>, lifetime_ms: i64, address: &str) -> AppResult<()> {
        self.write(|transaction| {
            let now = now_ms();
            let terminal = invited_by.is_none();
            transaction.execute("DELETE FROM invitations WHERE expires_ms <= ? OR (? AND invited_by IS NULL)", params![now, terminal])?;
            let insert = "INSERT INTO invitations (secret, role, invited_by, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)";
            transaction.execute(insert, params![secret, role.name(), invited_by, now, now.saturating_add(lifetime_ms)])?;
            audit(transaction, invited_by.unwrap_or(TERMINAL), "invite", role.name(), address)
        })
    }

    /// The invitation whose secret has this hash, if it still is one.
    ///
    /// # Errors
    /// The store's own.
    pub fn invitation(&self, secret: &str) -> AppResult<Option<Invitation>> {
        self.read(|connection| invitation_of(connection, secret))
    }

    /// Those that can still be used, the newest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn invitations(&self) -> AppResult<Vec<Invitation>> {
        let query = format!("SELECT {INVITATION} FROM invitations WHERE expires_ms > ? ORDER BY number DESC");
        self.read(|connection| connection.prepare_cached(&query)?.query_map([now_ms()], invitation_at)?.collect())
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when it is not there any more.
    pub fn withdraw(&self, number: i64, by: (&str, &str)) -> AppResult<()> {
        self.write(|transaction| {
            let delete = "DELETE FROM invitations WHERE number = ? RETURNING role";
            let role: Option<String> = transaction.query_row(delete, [number], |row| row.get(0)).optional()?;
            let role = role.ok_or_else(no_invitation)?;
            audit(transaction, by.0, "withdraw", &role, by.1)
        })
    }
}

/// What is said of an invitation that is none, or none any more.
#[must_use]
pub fn no_invitation() -> AppError {
    AppError::not_found("This invitation was used, taken back, or has expired. Ask an administrator for another.")
}

fn token_at(row: &Row<'_>) -> rusqlite::Result<Token> {
    let scopes: String = row.get(3)?;
    let used: Option<i64> = row.get(6)?;
    Ok(Token {
        number: row.get(0)?,
        account: row.get(1)?,
        name: row.get(2)?,
        scopes: serde_json::from_str(&scopes).unwrap_or_default(), // what can't be read allows nothing
        created_at: at(row.get(4)?),
        expires_at: at(row.get(5)?),
        used_at: used.map(at),
    })
}

pub(super) fn invitation_of(connection: &Connection, secret: &str) -> rusqlite::Result<Option<Invitation>> {
    let query = format!("SELECT {INVITATION} FROM invitations WHERE secret = ? AND expires_ms > ?");
    connection.prepare_cached(&query)?.query_row(params![secret, now_ms()], invitation_at).optional()
}

fn invitation_at(row: &Row<'_>) -> rusqlite::Result<Invitation> {
    let role: String = row.get(1)?;
    Ok(Invitation {
        number: row.get(0)?,
        role: Role::named(&role).unwrap_or(Role::Viewer),
        invited_by: row.get(2)?,
        created_at: at(row.get(3)?),
        expires_at: at(row.get(4)?),
    })
}
