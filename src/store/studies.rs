//! Studies and their trials. What a study searches is kept as the JSON it was asked with; its trials are runs.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde_json::{Map, Value};

use super::{
    Origin, Store,
    events::json,
    now_ms,
    run_rows::{check_id, fresh_id},
};
use crate::{
    error::{AppError, AppResult},
    train::State,
};

/// A search for good settings, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Names it in addresses and commands.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The system whose settings are searched.
    pub system: String,
    /// Where it stands.
    pub state: State,
    /// Why it failed or was cancelled.
    pub reason: Option<String>,
    /// Sampler, objective, space and the like.
    pub spec: Map<String, Value>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first trial began.
    pub started_at: Option<Timestamp>,
    /// When it came to its present end.
    pub ended_at: Option<Timestamp>,
    /// Whether somebody asked it to stop.
    pub stop_requested: bool,
    /// Where it was made.
    pub origin: Origin,
    /// In order.
    pub trials: Vec<Trial>,
}

/// One attempt of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// From 1.
    pub number: u64,
    /// The settings tried, by name.
    pub parameters: Map<String, Value>,
    /// The id of its run, which may have been deleted since.
    pub run: Option<String>,
    /// Where it stands.
    pub state: TrialState,
    /// The objective's best value.
    pub value: Option<f64>,
    /// When its run was asked for.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Trial {
    /// Seconds from its beginning to its end; `None` while it goes on, and where the clock was set back before it ended.
    #[must_use]
    pub fn duration_s(&self) -> Option<f64> {
        let milliseconds = self.ended_at?.as_millisecond() - self.started_at?.as_millisecond();
        (milliseconds >= 0).then_some(milliseconds as f64 / 1000.0)
    }
}

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// Its run waits or trains.
    Running,
    /// It has its value.
    Done,
    /// It was stopped since it was worse than the median of the others.
    Pruned,
    /// Its run failed.
    Failed,
    /// Its run was stopped; it is taken up again when the study is.
    Cancelled,
}

impl TrialState {
    /// `running`, `done`, `pruned`, `failed` or `cancelled`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn named(name: &str) -> Self {
        [Self::Running, Self::Done, Self::Pruned, Self::Cancelled].into_iter().find(|state| state.name() == name).unwrap_or(Self::Failed)
    }
}

/// What a study begins with.
#[derive(Debug, Clone)]
pub struct NewStudy {
    /// `None`: one is made.
    pub id: Option<String>,
    /// Empty: the id.
    pub name: String,
    /// See [`Study`].
    pub system: String,
    /// See [`Study`].
    pub spec: Map<String, Value>,
    /// See [`Study`].
    pub origin: Origin,
    /// [`State::Queued`] for a server, [`State::Running`] for who searches at once.
    pub state: State,
}

/// Something that happened to a study, with its number within it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StudyEvent {
    /// From 1, without gaps.
    pub number: u64,
    /// When it was stored.
    pub at: Timestamp,
    /// `{"event": "state" | "trial", ...}`.
    #[serde(flatten)]
    pub data: Map<String, Value>,
}

impl Store {
    /// Stores a new study.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when its id is taken or no id.
    pub fn create_study(&self, new: &NewStudy) -> AppResult<Study> {
        self.write(|transaction| {
            let number = insert(transaction, new)?;
            set_state(transaction, number, new.state, None)?;
            read(transaction, number).map_err(Into::into)
        })
    }

    /// The study called `id`, with its trials.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is none.
    pub fn study(&self, id: &str) -> AppResult<Study> {
        let found = self.read(|connection| match find(connection, id)? {
            Some(number) => read(connection, number).map(Some),
            None => Ok(None),
        })?;
        found.ok_or_else(|| absent(id))
    }

    /// Every study, the newest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn studies(&self) -> AppResult<Vec<Study>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT number FROM studies ORDER BY number DESC")?;
            let numbers: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            numbers.into_iter().map(|number| read(connection, number)).collect()
        })
    }

    /// The study goes into another state.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub fn set_study_state(&self, id: &str, state: State, reason: Option<&str>) -> AppResult<()> {
        self.write(|transaction| {
            let number = number_of(transaction, id)?;
            set_state(transaction, number, state, reason).map_err(Into::into)
        })
    }

    /// Takes the oldest study that waits, if any, and makes it `running`.
    ///
    /// # Errors
    /// The store's own.
    pub fn claim_queued_study(&self) -> AppResult<Option<Study>> {
        let waiting = "SELECT number FROM studies WHERE state = 'queued' ORDER BY number LIMIT 1";
        if !self.read(|connection| connection.prepare_cached(waiting)?.exists([]))? {
            return Ok(None);
        }
        self.write(|transaction| {
            let Some(number) = transaction.query_row(waiting, [], |row| row.get(0)).optional()? else { return Ok(None) };
            set_state(transaction, number, State::Running, None)?;
            Ok(Some(read(transaction, number)?))
        })
    }

    /// Asks for the end of a study; who conducts it stops its runs.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when it has ended.
    pub fn request_study_stop(&self, id: &str) -> AppResult<Study> {
        self.write(|transaction| {
            let number = number_of(transaction, id)?;
            match read(transaction, number)?.state {
                State::Queued => set_state(transaction, number, State::Cancelled, Some("cancelled before its turn"))?,
                State::Running => {
                    transaction.execute("UPDATE studies SET stop_requested = 1 WHERE number = ?", [number])?;
                }
                other => return Err(AppError::Conflict(format!("The study {id} is {} already.", other.name()))),
            }
            read(transaction, number).map_err(Into::into)
        })
    }

    /// Makes a study that ended before its time wait for its turn again, or go on at once.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when it is done, or has not ended.
    pub fn resume_study(&self, id: &str, state: State) -> AppResult<Study> {
        self.write(|transaction| {
            let number = number_of(transaction, id)?;
            match read(transaction, number)?.state {
                State::Done => return Err(AppError::Conflict(format!("The study {id} is done; there is nothing to resume."))),
                State::Queued | State::Running => return Err(AppError::Conflict(format!("The study {id} has not ended."))),
                State::Failed | State::Cancelled | State::Interrupted => {}
            }
            set_state(transaction, number, state, None)?;
            read(transaction, number).map_err(Into::into)
        })
    }

    /// Stores a trial as it stands now, new or changed, and says so to whoever follows the study.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub fn put_trial(&self, study: &str, trial: &Trial) -> AppResult<()> {
        self.write(|transaction| {
            let number = number_of(transaction, study)?;
            put(transaction, number, trial)?;
            let data = serde_json::json!({ "event": "trial", "trial": trial.number, "params": trial.parameters, "run": trial.run,
                "state": trial.state, "value": trial.value, "duration_s": trial.duration_s() });
            say(transaction, number, &data).map_err(Into::into)
        })
    }

    /// What happened to the study after event `after`.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub fn study_events_after(&self, id: &str, after: u64) -> AppResult<Vec<StudyEvent>> {
        let found = self.read(|connection| {
            let Some(number) = find(connection, id)? else { return Ok(None) };
            let mut statement =
                connection.prepare_cached("SELECT number, at_ms, data FROM study_events WHERE study = ? AND number > ? ORDER BY number")?;
            let rows = statement.query_map(params![number, after as i64], |row| {
                let at = Timestamp::from_millisecond(row.get(1)?).unwrap_or_default();
                Ok(StudyEvent { number: row.get::<_, i64>(0)? as u64, at, data: json(row, 2)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map(Some)
        })?;
        found.ok_or_else(|| absent(id))
    }
}

/// Stores a new study without a word said; its number.
pub(super) fn insert(transaction: &Transaction<'_>, new: &NewStudy) -> AppResult<i64> {
    let id = new.id.clone().unwrap_or_else(|| fresh_id("study"));
    check_id(&id)?;
    if find(transaction, &id)?.is_some() {
        return Err(AppError::invalid("id", format!("there is a study {id:?} already.")));
    }
    let name = if new.name.trim().is_empty() { &id } else { new.name.trim() };
    let spec = serde_json::to_string(&new.spec).unwrap_or_default();
    transaction.execute(
        "INSERT INTO studies (id, name, system, state, spec, created_ms, origin) VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![id, name, new.system, new.state.name(), spec, now_ms(), new.origin.name()],
    )?;
    Ok(transaction.last_insert_rowid())
}

/// Stores a trial, new or changed.
pub(super) fn put(transaction: &Transaction<'_>, study: i64, trial: &Trial) -> AppResult<()> {
    transaction.execute(
        "INSERT OR REPLACE INTO trials (study, number, parameters, run, state, value, started_ms, ended_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            study,
            trial.number as i64,
            serde_json::to_string(&trial.parameters).unwrap_or_default(),
            trial.run,
            trial.state.name(),
            trial.value,
            trial.started_at.map(jiff::Timestamp::as_millisecond),
            trial.ended_at.map(jiff::Timestamp::as_millisecond),
        ],
    )?;
    Ok(())
}

fn absent(id: &str) -> AppError {
    AppError::not_found(format!("There is no study {id:?}."))
}

fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT number FROM studies WHERE id = ?")?.query_row([id], |row| row.get(0)).optional()
}

pub(super) fn number_of(transaction: &Transaction<'_>, id: &str) -> AppResult<i64> {
    find(transaction, id)?.ok_or_else(|| absent(id))
}

fn set_state(transaction: &Transaction<'_>, study: i64, state: State, reason: Option<&str>) -> rusqlite::Result<()> {
    let now = now_ms();
    transaction.execute(
        "UPDATE studies SET state = ?1, reason = ?2, started_ms = coalesce(started_ms, ?3), ended_ms = ?4, \
         stop_requested = CASE WHEN ?5 THEN 0 ELSE stop_requested END WHERE number = ?6",
        params![state.name(), reason, (state == State::Running).then_some(now), state.is_final().then_some(now), state.is_final(), study],
    )?;
    say(transaction, study, &serde_json::json!({ "event": "state", "state": state, "reason": reason }))
}

fn say(transaction: &Transaction<'_>, study: i64, data: &Value) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO study_events (study, number, at_ms, data) \
         VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM study_events WHERE study = ?1), ?2, ?3)",
        params![study, now_ms(), data.to_string()],
    )?;
    Ok(())
}

fn read(connection: &Connection, number: i64) -> rusqlite::Result<Study> {
    let time = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let mut study = connection
        .prepare_cached(
            "SELECT id, name, system, state, reason, spec, created_ms, started_ms, ended_ms, stop_requested, origin FROM studies \
             WHERE number = ?",
        )?
        .query_row([number], |row| {
            Ok(Study {
                id: row.get(0)?,
                name: row.get(1)?,
                system: row.get(2)?,
                state: State::named(row.get_ref(3)?.as_str()?).unwrap_or(State::Failed),
                reason: row.get(4)?,
                spec: json(row, 5)?,
                created_at: time(row.get(6)?).unwrap_or_default(),
                started_at: time(row.get(7)?),
                ended_at: time(row.get(8)?),
                stop_requested: row.get(9)?,
                origin: Origin::named(row.get_ref(10)?.as_str()?),
                trials: Vec::new(),
            })
        })?;
    let mut statement = connection
        .prepare_cached("SELECT number, parameters, run, state, value, started_ms, ended_ms FROM trials WHERE study = ? ORDER BY number")?;
    let trials = statement.query_map([number], |row| {
        Ok(Trial {
            number: row.get::<_, i64>(0)? as u64,
            parameters: json(row, 1)?,
            run: row.get(2)?,
            state: TrialState::named(row.get_ref(3)?.as_str()?),
            value: row.get(4)?,
            started_at: time(row.get(5)?),
            ended_at: time(row.get(6)?),
        })
    })?;
    study.trials = trials.collect::<rusqlite::Result<_>>()?;
    Ok(study)
}
