//! Runs: making, reading, changing and deleting them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::RngExt as _;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::{Map, Value};

use super::{
    Store,
    events::{absent, append, json},
    now_ms,
};
use crate::{
    error::{AppError, AppResult},
    train::{Event, Progress, State},
};

/// One training of one system, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Orders runs by their creation.
    pub number: u64,
    /// Names it in addresses and commands.
    pub id: String,
    /// `mlp`, `triplet`, `resnet14`.
    pub system: String,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Why it failed, was cancelled or was interrupted.
    pub reason: Option<String>,
    /// Every key of the system's configuration.
    pub config: Map<String, Value>,
    /// Decides every random choice.
    pub seed: u64,
    /// Threads that it computes with.
    pub threads: usize,
    /// `auto`, `cpu` or `cuda:N`, as asked for.
    pub device: String,
    /// What it trains on.
    pub dataset: Option<DatasetUse>,
    /// Versions of the programs that matter for its numbers.
    pub versions: Map<String, Value>,
    /// The machine.
    pub hardware: Map<String, Value>,
    /// Trainable parameters.
    pub parameters: Option<u64>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When a worker first began with it.
    pub started_at: Option<Timestamp>,
    /// When it came to its present end.
    pub ended_at: Option<Timestamp>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// The best and the last value of each series, by the series' name.
    pub best: BTreeMap<String, Best>,
    /// What people wrote on it.
    pub notes: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The study that it is a trial of, and the trial's number.
    pub trial: Option<(String, u64)>,
    /// The run that this one repeats.
    pub repeats: Option<String>,
    /// Hash of the final weights.
    pub weights: Option<String>,
    /// Where it was trained.
    pub origin: Origin,
    /// Whether somebody asked it to stop.
    pub stop_requested: bool,
}

/// The best and the last value of a series.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Best {
    /// The best value: the smallest loss, the greatest accuracy.
    pub value: f64,
    /// The epoch it was reached in.
    pub epoch: u64,
    /// The last value.
    pub last: f64,
}

/// The data set that a run trains on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct DatasetUse {
    /// Its id.
    #[schema(example = "fashion-mnist")]
    pub id: String,
    /// Of its contents.
    pub sha256: String,
}

/// Where a run was trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// By this store's own workers.
    Trained,
    /// It came as a portable file.
    Imported,
    /// It came with the program.
    Shipped,
}

impl Origin {
    /// `trained`, `imported` or `shipped`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::Imported => "imported",
            Self::Shipped => "shipped",
        }
    }

    pub(super) fn named(name: &str) -> Self {
        match name {
            "shipped" => Self::Shipped,
            "imported" => Self::Imported,
            _ => Self::Trained,
        }
    }
}

/// What a run begins with.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// `None`: one is made.
    pub id: Option<String>,
    /// See [`Run`].
    pub system: String,
    /// Empty: the id.
    pub name: String,
    /// Resolved.
    pub config: Map<String, Value>,
    /// At most [`LARGEST_SEED`].
    pub seed: u64,
    /// See [`Run`].
    pub threads: usize,
    /// See [`Run`].
    pub device: String,
    /// See [`Run`].
    pub dataset: Option<DatasetUse>,
    /// See [`Run`].
    pub versions: Map<String, Value>,
    /// See [`Run`].
    pub hardware: Map<String, Value>,
    /// See [`Run`].
    pub parameters: Option<u64>,
    /// See [`Run`].
    pub tags: Vec<String>,
    /// See [`Run`].
    pub trial: Option<(String, u64)>,
    /// See [`Run`].
    pub repeats: Option<String>,
    /// [`State::Queued`] for a server's queue, [`State::Running`] for who trains it at once.
    pub state: State,
    /// See [`Run`].
    pub origin: Origin,
    /// See [`Run`].
    pub notes: String,
}

/// What people may change of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// See [`Run`].
    pub name: Option<String>,
    /// See [`Run`].
    pub notes: Option<String>,
    /// See [`Run`].
    pub tags: Option<Vec<String>>,
}

/// The largest whole number that every reader of JSON keeps exactly, 2^53 - 1.
pub const LARGEST_SEED: u64 = (1 << 53) - 1;

impl Store {
    /// Stores a new run.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when its id is taken or no id, or its seed is too large.
    pub fn create_run(&self, new: &NewRun) -> AppResult<Run> {
        self.write(|transaction| {
            let number = insert(transaction, new)?;
            append(transaction, number, &Event::State { state: new.state, reason: None })?;
            read(transaction, number).map_err(Into::into)
        })
    }

    /// The run called `id`.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is none.
    pub fn run(&self, id: &str) -> AppResult<Run> {
        let found = self.read(|connection| match find(connection, id)? {
            Some(number) => read(connection, number).map(Some),
            None => Ok(None),
        })?;
        found.ok_or_else(|| absent(id))
    }

    /// Changes what people may change.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when a text is too long; [`AppError::NotFound`].
    pub fn change_run(&self, id: &str, change: &Change) -> AppResult<Run> {
        self.write(|transaction| {
            let number = number_of(transaction, id)?;
            if let Some(name) = &change.name {
                let name = name.trim();
                if name.is_empty() || name.chars().count() > 200 {
                    return Err(AppError::invalid("name", "expected 1 to 200 characters."));
                }
                transaction.execute("UPDATE runs SET name = ? WHERE number = ?", params![name, number])?;
            }
            if let Some(notes) = &change.notes {
                if notes.chars().count() > 20_000 {
                    return Err(AppError::invalid("notes", "expected at most 20,000 characters."));
                }
                transaction.execute("UPDATE runs SET notes = ? WHERE number = ?", params![notes, number])?;
            }
            if let Some(tags) = &change.tags {
                let tags = serde_json::to_string(&clean_tags(tags)?).unwrap_or_default();
                transaction.execute("UPDATE runs SET tags = ? WHERE number = ?", params![tags, number])?;
            }
            read(transaction, number).map_err(Into::into)
        })
    }

    /// Takes the oldest run that waits, if any, and makes it `running`: of several who call this, one gets it.
    ///
    /// # Errors
    /// The store's own.
    pub fn claim_queued(&self) -> AppResult<Option<Run>> {
        let waiting = "SELECT number FROM runs WHERE state = 'queued' ORDER BY number LIMIT 1";
        if !self.read(|connection| connection.prepare_cached(waiting)?.exists([]))? {
            return Ok(None); // a look costs no lock
        }
        self.write(|transaction| {
            let Some(number) = transaction.query_row(waiting, [], |row| row.get(0)).optional()? else { return Ok(None) };
            append(transaction, number, &Event::State { state: State::Running, reason: None })?;
            Ok(Some(read(transaction, number)?))
        })
    }

    /// Asks for the end of a run: one that waits is cancelled at once, one that is trained is so by its supervisor, whose process that may be.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when it has ended.
    pub fn request_stop(&self, id: &str) -> AppResult<Run> {
        self.write(|transaction| {
            let number = number_of(transaction, id)?;
            let run = read(transaction, number)?;
            match run.state {
                State::Queued => {
                    let reason = Some("cancelled before its turn".to_owned());
                    append(transaction, number, &Event::End { state: State::Cancelled, reason, outcome: None })?;
                }
                State::Running => {
                    transaction.execute("UPDATE runs SET stop_requested = 1 WHERE number = ?", [number])?;
                }
                other => return Err(AppError::Conflict(format!("The run {id} is {} already.", other.name()))),
            }
            read(transaction, number).map_err(Into::into)
        })
    }

    /// Whether somebody asked the run to stop.
    ///
    /// # Errors
    /// The store's own.
    pub fn is_stop_requested(&self, id: &str) -> AppResult<bool> {
        let asked = self.read(|connection| {
            connection.prepare_cached("SELECT stop_requested FROM runs WHERE id = ?")?.query_row([id], |row| row.get(0)).optional()
        })?;
        // A run that was deleted is not to go on either.
        Ok(asked.unwrap_or(true))
    }

    /// Makes a run that has ended before its time wait for its turn again, or go on at once.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when it is done, or has not ended.
    pub fn resume_run(&self, id: &str, state: State) -> AppResult<Run> {
        self.write(|transaction| {
            let number = number_of(transaction, id)?;
            match read(transaction, number)?.state {
                State::Done => {
                    return Err(AppError::Conflict(format!("The run {id} is done; there is nothing to resume. Repeat it instead.")));
                }
                State::Queued | State::Running => return Err(AppError::Conflict(format!("The run {id} has not ended."))),
                State::Failed | State::Cancelled | State::Interrupted => {}
            }
            append(transaction, number, &Event::State { state, reason: None })?;
            read(transaction, number).map_err(Into::into)
        })
    }

    /// Forgets a run, with all it said, and removes its folder.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when it has not ended.
    pub fn delete_run(&self, id: &str) -> AppResult<()> {
        self.write(|transaction| {
            let number = number_of(transaction, id)?;
            if !read(transaction, number)?.state.is_final() {
                return Err(AppError::Conflict(format!("The run {id} has not ended. Cancel it first.")));
            }
            transaction.execute("DELETE FROM runs WHERE number = ?", [number])?;
            Ok(())
        })?;
        match std::fs::remove_dir_all(self.run_folder(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The ids of all runs in `state`, the oldest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn runs_in_state(&self, state: State) -> AppResult<Vec<String>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM runs WHERE state = ? ORDER BY number")?;
            statement.query_map([state.name()], |row| row.get(0))?.collect()
        })
    }
}

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

fn clean_tags(tags: &[String]) -> AppResult<Vec<String>> {
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
pub(super) const COLUMNS: &str = "runs.number, runs.id, runs.system, runs.name, runs.state, runs.reason, config, seed, threads, device, \
     dataset_id, dataset_sha256, versions, hardware, parameters, runs.created_ms, runs.started_ms, runs.ended_ms, progress, notes, tags, \
     (SELECT id FROM studies WHERE number = runs.study), trial, repeats, weights, runs.origin, runs.stop_requested";

pub(super) fn read(connection: &Connection, number: i64) -> rusqlite::Result<Run> {
    let mut run = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE number = ?"))?.query_row([number], from_row)?;
    fill_best(connection, std::slice::from_mut(&mut run))?;
    Ok(run)
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
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

pub(super) fn fill_best(connection: &Connection, runs: &mut [Run]) -> rusqlite::Result<()> {
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
