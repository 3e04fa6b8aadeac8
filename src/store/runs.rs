//! Runs: making, reading, changing and deleting them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use serde_json::{Map, Value};

use super::{
    Store,
    events::{absent, append},
    run_rows::{clean_tags, find, insert, number_of, read},
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

    /// The state of the run called `id`, at less cost than all of it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is none.
    pub fn run_state(&self, id: &str) -> AppResult<State> {
        let name = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT state FROM runs WHERE id = ?")?;
            statement.query_row([id], |row| row.get::<_, String>(0)).optional()
        })?;
        Ok(State::named(&name.ok_or_else(|| absent(id))?).unwrap_or(State::Failed))
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
                if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
                    return Err(AppError::invalid("name", "expected 1 to 200 characters, without line ends."));
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
