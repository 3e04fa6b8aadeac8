//! Runs and studies that were made elsewhere: stored as they ended there, times and all.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{NewRun, NewStudy, Numbered, Store, Trial, curves, events::append_all, run_rows::insert, studies};
use crate::{
    error::{AppError, AppResult},
    train::State,
};

/// A run as it ended elsewhere.
#[derive(Debug, Clone)]
pub struct AdoptedRun {
    /// What it began with, its id among it.
    pub new: NewRun,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// All it said, from the first.
    pub events: Vec<Numbered>,
}

/// A study as it ended elsewhere.
#[derive(Debug, Clone)]
pub struct AdoptedStudy {
    /// What it began with, its id among it.
    pub new: NewStudy,
    /// Why it is not done.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its trials.
    pub trials: Vec<Trial>,
}

impl Store {
    /// Stores a study, if there is one, and runs, all or none; `placed` puts their files into place before they can be seen.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when an id is taken, a run has not ended, or its events have gaps; what `placed` returns.
    pub fn adopt(&self, study: Option<&AdoptedStudy>, runs: &[AdoptedRun], placed: impl FnOnce() -> AppResult<()>) -> AppResult<()> {
        self.write(|transaction| {
            if let Some(study) = study {
                adopt_study(transaction, study)?;
            }
            for run in runs {
                adopt_run(transaction, run)?;
            }
            placed()
        })
    }

    /// Whether the file of this name and content, which came with the program, has been imported once.
    ///
    /// # Errors
    /// The store's own.
    pub fn has_shipped(&self, name: &str, sha256: &str) -> AppResult<bool> {
        self.read(|connection| connection.prepare_cached("SELECT 1 FROM shipped WHERE name = ? AND sha256 = ?")?.exists([name, sha256]))
    }

    /// Remembers that it has been, so that what people delete stays deleted.
    ///
    /// # Errors
    /// The store's own.
    pub fn remember_shipped(&self, name: &str, sha256: &str) -> AppResult<()> {
        self.write(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO shipped (name, sha256) VALUES (?, ?)", [name, sha256])?;
            Ok(())
        })
    }
}

fn adopt_run(transaction: &Transaction<'_>, run: &AdoptedRun) -> AppResult<()> {
    let id = run.new.id.as_deref().unwrap_or_default();
    let faulty = |what: &str| Err(AppError::invalid("run", format!("the run {id:?} {what}.")));
    if !run.new.state.is_final() {
        return faulty("has not ended");
    }
    if run.events.iter().zip(1..).any(|(event, number)| event.number != number) {
        return faulty("lacks some of its events");
    }
    let number = insert(transaction, &run.new)?;
    append_all(transaction, number, &run.events)?;
    curves::shorten(transaction, number)?;
    // What it said decides its curves and weights; its end, not the time of its import, decides these.
    let ms = |at: Option<Timestamp>| at.map(jiff::Timestamp::as_millisecond);
    transaction.execute(
        "UPDATE runs SET state = ?, created_ms = ?, started_ms = ?, ended_ms = ? WHERE number = ?",
        params![run.new.state.name(), run.created_at.as_millisecond(), ms(run.started_at), ms(run.ended_at), number],
    )?;
    Ok(())
}

fn adopt_study(transaction: &Transaction<'_>, study: &AdoptedStudy) -> AppResult<()> {
    if matches!(study.new.state, State::Queued | State::Running) {
        return Err(AppError::invalid("study", "has not ended."));
    }
    let number = studies::insert(transaction, &study.new)?;
    for trial in &study.trials {
        studies::put(transaction, number, trial)?;
    }
    let ms = |at: Option<Timestamp>| at.map(jiff::Timestamp::as_millisecond);
    transaction.execute(
        "UPDATE studies SET state = ?, reason = ?, created_ms = ?, started_ms = ?, ended_ms = ? WHERE number = ?",
        params![study.new.state.name(), study.reason, study.created_at.as_millisecond(), ms(study.started_at), ms(study.ended_at), number],
    )?;
    Ok(())
}
