//! Reports that people put together: texts of theirs, and parts of pages.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    Store,
    audit::{at, audit},
    now_ms,
    run_rows::fresh_id,
};
use crate::error::{AppError, AppResult};

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Names it in addresses.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// What it is made of, in order.
    pub blocks: Vec<Block>,
    /// Counts its changes.
    pub revision: i64,
    /// Who began it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: Timestamp,
}

/// What a report is made of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Block {
    /// A text.
    Text {
        /// Markdown.
        text: String,
    },
    /// A part of a page, as it is whenever the report is read.
    Part {
        /// The page's address within this server.
        page: String,
        /// The part's name within the page.
        part: String,
        /// Its heading when it was taken, so that a list can name it.
        title: String,
    },
}

const REPORT: &str = "id, title, blocks, revision, created_by, created_ms, changed_by, changed_ms";
/// A report has no more blocks.
const MOST_BLOCKS: usize = 200;
/// A text has no more characters, and a title no more than this.
const LONGEST_TEXT: usize = 100_000;
const LONGEST_TITLE: usize = 200;

impl Store {
    /// Begins a report.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for a title that is empty or too long.
    pub fn create_report(&self, title: &str, by: (&str, &str)) -> AppResult<Report> {
        let title = check_title(title)?;
        self.write(|transaction| {
            let now = now_ms();
            let insert = format!(
                "INSERT INTO reports (id, title, blocks, revision, created_by, created_ms, changed_by, changed_ms) \
                 VALUES (?1, ?2, '[]', 1, ?3, ?4, ?3, ?4) RETURNING {REPORT}"
            );
            let report = transaction.query_row(&insert, params![fresh_id("report"), title, by.0, now], report_at)?;
            audit(transaction, by.0, "report", &report.id, by.1)?;
            Ok(report)
        })
    }

    /// All reports, the one that was changed last first.
    ///
    /// # Errors
    /// The store's own.
    pub fn reports(&self) -> AppResult<Vec<Report>> {
        let query = format!("SELECT {REPORT} FROM reports ORDER BY changed_ms DESC, id");
        self.read(|connection| connection.prepare_cached(&query)?.query_map([], report_at)?.collect())
    }

    /// The report of this id.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is none.
    pub fn report(&self, id: &str) -> AppResult<Report> {
        let query = format!("SELECT {REPORT} FROM reports WHERE id = ?");
        let found = self.read(|connection| connection.prepare_cached(&query)?.query_row([id], report_at).optional())?;
        found.ok_or_else(|| no_report(id))
    }

    /// Keeps `report` as its next revision.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when somebody changed it since the revision that it is; [`AppError::NotFound`] when it is gone;
    /// [`AppError::Invalid`] for a title, or for too much.
    pub fn change_report(&self, report: &Report, by: (&str, &str)) -> AppResult<Report> {
        let title = check_title(&report.title)?;
        if report.blocks.len() > MOST_BLOCKS {
            return Err(AppError::invalid("blocks", format!("a report has at most {MOST_BLOCKS} blocks.")));
        }
        let is_too_long = |block: &Block| matches!(block, Block::Text { text } if text.len() > LONGEST_TEXT);
        if report.blocks.iter().any(is_too_long) {
            return Err(AppError::invalid("text", format!("a text has at most {LONGEST_TEXT} bytes; begin another block.")));
        }
        let blocks = serde_json::to_string(&report.blocks).map_err(anyhow::Error::from)?;
        self.write(|transaction| {
            let update = format!(
                "UPDATE reports SET title = ?, blocks = ?, revision = revision + 1, changed_by = ?, changed_ms = ? \
                 WHERE id = ? AND revision = ? RETURNING {REPORT}"
            );
            let values = params![title, blocks, by.0, now_ms(), report.id, report.revision];
            let changed = transaction.query_row(&update, values, report_at).optional()?;
            let Some(changed) = changed else {
                let query = "SELECT changed_by FROM reports WHERE id = ?";
                let other: Option<String> = transaction.query_row(query, [&report.id], |row| row.get(0)).optional()?;
                let other = other.ok_or_else(|| no_report(&report.id))?;
                return Err(AppError::Conflict(format!(
                    "{other} has changed this report since you opened it. Open it again, and make your change there."
                )));
            };
            Ok(changed)
        })
    }

    /// Deletes a report.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is none.
    pub fn delete_report(&self, id: &str, by: (&str, &str)) -> AppResult<()> {
        self.write(|transaction| {
            if transaction.execute("DELETE FROM reports WHERE id = ?", [id])? == 0 {
                return Err(no_report(id));
            }
            audit(transaction, by.0, "delete", id, by.1)
        })
    }
}

fn check_title(title: &str) -> AppResult<&str> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > LONGEST_TITLE || title.chars().any(char::is_control) {
        return Err(AppError::invalid("title", format!("expected 1 to {LONGEST_TITLE} characters.")));
    }
    Ok(title)
}

fn no_report(id: &str) -> AppError {
    AppError::not_found(format!("There is no report {id:?}."))
}

fn report_at(row: &Row<'_>) -> rusqlite::Result<Report> {
    let blocks: String = row.get(2)?;
    Ok(Report {
        id: row.get(0)?,
        title: row.get(1)?,
        blocks: serde_json::from_str(&blocks)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into()))?,
        revision: row.get(3)?,
        created_by: row.get(4)?,
        created_at: at(row.get(5)?),
        changed_by: row.get(6)?,
        changed_at: at(row.get(7)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_changed_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let first = store.create_report("  Ours ", ("sara", "")).unwrap();
        assert_eq!((first.title.as_str(), first.revision), ("Ours", 1));
        let part = Block::Part { page: "/skin".into(), part: "splits".into(), title: "Reports".into() };
        let blocks = vec![Block::Text { text: "# One".into() }, part];
        let second = store.change_report(&Report { blocks: blocks.clone(), ..first.clone() }, ("omid", "")).unwrap();
        assert_eq!((second.revision, &second.blocks, second.changed_by.as_str()), (2, &blocks, "omid"));
        let late = store.change_report(&Report { title: "Theirs".into(), ..first }, ("sara", ""));
        assert!(matches!(late, Err(AppError::Conflict(why)) if why.contains("omid")));
        assert_eq!(store.report(&second.id).unwrap(), second);
        store.delete_report(&second.id, ("sara", "")).unwrap();
        assert!(matches!(store.change_report(&second, ("sara", "")), Err(AppError::NotFound { .. })));
        assert!(store.reports().unwrap().is_empty());
    }

    #[test]
    fn what_is_too_much_is_refused_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.create_report(" ", ("sara", "")).is_err());
        let report = store.create_report("Ours", ("sara", "")).unwrap();
        let text = |length| Block::Text { text: "a".repeat(length) };
        for blocks in [vec![text(LONGEST_TEXT + 1)], vec![text(1); MOST_BLOCKS + 1]] {
            let refused = store.change_report(&Report { blocks, ..report.clone() }, ("sara", ""));
            assert!(matches!(refused, Err(AppError::Invalid { .. })));
        }
        assert_eq!(store.report(&report.id).unwrap(), report);
    }
}
