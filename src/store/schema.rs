//! The tables, and how a store of an older version becomes one of this.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, config::DbConfig};

/// Each step leads from the version of its place to the next. A step that was released is never edited: a new one is added.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
];

/// The file was written by a program that knows more.
#[derive(Debug, thiserror::Error)]
#[error("its version is {found}, and this program knows versions up to {known}; use a newer torchboard")]
pub struct Newer {
    found: usize,
    known: usize,
}

/// The version that a fresh store has.
pub const LATEST: usize = MIGRATIONS.len();

/// The first stores of version 1 were made before this table was added to that version's step, and no step up to version 3 brought it.
const MENDED: &str = "CREATE TABLE IF NOT EXISTS shipped (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT";

/// Opens the file for writing, made and brought up to date as needed.
pub fn open(file: &Path, patience: Duration) -> anyhow::Result<Connection> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(patience)?;
    keep_statements(&connection)?;
    version(&connection, LATEST)?; // before anything is written: the store of a newer program stays as it is, to the last byte
    // A write-ahead log: readers never wait for a writer, and a process that is killed leaves whole transactions only.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut connection, MIGRATIONS)?;
    Ok(connection)
}

/// A statement is prepared once, and not again for each value that is bound to it: what is looked for here does not depend on them.
pub fn keep_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// The version of an open file; 0 when it was just made.
///
/// # Errors
/// [`Newer`] when it is none of the `known` first ones.
pub fn version(connection: &Connection, known: usize) -> anyhow::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = usize::try_from(version).unwrap_or(usize::MAX);
    if found > known { Err(Newer { found, known }.into()) } else { Ok(found) }
}

/// Takes the steps that are missing, all of them or none.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> anyhow::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version = version(&transaction, migrations.len())?; // again: another process may have been faster
    if (1..=3).contains(&version) {
        transaction.execute_batch(MENDED)?;
    }
    for migration in &migrations[version..] {
        transaction.execute_batch(migration)?;
    }
    if version < migrations.len() {
        transaction.pragma_update(None, "user_version", migrations.len() as i64)?;
    }
    transaction.commit()?;
    Ok(())
}
