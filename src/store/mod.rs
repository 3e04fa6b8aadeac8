//! Runs, what they said, studies, and accounts: one `SQLite` file in the data folder, and a folder for each run's large files.
//!
//! Several processes may use one store: a server, and trainings in terminals. Whoever writes an event writes all that follows from it
//! (state, progress, summaries) in the same transaction, so that a reader never sees one without the other. What was committed is
//! what readers get: nothing is published that is not stored.

mod access;
mod accounts;
mod adopt;
mod audit;
mod changes;
mod copy;
mod curves;
mod events;
mod keys;
mod list;
mod reports;
mod run_rows;
mod runs;
mod schema;
mod shares;
mod studies;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use self::changes::Changes;
pub use self::{
    access::{Account, AuditEntry, Invitation, Permission, Role, Session, Token},
    adopt::{AdoptedRun, AdoptedStudy},
    copy::StoreFile,
    curves::{FEWEST_POINTS, Series, SeriesPoint},
    events::{Numbered, lower_is_better},
    keys::no_invitation,
    list::{Order, Page, Query},
    reports::{Block, Report},
    run_rows::check_id,
    runs::{Best, Change, DatasetUse, NewRun, Origin, Run},
    shares::{NewShare, Share, SharedFile, SharedPage},
    studies::{NewStudy, Study, StudyEvent, Trial, TrialState},
};
use crate::error::{AppError, AppResult};

/// The store of one data folder; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    /// The data folder.
    folder: PathBuf,
    file: PathBuf,
    /// One writer at a time within this process; `SQLite`'s own lock keeps other processes apart.
    writer: Mutex<Connection>,
    /// Idle connections for reading; there are as many as readers at one time.
    readers: Mutex<Vec<Connection>>,
    changes: Changes,
}

/// What the store's file is called in the data folder.
pub const FILE: &str = "torchboard.sqlite";
/// The version of the tables that this program makes.
pub const SCHEMA: usize = schema::LATEST;
/// So long a writer waits for another process before it gives up.
const PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the store of the data folder, or makes it.
    ///
    /// # Errors
    /// [`AppError::Unavailable`], which says what to do, when the folder can't be written, the disk is full, another process holds the
    /// store, or its file is damaged or of a newer version.
    pub fn open(data_dir: &Path) -> AppResult<Self> {
        Self::open_with_patience(data_dir, PATIENCE)
    }

    /// As [`Self::open`]; waits for other processes as long as it is told.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_patience(data_dir: &Path, patience: Duration) -> AppResult<Self> {
        let file = data_dir.join(FILE);
        let unavailable = |error: std::io::Error| {
            AppError::Unavailable(format!(
                "The data folder {} can't be used: {error}. Name one that you may write with --data-dir DIR.",
                data_dir.display()
            ))
        };
        std::fs::create_dir_all(data_dir.join("runs")).map_err(unavailable)?;
        let opened = schema::open(&file, patience);
        let writer = opened.map_err(|error| explain(error, &file))?;
        let changes = Changes::default();
        let shared = Shared { folder: data_dir.to_owned(), file, writer: Mutex::new(writer), readers: Mutex::default(), changes };
        Ok(Self(Arc::new(shared)))
    }

    /// Where the large files of a run are: checkpoints, weights, predictions, what its worker wrote on standard error.
    #[must_use]
    pub fn run_folder(&self, run: &str) -> PathBuf {
        self.0.folder.join("runs").join(run)
    }

    /// A number that is another one after every commit, by this process or by any other.
    ///
    /// # Errors
    /// When the store can't be watched.
    pub fn changes(&self) -> AppResult<tokio::sync::watch::Receiver<u64>> {
        self.0.changes.follow(|| self.connect())
    }

    /// A number that moves with every change to runs, studies and trials but a training's progress, and with [`Self::revise`]; whoever made it.
    ///
    /// # Errors
    /// The store's own.
    pub fn revision(&self) -> AppResult<i64> {
        self.read(|connection| connection.prepare_cached("SELECT number FROM revision")?.query_row([], |row| row.get(0)))
    }

    /// Says that something was put into a run's folder that pages show, such as what its network answered. What can't be said is logged: it was
    /// said of something that is there all the same.
    pub fn revise(&self) {
        let moved = self.write(|transaction| Ok(transaction.execute("UPDATE revision SET number = number + 1", [])?));
        if let Err(error) = moved {
            tracing::warn!("pages may be shown as they were: {error}");
        }
    }

    /// Reads in one snapshot.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> AppResult<T> {
        let idle = lock(&self.0.readers).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let outcome = connection.transaction().and_then(|snapshot| work(&snapshot));
        lock(&self.0.readers).push(connection);
        outcome.map_err(|error| explain(error.into(), &self.0.file))
    }

    /// Writes all of it or nothing.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> AppResult<T>) -> AppResult<T> {
        let explained = |error: rusqlite::Error| explain(error.into(), &self.0.file);
        let mut writer = lock(&self.0.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explained)?;
        // What the work itself raised of SQLite's comes as a cause: it is explained here, where the file is known.
        let value = work(&transaction).map_err(|error| match error {
            AppError::Internal(cause) => explain(cause, &self.0.file),
            other => other,
        })?;
        transaction.commit().map_err(explained)?;
        drop(writer);
        self.0.changes.announce();
        Ok(value)
    }

    fn connect(&self) -> AppResult<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connected = Connection::open_with_flags(&self.0.file, flags).and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            schema::keep_statements(&connection)?;
            Ok(connection)
        });
        connected.map_err(|error| explain(error.into(), &self.0.file))
    }
}

/// What to do about an error of `SQLite`'s.
fn explain(error: anyhow::Error, file: &Path) -> AppError {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    let file = file.display();
    let advice = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("The store {file} is held by another process. Try again when that has finished, or end it.")
        }
        Some(ErrorCode::DiskFull) => format!("The disk that holds {file} is full. Make room, then try again; nothing stored is lost."),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            format!("The store {file} can't be written. Give this user the right to, or name another folder with --data-dir DIR.")
        }
        Some(ErrorCode::SystemIoFailure) => {
            format!("The store {file} can't be read or written: {error:#}. See whether the disk is well and has room.")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!(
                "{file} is damaged, or no store of runs. Move it away to begin with an empty one; the runs' own folders stay where they are."
            )
        }
        _ if error.is::<schema::Newer>() => format!("{file}: {error}."),
        _ => return AppError::Internal(error),
    };
    AppError::Unavailable(advice)
}

impl From<rusqlite::Error> for AppError {
    /// The cause, which [`Store::write`] puts into words.
    fn from(error: rusqlite::Error) -> Self {
        Self::Internal(error.into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970, which is how times are kept.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
