//! What runs said, numbered per run, and the curves that follow from it.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Store, now_ms, run_rows};
use crate::{
    data::Split,
    error::{AppError, AppResult},
    train::{Event, Metric, State},
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

/// One curve of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// `train_loss`, `validation_accuracy`: the split, then the name.
    pub name: String,
    /// In order of steps.
    pub points: Vec<SeriesPoint>,
}

impl Series {
    /// `train_loss` is the loss on the training examples.
    #[must_use]
    pub fn split_and_name(&self) -> (Split, &str) {
        let parted = self.name.split_once('_').and_then(|(split, name)| Some((Split::named(split)?, name)));
        parted.unwrap_or((Split::Train, &self.name))
    }
}

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// Whole epochs done.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// The value.
    pub value: f64,
}

impl Store {
    /// Stores what the run's worker said, and all that follows from it. Gives the number of the last event.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn append(&self, run: &str, events: &[Event]) -> AppResult<u64> {
        self.write(|transaction| {
            let number = run_rows::number_of(transaction, run)?;
            events.iter().try_for_each(|event| append(transaction, number, event))?;
            last(transaction, number).map_err(Into::into)
        })
    }

    /// What the run said after event `after`, at most `limit` of it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn events_after(&self, run: &str, after: u64, limit: usize) -> AppResult<Vec<Numbered>> {
        self.read(|connection| {
            let Some(number) = run_rows::find(connection, run)? else { return Ok(None) };
            let mut statement =
                connection.prepare_cached("SELECT number, at_ms, data FROM events WHERE run = ? AND number > ? ORDER BY number LIMIT ?")?;
            let rows = statement.query_map(params![number, after as i64, limit as i64], |row| {
                let at = jiff::Timestamp::from_millisecond(row.get(1)?).unwrap_or_default();
                Ok(Numbered { number: row.get::<_, i64>(0)? as u64, at, event: json(row, 2)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map(Some)
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
            let mut statement = connection.prepare_cached(
                "SELECT number, at_ms, data FROM events WHERE run = ? AND data ->> 'event' = 'log' ORDER BY number DESC LIMIT ?",
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

    /// The run's curves, in alphabetical order.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run.
    pub fn curves(&self, run: &str) -> AppResult<Vec<Series>> {
        self.read(|connection| {
            let Some(number) = run_rows::find(connection, run)? else { return Ok(None) };
            let mut statement = connection.prepare_cached(
                "SELECT series.name, epoch, step, value FROM points JOIN series ON series.number = points.series \
                 WHERE run = ? ORDER BY series.name, step",
            )?;
            let mut rows = statement.query([number])?;
            let mut curves: Vec<Series> = Vec::new();
            while let Some(row) = rows.next()? {
                let name = row.get_ref(0)?.as_str()?;
                let point = SeriesPoint { epoch: row.get::<_, i64>(1)? as u64, step: row.get::<_, i64>(2)? as u64, value: row.get(3)? };
                match curves.last_mut().filter(|series| series.name == name) {
                    Some(series) => series.points.push(point),
                    None => curves.push(Series { name: name.to_owned(), points: vec![point] }),
                }
            }
            Ok(Some(curves))
        })?
        .ok_or_else(|| absent(run))
    }
}

fn last(connection: &Connection, run: i64) -> rusqlite::Result<u64> {
    let text = "SELECT coalesce(max(number), 0) FROM events WHERE run = ?";
    connection.prepare_cached(text)?.query_row([run], |row| row.get::<_, i64>(0)).map(|number| number as u64)
}

/// Stores one event of the run with this number.
pub(super) fn append(transaction: &Transaction<'_>, run: i64, event: &Event) -> AppResult<()> {
    append_at(transaction, run, event, now_ms())
}

/// As [`append`], at a given time.
pub(super) fn append_at(transaction: &Transaction<'_>, run: i64, event: &Event, at_ms: i64) -> AppResult<()> {
    let text = serde_json::to_string(event).map_err(|error| AppError::Internal(error.into()))?;
    let insert = "INSERT INTO events (run, number, at_ms, data) \
                  VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM events WHERE run = ?1), ?2, ?3)";
    transaction.prepare_cached(insert)?.execute(params![run, at_ms, text])?;
    match event {
        Event::State { state, reason } => set_state(transaction, run, *state, reason.as_deref(), at_ms)?,
        Event::Progress(progress) => {
            let text = serde_json::to_string(progress).map_err(|error| AppError::Internal(error.into()))?;
            transaction.prepare_cached("UPDATE runs SET progress = ? WHERE number = ?")?.execute(params![text, run])?;
        }
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
