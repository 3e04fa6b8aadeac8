//! The audit trail.

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::{Store, access::AuditEntry, now_ms};
use crate::error::AppResult;

/// Who invites the first administrator.
pub(super) const TERMINAL: &str = "terminal";

impl Store {
    /// Writes down what somebody did.
    ///
    /// # Errors
    /// The store's own.
    pub fn record(&self, who: &str, did: &str, what: &str, address: &str) -> AppResult<()> {
        self.write(|transaction| audit(transaction, who, did, what, address))
    }

    /// The last `limit` entries of the audit trail that come before the one numbered `before`, the newest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn audit(&self, before: Option<i64>, limit: usize) -> AppResult<Vec<AuditEntry>> {
        let query = "SELECT number, at_ms, who, did, what, address FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?";
        self.read(|connection| {
            let entry = |row: &Row<'_>| {
                let (number, at_ms) = (row.get(0)?, row.get(1)?);
                Ok(AuditEntry { number, at: at(at_ms), who: row.get(2)?, did: row.get(3)?, what: row.get(4)?, address: row.get(5)? })
            };
            connection.prepare_cached(query)?.query_map(params![before.unwrap_or(i64::MAX), limit as i64], entry)?.collect()
        })
    }
}

/// Writes down what somebody did, with what follows from it.
pub(super) fn audit(transaction: &Transaction<'_>, who: &str, did: &str, what: &str, address: &str) -> AppResult<()> {
    let insert = "INSERT INTO audit (at_ms, who, did, what, address) VALUES (?, ?, ?, ?, ?)";
    transaction.execute(insert, params![now_ms(), who, did, what, address])?;
    Ok(())
}

pub(super) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
