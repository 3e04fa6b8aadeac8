//! What runs said, numbered per run, and what follows from it.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Store, curves, now_ms, run_rows};
use crate::{
    error::{AppError, AppResult},
    train::{Event, Metric, Progress, State},
};

/// An event with its number within its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbered {
    /// From 1, without gaps.
    pub number: u64,
    /// When it was stored.
    pub at: jiff::Timestamp,
    /// What was said.
    #[serde(flatten)]
    pub event: Event,
}

impl Store {
    /// Stores what the run's worker said, and all that follows from it. Gives the number of the last event.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn append(&self, run: &str, events: &[Event]) -> AppResult<u64> {
        self.write(|transaction| {
            let number = run_rows::number_of(transaction, run)?;
            let (first, now) = (last(transaction, number)? + 1, now_ms());
            events.iter().zip(first..).try_for_each(|(event, place)| append_at(transaction, number, place, event, now))?;
            let last = first + events.len() as u64 - 1;
            curves::shorten_after(transaction, number, last, events.len())?;
            Ok(last)
        })
    }

    /// What the run said after event `after`, at most `limit` of it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn events_after(&self, run: &str, after: u64, limit: usize) -> AppResult<Vec<Numbered>> {
        self.said_after(run, after, limit).map(|(events, _)| events)
    }

    /// As [`Self::events_after`], and whether the run had ended then, so that nothing comes after the last of them: for those who follow it,
    /// who are many and ask after every change.
    ///
    /// # Errors
    /// As [`Self::events_after`].
    pub fn said_after(&self, run: &str, after: u64, limit: usize) -> AppResult<(Vec<Numbered>, bool)> {
        self.read(|connection| {
            let mut found = connection.prepare_cached("SELECT number, state FROM runs WHERE id = ?")?;
            let found = found.query_row([run], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()?;
            let Some((number, state)) = found else { return Ok(None) };
            let mut statement =
                connection.prepare_cached("SELECT number, at_ms, data FROM events WHERE run = ? AND number > ? ORDER BY number LIMIT ?")?;
            let rows = statement.query_map(params![number, after as i64, limit as i64], |row| {
                let at = jiff::Timestamp::from_millisecond(row.get(1)?).unwrap_or_default();
                Ok(Numbered { number: row.get::<_, i64>(0)? as u64, at, event: json(row, 2)? })
            })?;
            let events = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(Some((events, State::named(&state).is_none_or(State::is_final))))
        })?
        .ok_or_else(|| absent(run))
    }

    /// The number of the run's last event; 0 before the first.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn last_event(&self, run: &str) -> AppResult<u64> {
        self.read(|connection| {
            let Some(number) = run_rows::find(connection, run)? else { return Ok(None) };
            last(connection, number).map(Some)
        })?
        .ok_or_else(|| absent(run))
    }

    /// The run's last sentences, oldest first.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn log(&self, run: &str, lines: usize) -> AppResult<Vec<Numbered>> {
        self.read(|connection| {
            let Some(number) = run_rows::find(connection, run)? else { return Ok(None) };
            // Named, since SQLite would else read all that the run said.
            let mut statement = connection.prepare_cached(
                "SELECT number, at_ms, data FROM events INDEXED BY events_log WHERE run = ? AND data ->> 'event' = 'log' \
                 ORDER BY number DESC LIMIT ?",
            )?;
            let rows = statement.query_map(params![number, lines as i64], |row| {
                let at = jiff::Timestamp::from_millisecond(row.get(1)?).unwrap_or_default();
                Ok(Numbered { number: row.get::<_, i64>(0)? as u64, at, event: json(row, 2)? })
            })?;
            let mut lines = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            lines.reverse();
            Ok(Some(lines))
        })?
        .ok_or_else(|| absent(run))
    }
}

fn last(connection: &Connection, run: i64) -> rusqlite::Result<u64> {
    let text = "SELECT coalesce(max(number), 0) FROM events WHERE run = ?";
    connection.prepare_cached(text)?.query_row([run], |row| row.get::<_, i64>(0)).map(|number| number as u64)
}

/// Stores one event of the run with this number, after its last.
pub(super) fn append(transaction: &Transaction<'_>, run: i64, event: &Event) -> AppResult<()> {
    append_at(transaction, run, last(transaction, run)? + 1, event, now_ms())
}

/// Stores all that a run said, which had said nothing yet, with the times at which it did.
pub(super) fn append_all(transaction: &Transaction<'_>, run: i64, events: &[Numbered]) -> AppResult<()> {
    let mut last = None;
    for Numbered { number, at, event } in events {
        if let Event::Progress(progress) = event {
            // By far the most; each only says more than the one before.
            insert(transaction, run, *number, event, at.as_millisecond())?;
            last = Some(progress);
        } else {
            append_at(transaction, run, *number, event, at.as_millisecond())?;
        }
    }
    last.map_or(Ok(()), |progress| set_progress(transaction, run, progress))
}

fn append_at(transaction: &Transaction<'_>, run: i64, number: u64, event: &Event, at_ms: i64) -> AppResult<()> {
    insert(transaction, run, number, event, at_ms)?;
    match event {
        Event::State { state, reason } => set_state(transaction, run, *state, reason.as_deref(), at_ms)?,
        Event::Progress(progress) => set_progress(transaction, run, progress)?,
        Event::Metric(metric) => point(transaction, run, metric)?,
        Event::Log { .. } | Event::Checkpoint { .. } => {}
        Event::End { state, reason, outcome } => {
            set_state(transaction, run, *state, reason.as_deref(), at_ms)?;
            if let Some(outcome) = outcome {
                transaction.execute("UPDATE runs SET weights = ? WHERE number = ?", params![outcome.weights, run])?;
            }
        }
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, run: i64, number: u64, event: &Event, at_ms: i64) -> AppResult<()> {
    let text = serde_json::to_string(event).map_err(|error| AppError::Internal(error.into()))?;
    let insert = "INSERT INTO events (run, number, at_ms, data) VALUES (?, ?, ?, ?)";
    transaction.prepare_cached(insert)?.execute(params![run, number as i64, at_ms, text])?;
    Ok(())
}

fn set_progress(transaction: &Transaction<'_>, run: i64, progress: &Progress) -> AppResult<()> {
    let text = serde_json::to_string(progress).map_err(|error| AppError::Internal(error.into()))?;
    transaction.prepare_cached("UPDATE runs SET progress = ? WHERE number = ?")?.execute(params![text, run])?;
    Ok(())
}

fn set_state(transaction: &Transaction<'_>, run: i64, state: State, reason: Option<&str>, now: i64) -> rusqlite::Result<()> {
    let started = (state == State::Running).then_some(now);
    let ended = state.is_final().then_some(now);
    transaction.execute(
        "UPDATE runs SET state = ?1, reason = ?2, started_ms = coalesce(started_ms, ?3), ended_ms = ?4, \
         stop_requested = CASE WHEN ?5 THEN 0 ELSE stop_requested END WHERE number = ?6",
        params![state.name(), reason, started, ended, state.is_final(), run],
    )?;
    Ok(())
}

fn point(transaction: &Transaction<'_>, run: i64, metric: &Metric) -> rusqlite::Result<()> {
    let name = format!("{}_{}", metric.split.name(), metric.name);
    let series = series(transaction, &name)?;
    // A resumed run says again what came after its checkpoint; the later word stands.
    transaction
        .prepare_cached("INSERT OR REPLACE INTO points (run, series, step, epoch, value) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![run, series, metric.step as i64, metric.epoch as i64, metric.value])?;
    curves::reopen(transaction, run, series, metric.step)?;
    let better = if lower_is_better(&name) { "excluded.best < best" } else { "excluded.best > best" };
    transaction
        .prepare_cached(&format!(
            "INSERT INTO summaries (run, series, last, best, best_epoch) VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT DO UPDATE SET \
             last = excluded.last, \
             best_epoch = CASE WHEN {better} THEN excluded.best_epoch ELSE best_epoch END, \
             best = CASE WHEN {better} THEN excluded.best ELSE best END"
        ))?
        .execute(params![run, series, metric.value, metric.epoch as i64])?;
    Ok(())
}

/// Whether a smaller value of this series is the better one: losses and errors; accuracies and the like grow.
#[must_use]
pub fn lower_is_better(series: &str) -> bool {
    ["loss", "error"].iter().any(|name| series.ends_with(name))
}

fn series(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let find = || -> rusqlite::Result<Option<i64>> {
        connection.prepare_cached("SELECT number FROM series WHERE name = ?")?.query_row([name], |row| row.get(0)).optional()
    };
    if let Some(number) = find()? {
        return Ok(number);
    }
    connection.execute("INSERT INTO series (name) VALUES (?)", [name])?;
    Ok(connection.last_insert_rowid())
}

/// A column of JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error)))
}

pub(super) fn absent(run: &str) -> AppError {
    AppError::not_found(format!("There is no run {run:?}."))
}
