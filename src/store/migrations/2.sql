-- Who may do what on a lab network. No password and no secret is kept, only what tells whether one is right.

CREATE TABLE accounts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL,
    password TEXT NOT NULL,        -- argon2id, as a PHC string
    created_ms INTEGER NOT NULL,
    disabled_ms INTEGER
) STRICT;

CREATE TABLE sessions (
    secret TEXT PRIMARY KEY,       -- SHA-256 of what the browser holds
    account INTEGER NOT NULL REFERENCES accounts (number) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account);

CREATE TABLE tokens (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    secret TEXT NOT NULL UNIQUE,   -- SHA-256 of what the program holds
    account INTEGER NOT NULL REFERENCES accounts (number) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,          -- JSON
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms INTEGER
) STRICT;
CREATE INDEX tokens_by_account ON tokens (account);

CREATE TABLE invitations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    secret TEXT NOT NULL UNIQUE,   -- SHA-256 of what stands in the link
    role TEXT NOT NULL,
    invited_by TEXT,               -- NULL: the terminal, for the first administrator
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

-- What was done to accounts, and by accounts; rows are never changed.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    did TEXT NOT NULL,
    what TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
