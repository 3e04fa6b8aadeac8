-- What is shown to others: links that pin what a page showed, and reports that people put together.

CREATE TABLE shares (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    secret TEXT NOT NULL UNIQUE,   -- SHA-256 of what stands in the link
    title TEXT NOT NULL,
    address TEXT NOT NULL,         -- of the page, within this server
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,            -- NULL: never
    views INTEGER NOT NULL DEFAULT 0,
    card BLOB NOT NULL             -- PNG, for those who tell of the link
) STRICT;

-- The page as it was, in each language.
CREATE TABLE share_pages (
    share INTEGER NOT NULL REFERENCES shares (number) ON DELETE CASCADE,
    language TEXT NOT NULL,
    title TEXT NOT NULL,
    about TEXT NOT NULL,
    policy TEXT NOT NULL,          -- its Content-Security-Policy
    page BLOB NOT NULL,            -- HTML, by gzip
    PRIMARY KEY (share, language)
) STRICT;

CREATE TABLE reports (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    blocks TEXT NOT NULL,          -- JSON
    revision INTEGER NOT NULL,     -- of two who change it at one time, the second is told
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
