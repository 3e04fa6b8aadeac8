//! A store as it lies on the disk, and a copy of it while others write.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{FILE, PATIENCE, explain, schema};
use crate::{
    error::{AppError, AppResult},
    train::State,
};

/// The file of a store, of this program's version or an earlier one: it is looked at as it is, and never brought up to date.
pub struct StoreFile {
    connection: Connection,
    path: PathBuf,
    version: usize,
}

impl StoreFile {
    /// That of the data folder.
    ///
    /// # Errors
    /// [`AppError::Unavailable`], which says what to do, when there is none, it is damaged, of a newer version, or can't be read.
    pub fn of(data_dir: &Path) -> AppResult<Self> {
        Self::open(&data_dir.join(FILE))
    }

    /// The one at `path`.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn open(path: &Path) -> AppResult<Self> {
        let absent = || AppError::Unavailable(format!("There is no store {}. Name the data folder that has one.", path.display()));
        if !path.is_file() {
            return Err(absent());
        }
        let opened = || -> anyhow::Result<(Connection, usize)> {
            // Where only reading is allowed, SQLite makes do with that; a writer takes its log's files away again as it leaves.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            let version = schema::version(&connection, schema::LATEST)?;
            Ok((connection, version))
        };
        let (connection, version) = opened().map_err(|error| explain(error, path))?;
        // An empty file is a store that was being made when its maker was killed.
        if version == 0 { Err(absent()) } else { Ok(Self { connection, path: path.to_owned(), version }) }
    }

    /// The version of its tables, from 1.
    #[must_use]
    pub fn version(&self) -> usize {
        self.version
    }

    /// The ids of all runs and where they stand, the oldest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn runs(&self) -> AppResult<Vec<(String, State)>> {
        let read = || -> rusqlite::Result<Vec<(String, State)>> {
            let mut statement = self.connection.prepare("SELECT id, state FROM runs ORDER BY number")?;
            let rows = statement.query_map([], |row| {
                let state: String = row.get(1)?;
                Ok((row.get(0)?, State::named(&state).unwrap_or(State::Failed)))
            })?;
            rows.collect()
        };
        read().map_err(|error| explain(error.into(), &self.path))
    }

    /// Whether there is a run of this id now.
    ///
    /// # Errors
    /// The store's own.
    pub fn has_run(&self, id: &str) -> AppResult<bool> {
        let found = self.connection.prepare("SELECT 1 FROM runs WHERE id = ?").and_then(|mut statement| statement.exists([id]));
        found.map_err(|error| explain(error.into(), &self.path))
    }

    /// Copies it into the new file `target`, as it is at one moment, whoever writes meanwhile. What was deleted from it, signed-out sessions
    /// among it, does not come along as it would with a copy of the file's bytes.
    ///
    /// # Errors
    /// The store's own; when the disk of `target` is full.
    pub fn copy_into(&self, target: &Path) -> AppResult<()> {
        let name = target.to_str().ok_or_else(|| {
            AppError::invalid("output", format!("{} is no path in UTF-8, which SQLite expects; name another.", target.display()))
        })?;
        let copied = self.connection.execute("VACUUM INTO ?", [name]);
        copied.map(drop).map_err(|error| explain(error.into(), target))
    }

    /// Takes runs out of it, with all they said.
    ///
    /// # Errors
    /// The store's own.
    pub fn forget(&mut self, runs: &[String]) -> AppResult<()> {
        forget(&mut self.connection, runs).map_err(|error| explain(error.into(), &self.path))
    }
}

fn forget(connection: &mut Connection, runs: &[String]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for id in runs {
        transaction.execute("DELETE FROM runs WHERE id = ?", [id])?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::Map;

    use super::*;
    use crate::{
        store::{NewRun, Origin, Store},
        train::Event,
    };

    fn new_run(id: &str) -> NewRun {
        NewRun {
            id: Some(id.into()),
            system: "mlp".into(),
            name: String::new(),
            config: Map::new(),
            seed: 0,
            threads: 1,
            device: "cpu".into(),
            dataset: None,
            versions: Map::new(),
            hardware: Map::new(),
            parameters: None,
            tags: Vec::new(),
            trial: None,
            repeats: None,
            state: State::Running,
            origin: Origin::Trained,
            notes: String::new(),
        }
    }

    #[test]
    fn a_copy_is_of_one_moment_while_another_writes() {
        let (folder, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        store.create_run(&new_run("a")).unwrap();
        store.create_run(&new_run("b")).unwrap();
        let line = |number: u64| Event::Log { message: format!("{number} {}", "x".repeat(300)) };
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (store, is_over) = (&store, &is_over);
            scope.spawn(move || {
                // What `b` says, `a` has said before.
                for number in 0..100_000 {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    store.append("a", &[line(number)]).unwrap();
                    store.append("b", &[line(number)]).unwrap();
                }
            });
            for place in 0..5 {
                let copy = target.path().join(place.to_string());
                std::fs::create_dir(&copy).unwrap();
                StoreFile::of(folder.path()).unwrap().copy_into(&copy.join(FILE)).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        for place in 0..5 {
            let copy = Store::open(&target.path().join(place.to_string())).unwrap();
            let (a, b) = (copy.last_event("a").unwrap(), copy.last_event("b").unwrap());
            assert!(a == b || a == b + 1, "{a} and {b} are of two moments");
            assert_eq!(copy.events_after("a", 0, usize::MAX >> 1).unwrap(), store.events_after("a", 0, a as usize).unwrap());
        }
    }

    #[test]
    fn runs_are_taken_out_of_a_copy_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.create_run(&new_run("a")).unwrap();
        store.create_run(&new_run("b")).unwrap();
        let original = StoreFile::of(folder.path()).unwrap();
        let path = folder.path().join("copy.sqlite");
        original.copy_into(&path).unwrap();
        let mut copy = StoreFile::open(&path).unwrap();
        copy.forget(&["a".into()]).unwrap();
        assert_eq!(copy.runs().unwrap(), [("b".to_owned(), State::Running)]);
        let orphans: i64 = copy.connection.query_row("SELECT count(*) FROM events WHERE run = 1", [], |row| row.get(0)).unwrap();
        assert_eq!(orphans, 0, "what it said goes with it");
        assert_eq!(original.runs().unwrap().len(), 2);
        assert!(original.has_run("a").unwrap() && !copy.has_run("a").unwrap());
        assert_eq!((original.version(), copy.version()), (schema::LATEST, schema::LATEST));
        let again = original.copy_into(&path);
        assert!(again.is_err(), "a file that is there is not written over");
    }

    #[test]
    fn a_store_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let says = |what: &str| match StoreFile::of(folder.path()) {
            Err(AppError::Unavailable(why)) => assert!(why.contains(what), "{why}"),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it was opened"),
        };
        says("There is no store");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(folder.path().join(FILE), "").unwrap();
        says("There is no store");
        std::fs::write(folder.path().join(FILE), "this is no database, and long enough to be looked at as one".repeat(20)).unwrap();
        says("damaged");
    }
}
