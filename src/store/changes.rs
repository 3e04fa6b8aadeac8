//! Says when the store has changed, whoever changed it.

use std::{sync::Mutex, time::Duration};

use rusqlite::Connection;
use tokio::sync::watch;

use super::lock;
use crate::error::AppResult;

/// Commits of this process are announced by [`Self::announce`]; those of others are found by asking `SQLite`, which keeps a number for it.
pub struct Changes {
    sender: watch::Sender<u64>,
    watching: Mutex<bool>,
}

/// How often other processes' commits are looked for: a reader a few times a second is enough for an eye, and costs nothing.
const PAUSE: Duration = Duration::from_millis(150);

impl Default for Changes {
    fn default() -> Self {
        Self { sender: watch::channel(0).0, watching: Mutex::default() }
    }
}

impl Changes {
    /// This process has committed.
    pub fn announce(&self) {
        self.sender.send_modify(|number| *number += 1);
    }

    /// Begins to look for other processes' commits when it is first called.
    pub fn follow(&self, connect: impl FnOnce() -> AppResult<Connection>) -> AppResult<watch::Receiver<u64>> {
        let mut watching = lock(&self.watching);
        if !*watching {
            let (connection, sender) = (connect()?, self.sender.clone());
            let first = version(&connection).ok(); // here, so that nothing after this call goes unnoticed
            std::thread::Builder::new().name("store-changes".into()).spawn(move || watch(&connection, first, &sender))?;
            *watching = true;
        }
        Ok(self.sender.subscribe())
    }
}

/// Ends with the process.
fn watch(connection: &Connection, first: Option<i64>, sender: &watch::Sender<u64>) {
    let mut last = first;
    loop {
        std::thread::sleep(PAUSE);
        let now = match version(connection) {
            Ok(now) => Some(now),
            Err(error) => {
                tracing::warn!("the store can't be watched for a moment: {error}");
                None
            }
        };
        if now != last {
            last = now;
            sender.send_modify(|number| *number += 1);
        }
    }
}

/// Another number after every commit that another connection made.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}
