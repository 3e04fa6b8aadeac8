-- The file of the runs that a shared page shows, for whoever has the link.
CREATE TABLE share_files (
    share INTEGER PRIMARY KEY REFERENCES shares (number) ON DELETE CASCADE,
    name TEXT NOT NULL,            -- what it is called where it is kept
    file BLOB NOT NULL             -- as `torchboard export` writes it
) STRICT;
