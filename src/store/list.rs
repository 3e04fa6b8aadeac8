//! Lists of runs: filtered, sorted, page by page.

use rusqlite::{Connection, ToSql, types::Value as Sql};

use super::{Store, events::lower_is_better, run_rows::read, runs::Run};
use crate::{
    error::{AppError, AppResult},
    train::State,
};

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Of this system.
    pub system: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<State>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// Whose name, id or notes hold this text.
    pub text: Option<String>,
    /// Trials of this study.
    pub study: Option<String>,
    /// Trials of studies left out.
    pub without_trials: bool,
    /// In which order.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
}

/// The order of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// By name.
    Name,
    /// The longest training first.
    Duration,
    /// The best value of this series first, such as `validation_accuracy`; runs without it come last.
    Best(String),
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The runs.
    pub runs: Vec<Run>,
    /// How many there are on all pages.
    pub count: u64,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

impl Store {
    /// The runs that `query` asks for.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when the cursor is none of ours.
    pub fn runs(&self, query: &Query) -> AppResult<Page> {
        let wrong = || AppError::invalid("cursor", "is none that an earlier page gave; begin without one.");
        // Newest and oldest go on from a run, so that new ones shift nothing; other orders go on from a place.
        let keyed = matches!(query.order, Order::Newest | Order::Oldest);
        let place: Option<i64> = match &query.cursor {
            Some(cursor) => Some(cursor.parse().ok().filter(|place| *place >= 0).ok_or_else(wrong)?),
            None => None,
        };
        self.read(|connection| {
            let (condition, mut values) = condition(query);
            let count: i64 = connection.query_row(
                &format!("SELECT count(*) FROM runs WHERE {condition}"),
                as_parameters(&values).as_slice(),
                |row| row.get(0),
            )?;
            let (join, order) = order(&query.order, &mut values);
            let after = match (&query.order, place) {
                (Order::Newest, Some(place)) => format!(" AND runs.number < {place}"),
                (Order::Oldest, Some(place)) => format!(" AND runs.number > {place}"),
                _ => String::new(),
            };
            let offset = if keyed { 0 } else { place.unwrap_or(0) };
            // Numbers alone are sorted: whole rows, with their settings, take several times as long.
            let text = format!(
                "SELECT runs.number FROM runs {join} WHERE {condition}{after} ORDER BY {order} LIMIT {} OFFSET {offset}",
                query.limit + 1
            );
            let mut statement = connection.prepare(&text)?;
            let mut numbers =
                statement.query_map(as_parameters(&values).as_slice(), |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
            let more = numbers.len() > query.limit;
            numbers.truncate(query.limit);
            let runs = numbers.into_iter().map(|number| read(connection, number)).collect::<rusqlite::Result<Vec<_>>>()?;
            let next = runs
                .last()
                .filter(|_| more)
                .map(|last| if keyed { last.number.to_string() } else { (offset + query.limit as i64).to_string() });
            Ok(Page { runs, count: count as u64, next })
        })
    }

    /// Every tag in use, in order, and how many runs have it.
    ///
    /// # Errors
    /// The store's own.
    pub fn tags(&self) -> AppResult<Vec<(String, u64)>> {
        // Each list of tags is taken apart once, however many runs have it.
        let text = "SELECT tag.value, sum(alike.runs) FROM (SELECT tags, count(*) AS runs FROM runs GROUP BY tags) AS alike, \
                    json_each(alike.tags) AS tag GROUP BY tag.value ORDER BY tag.value";
        self.read(|connection| pairs(connection, text))
    }

    /// How many runs wait or train.
    ///
    /// # Errors
    /// The store's own.
    pub fn active_runs(&self) -> AppResult<u64> {
        let text = "SELECT count(*) FROM runs WHERE state IN ('queued', 'running')";
        self.read(|connection| connection.prepare_cached(text)?.query_row([], |row| row.get::<_, i64>(0)).map(|count| count as u64))
    }
}

fn pairs(connection: &Connection, text: &str) -> rusqlite::Result<Vec<(String, u64)>> {
    connection.prepare_cached(text)?.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?.collect()
}

fn as_parameters(values: &[Sql]) -> Vec<&dyn ToSql> {
    values.iter().map(|value| value as &dyn ToSql).collect()
}

/// The condition and its values, numbered from 1.
fn condition(query: &Query) -> (String, Vec<Sql>) {
    let mut values: Vec<Sql> = Vec::new();
    let mut parts = vec!["1".to_owned()];
    let mut place = |value: String| {
        values.push(Sql::Text(value));
        values.len()
    };
    if let Some(system) = &query.system {
        parts.push(format!("runs.system = ?{}", place(system.clone())));
    }
    if !query.states.is_empty() {
        let places: Vec<String> = query.states.iter().map(|state| format!("?{}", place(state.name().to_owned()))).collect();
        parts.push(format!("runs.state IN ({})", places.join(", ")));
    }
    for tag in &query.tags {
        parts.push(format!("EXISTS (SELECT 1 FROM json_each(runs.tags) WHERE value = ?{})", place(tag.clone())));
    }
    if let Some(text) = &query.text {
        let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let place = place(format!("%{escaped}%"));
        parts.push(format!(
            "(runs.name LIKE ?{place} ESCAPE '\\' OR runs.id LIKE ?{place} ESCAPE '\\' OR runs.notes LIKE ?{place} ESCAPE '\\')"
        ));
    }
    if let Some(study) = &query.study {
        parts.push(format!("runs.study = (SELECT number FROM studies WHERE id = ?{})", place(study.clone())));
    }
    if query.without_trials {
        parts.push("runs.study IS NULL".to_owned());
    }
    (parts.join(" AND "), values)
}

/// What to join and what to sort by.
fn order(order: &Order, values: &mut Vec<Sql>) -> (String, String) {
    match order {
        Order::Newest => (String::new(), "runs.number DESC".to_owned()),
        Order::Oldest => (String::new(), "runs.number".to_owned()),
        Order::Name => (String::new(), "runs.name COLLATE NOCASE, runs.number".to_owned()),
        Order::Duration => (String::new(), "runs.ended_ms - runs.started_ms DESC, runs.number".to_owned()),
        Order::Best(series) => {
            values.push(Sql::Text(series.clone()));
            let join = format!(
                "LEFT JOIN summaries ON summaries.run = runs.number AND summaries.series = (SELECT number FROM series WHERE name = ?{})",
                values.len()
            );
            let direction = if lower_is_better(series) { "ASC" } else { "DESC" };
            (join, format!("summaries.best IS NULL, summaries.best {direction}, runs.number"))
        }
    }
}
