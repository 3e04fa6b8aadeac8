//! Rows of the table of runs: their columns, their ids, how one becomes a [`Run`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::RngExt as _;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::{Map, Value};

use super::{
    events::{absent, json},
    now_ms,
    runs::{Best, DatasetUse, LARGEST_SEED, NewRun, Origin, Run},
};
use crate::{
    error::{AppError, AppResult},
    train::State,
};

/// Stores a new run without a word said; its number.
pub(super) fn insert(transaction: &Transaction<'_>, new: &NewRun) -> AppResult<i64> {
    if new.seed > LARGEST_SEED {
        return Err(AppError::invalid("seed", format!("is {}; at most {LARGEST_SEED} is taken.", new.seed)));
    }
    let id = match &new.id {
        Some(id) => id.clone(),
        None => fresh_id(&new.system),
    };
    check_id(&id)?;
    if find(transaction, &id)?.is_some() {
        return Err(AppError::invalid("id", format!("there is a run {id:?} already.")));
    }
    let study = match &new.trial {
        Some((study, _)) => Some(super::studies::number_of(transaction, study)?),
        None => None,
    };
    let text = |value: &Map<String, Value>| serde_json::to_string(value).unwrap_or_default();
    let name = if new.name.trim().is_empty() { &id } else { new.name.trim() };
    transaction.execute(
        "INSERT INTO runs (id, system, name, state, config, seed, threads, device, dataset_id, dataset_sha256, versions, hardware, \
         parameters, created_ms, tags, study, trial, repeats, origin, notes) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            new.system,
            name,
            new.state.name(),
            text(&new.config),
            new.seed as i64,
            new.threads as i64,
            new.device,
            new.dataset.as_ref().map(|dataset| &dataset.id),
            new.dataset.as_ref().map(|dataset| &dataset.sha256),
            text(&new.versions),
            text(&new.hardware),
            new.parameters.map(|parameters| parameters as i64),
            now_ms(),
            serde_json::to_string(&clean_tags(&new.tags)?).unwrap_or_default(),
            study,
            new.trial.as_ref().map(|(_, trial)| *trial as i64),
            new.repeats,
            new.origin.name(),
            new.notes,
        ],
    )?;
    Ok(transaction.last_insert_rowid())
}

/// Whether a text may name a run or a study: it is part of addresses and of paths.
///
/// # Errors
/// [`AppError::Invalid`].
pub fn check_id(id: &str) -> AppResult<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&id.len()) && id.bytes().all(fits) && !id.starts_with('-') {
        return Ok(());
    }
    Err(AppError::invalid("id", "expected 1 to 64 lower-case letters, digits or hyphens."))
}

/// `mlp-k3f9x2a`: short enough to read out, one in 34 thousand million.
pub(super) fn fresh_id(prefix: &str) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz"; // without those that look like others
    let mut random = rand::rng();
    let letters: String = (0..7).map(|_| char::from(LETTERS[random.random_range(0..32)])).collect();
    format!("{prefix}-{letters}")
}

pub(super) fn clean_tags(tags: &[String]) -> AppResult<Vec<String>> {
    let mut clean: Vec<String> = tags.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
    clean.sort();
    clean.dedup();
    if clean.len() > 20 || clean.iter().any(|tag| tag.chars().count() > 40 || tag.contains(',')) {
        return Err(AppError::invalid("tags", "expected at most 20 tags of at most 40 characters, without commas."));
    }
    Ok(clean)
}

pub(super) fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT number FROM runs WHERE id = ?")?.query_row([id], |row| row.get(0)).optional()
}

pub(super) fn number_of(transaction: &Transaction<'_>, id: &str) -> AppResult<i64> {
    find(transaction, id)?.ok_or_else(|| absent(id))
}

/// The columns that [`from_row`] reads.
const COLUMNS: &str = "runs.number, runs.id, runs.system, runs.name, runs.state, runs.reason, config, seed, threads, device, \
     dataset_id, dataset_sha256, versions, hardware, parameters, runs.created_ms, runs.started_ms, runs.ended_ms, progress, notes, tags, \
     (SELECT id FROM studies WHERE number = runs.study), trial, repeats, weights, runs.origin, runs.stop_requested";

pub(super) fn read(connection: &Connection, number: i64) -> rusqlite::Result<Run> {
    let mut run = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE number = ?"))?.query_row([number], from_row)?;
    fill_best(connection, std::slice::from_mut(&mut run))?;
    Ok(run)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    let time = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    };
    let dataset = match (row.get(10)?, row.get(11)?) {
        (Some(id), Some(sha256)) => Some(DatasetUse { id, sha256 }),
        _ => None,
    };
    let trial = match (row.get(21)?, row.get::<_, Option<i64>>(22)?) {
        (Some(study), Some(trial)) => Some((study, trial as u64)),
        _ => None,
    };
    let progress = if row.get_ref(18)? == rusqlite::types::ValueRef::Null { None } else { Some(json(row, 18)?) };
    Ok(Run {
        number: row.get::<_, i64>(0)? as u64,
        id: row.get(1)?,
        system: row.get(2)?,
        name: row.get(3)?,
        state: State::named(row.get_ref(4)?.as_str()?).unwrap_or(State::Failed),
        reason: row.get(5)?,
        config: json(row, 6)?,
        seed: row.get::<_, i64>(7)? as u64,
        threads: row.get::<_, i64>(8)? as usize,
        device: row.get(9)?,
        dataset,
        versions: json(row, 12)?,
        hardware: json(row, 13)?,
        parameters: row.get::<_, Option<i64>>(14)?.map(|parameters| parameters as u64),
        created_at: time(15)?.unwrap_or_default(),
        started_at: time(16)?,
        ended_at: time(17)?,
        progress,
        best: BTreeMap::new(),
        notes: row.get(19)?,
        tags: json(row, 20)?,
        trial,
        repeats: row.get(23)?,
        weights: row.get(24)?,
        origin: Origin::named(row.get_ref(25)?.as_str()?),
        stop_requested: row.get(26)?,
    })
}

fn fill_best(connection: &Connection, runs: &mut [Run]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT series.name, best, best_epoch, last FROM summaries JOIN series ON series.number = summaries.series WHERE run = ?",
    )?;
    for run in runs {
        let rows = statement.query_map([run.number as i64], |row| {
            Ok((row.get(0)?, Best { value: row.get(1)?, epoch: row.get::<_, i64>(2)? as u64, last: row.get(3)? }))
        })?;
        run.best = rows.collect::<rusqlite::Result<_>>()?;
    }
    Ok(())
}
