//! The tables, and how a store of an older version becomes one of this.

use std::{path::Path, time::Duration};

use rusqlite::Connection;

/// Each step leads from the version of its place to the next. A step that was released is never edited: a new one is added.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1.sql"), include_str!("migrations/2.sql")];

/// The file was written by a program that knows more.
#[derive(Debug, thiserror::Error)]
#[error("its version is {found}, and this program knows versions up to {known}; use a newer torchboard")]
pub struct Newer {
    found: usize,
    known: usize,
}

/// Opens the file for writing, made and brought up to date as needed.
pub fn open(file: &Path, patience: Duration) -> anyhow::Result<Connection> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A write-ahead log: readers never wait for a writer, and a process that is killed leaves whole transactions only.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(Newer { found: version, known: MIGRATIONS.len() }.into());
    }
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration)?;
    }
    if version < MIGRATIONS.len() {
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    }
    transaction.commit()?;
    Ok(connection)
}
