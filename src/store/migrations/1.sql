-- Times are milliseconds since 1970. Columns that hold JSON are said so.

CREATE TABLE studies (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    system TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    spec TEXT NOT NULL,            -- JSON: sampler, objective, space and the like
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    stop_requested INTEGER NOT NULL DEFAULT 0,
    origin TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of creation; never used again
    id TEXT NOT NULL UNIQUE,
    system TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    config TEXT NOT NULL,          -- JSON
    seed INTEGER NOT NULL,
    threads INTEGER NOT NULL,
    device TEXT NOT NULL,
    dataset_id TEXT,
    dataset_sha256 TEXT,
    versions TEXT NOT NULL,        -- JSON
    hardware TEXT NOT NULL,        -- JSON
    parameters INTEGER,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    progress TEXT,                 -- JSON
    notes TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]', -- JSON
    study INTEGER REFERENCES studies (number) ON DELETE SET NULL,
    trial INTEGER,
    repeats TEXT,                  -- the id of the run that this one is to equal
    weights TEXT,                  -- a hash of the final weights
    stop_requested INTEGER NOT NULL DEFAULT 0,
    origin TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_state ON runs (state);
CREATE INDEX runs_by_system ON runs (system, number);
CREATE INDEX runs_by_study ON runs (study, trial);

CREATE TABLE series (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE points (
    run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    series INTEGER NOT NULL REFERENCES series (number),
    step INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (run, series, step)
) STRICT, WITHOUT ROWID;

-- The last and the best point of each series: what lists show and sort by.
CREATE TABLE summaries (
    run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    series INTEGER NOT NULL REFERENCES series (number),
    last REAL NOT NULL,
    best REAL NOT NULL,
    best_epoch INTEGER NOT NULL,
    PRIMARY KEY (series, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX summaries_by_run ON summaries (run);

CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL,            -- JSON
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE trials (
    study INTEGER NOT NULL REFERENCES studies (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,       -- from 1
    parameters TEXT NOT NULL,      -- JSON
    run TEXT,
    state TEXT NOT NULL,
    value REAL,
    started_ms INTEGER,
    ended_ms INTEGER,
    PRIMARY KEY (study, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE study_events (
    study INTEGER NOT NULL REFERENCES studies (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL,            -- JSON
    PRIMARY KEY (study, number)
) STRICT, WITHOUT ROWID;

-- Files of runs that came with the program and were imported once: what people delete of them stays deleted.
CREATE TABLE shipped (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT;
