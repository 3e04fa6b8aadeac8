//! Stores of every earlier version become ones of this, and lose nothing by it (`tests/fixtures/stores`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior, types::Value};

use super::{
    FILE, PATIENCE, Query, Store, StoreFile,
    schema::{self, LATEST, MIGRATIONS},
};
use crate::{
    error::{AppError, AppResult},
    train::State,
};

/// The columns of each table, and its rows in order.
type Rows = BTreeMap<String, (Vec<String>, Vec<Vec<Value>>)>;

/// The name and the text of each store.
fn fixtures() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stores");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// A data folder with such a store, as a program of its time left it.
fn laid(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    let connection = Connection::open(&file).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap(); // the text has tables in the order of their names
    connection.execute_batch(sql).unwrap();
    (folder, file)
}

fn texts(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Every table, index and the like as it was asked for, without comments and line breaks.
fn shape(connection: &Connection) -> BTreeSet<String> {
    let plain = |text: String| {
        let lines: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
        lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let query = "SELECT type || ' ' || name || ' of ' || tbl_name || ': ' || coalesce(sql, '') FROM sqlite_schema";
    texts(connection, query).into_iter().map(plain).collect()
}

fn read(connection: &Connection, table: &str, columns: &[String]) -> Vec<Vec<Value>> {
    let names = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    let mut statement = connection.prepare(&format!("SELECT {names} FROM \"{table}\" ORDER BY {names}")).unwrap();
    let width = columns.len();
    let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>());
    rows.unwrap().map(Result::unwrap).collect()
}

fn all_rows(connection: &Connection) -> Rows {
    let tables = texts(connection, "SELECT name FROM sqlite_schema WHERE type = 'table'");
    let with_rows = |table: String| {
        let columns = texts(connection, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let rows = read(connection, &table, &columns);
        (table, (columns, rows))
    };
    tables.into_iter().map(with_rows).collect()
}

#[test]
fn every_earlier_store_becomes_as_a_fresh_one_and_keeps_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = shape(&schema::open(&folder.path().join(FILE), PATIENCE).unwrap());
    let mut versions = BTreeSet::new();
    for (name, sql) in fixtures() {
        let (_folder, file) = laid(&sql);
        let earlier = Connection::open(&file).unwrap();
        versions.insert(schema::version(&earlier, LATEST).unwrap());
        let rows = all_rows(&earlier);
        drop(earlier);
        for (table, (_, rows)) in &rows {
            assert!(!rows.is_empty(), "{name} has no row of {table}, so that nothing is known of it");
        }
        for time in ["first", "second"] {
            drop(schema::open(&file, PATIENCE).unwrap());
            let now = Connection::open(&file).unwrap();
            assert_eq!(shape(&now), fresh, "{name}, opened for the {time} time");
            assert_eq!(schema::version(&now, LATEST).unwrap(), LATEST, "{name}");
            for (table, (columns, rows)) in &rows {
                assert_eq!(&read(&now, table, columns), rows, "{name}: {table}, opened for the {time} time");
            }
            assert_eq!(texts(&now, "SELECT integrity_check FROM pragma_integrity_check"), ["ok"], "{name}");
            assert!(texts(&now, "SELECT \"table\" FROM pragma_foreign_key_check").is_empty(), "{name}");
        }
    }
    for version in 1..LATEST {
        assert!(versions.contains(&version), "there is no store of version {version}: add one to tests/fixtures/stores/make.py");
    }
}

#[test]
fn what_an_earlier_store_holds_is_read_as_it_was_written() {
    for (name, sql) in fixtures() {
        let (folder, _) = laid(&sql);
        let store = Store::open(folder.path()).unwrap();
        let runs = store.runs(&Query { limit: 10, ..Query::default() }).unwrap().runs;
        let told: Vec<_> = runs.iter().map(|run| (run.number, run.id.as_str(), run.state)).collect();
        assert_eq!(told, [(3, "mlp-b8d1w0z", State::Running), (1, "mlp-k3f9x2a", State::Done)], "{name}");
        let done = &runs[1];
        assert_eq!(
            (done.trial.clone(), done.weights.as_deref().map(str::len)),
            (Some(("study-7q2m9ab".to_owned(), 1)), Some(32)),
            "{name}"
        );
        assert_eq!((done.tags.join(" "), done.best["validation_accuracy"].value), ("kept seen".to_owned(), 0.875), "{name}");
        assert_eq!(done.notes, "a note with an apostrophe's sign, and یادداشت", "{name}");
        assert_eq!((store.events_after("mlp-k3f9x2a", 0, 10).unwrap().len(), store.curves("mlp-k3f9x2a").unwrap().len()), (5, 2), "{name}");
        assert_eq!(store.study("study-7q2m9ab").unwrap().trials.len(), 2, "{name}");
        assert!(!store.has_shipped("never", "seen").unwrap(), "{name}");
        assert_eq!(store.resume_run("mlp-b8d1w0z", State::Queued).map(drop).unwrap_err().to_string(), "The run mlp-b8d1w0z has not ended.");
    }
}

#[test]
fn a_newer_store_is_refused_and_stays_as_it_is_to_the_last_byte() {
    for mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let newer = schema::open(&file, PATIENCE).unwrap();
        newer.execute_batch("CREATE TABLE of_the_future (number INTEGER PRIMARY KEY) STRICT").unwrap();
        newer.pragma_update(None, "user_version", LATEST as i64 + 1).unwrap();
        newer.pragma_update(None, "journal_mode", mode).unwrap();
        drop(newer);
        let before = fs::read(&file).unwrap();
        let says = |outcome: AppResult<()>| match outcome {
            Err(AppError::Unavailable(why)) => assert!(why.contains("use a newer torchboard"), "{why}"),
            other => panic!("{other:?}"),
        };
        says(Store::open(folder.path()).map(drop));
        says(StoreFile::of(folder.path()).map(drop));
        assert!(fs::read(&file).unwrap() == before, "it was written to ({mode})");
    }
}

#[test]
fn a_step_that_fails_leaves_the_store_as_it_was() {
    let failing = "CREATE TABLE half (a INTEGER) STRICT; DELETE FROM events; DROP TABLE studies; INSERT INTO nowhere VALUES (1);";
    let steps: Vec<&str> = MIGRATIONS.iter().copied().chain([failing]).collect();
    for (name, sql) in fixtures() {
        let (_folder, file) = laid(&sql);
        let mut connection = Connection::open(&file).unwrap();
        let before = (shape(&connection), all_rows(&connection), schema::version(&connection, LATEST).unwrap());
        connection.pragma_update(None, "foreign_keys", false).unwrap(); // so that the last statement is what fails
        let error = schema::migrate(&mut connection, &steps).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
        let after = (shape(&connection), all_rows(&connection), schema::version(&connection, LATEST).unwrap());
        assert!(before == after, "{name} was changed");
        drop(connection);
        Store::open(file.parent().unwrap()).unwrap();
    }
}

#[test]
fn a_program_that_is_killed_between_two_steps_leaves_the_store_as_it_was() {
    for (name, sql) in fixtures() {
        let (folder, file) = laid(&sql);
        let mut connection = Connection::open(&file).unwrap();
        let before = (shape(&connection), all_rows(&connection));
        let version = schema::version(&connection, LATEST).unwrap();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        for step in &MIGRATIONS[version..] {
            transaction.execute_batch(step).unwrap();
        }
        // More than is held in memory, so that much of it is on the disk and nothing is committed.
        transaction.execute_batch("CREATE TABLE ballast (bytes BLOB) STRICT; INSERT INTO ballast VALUES (zeroblob(8000000));").unwrap();
        let left = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            // The third file is memory that processes share, and gone with them.
            if !path.to_str().unwrap().ends_with("-shm") {
                fs::copy(&path, left.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let log = left.path().join(format!("{FILE}-wal"));
        assert!(log.metadata().unwrap().len() > 1_000_000, "{name}: nothing was on its way to the disk");
        drop(transaction);
        let found = Connection::open(left.path().join(FILE)).unwrap();
        assert!((shape(&found), all_rows(&found)) == before, "{name} was changed");
        drop(found);
        let store = Store::open(left.path()).unwrap();
        assert_eq!(store.run("mlp-k3f9x2a").unwrap().state, State::Done, "{name}");
    }
}
