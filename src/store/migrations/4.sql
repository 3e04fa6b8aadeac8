-- Stores of millions of points and events: what pages read of them is found without reading them all.

-- Of each 64 points of a long curve, in order of steps, the lowest and the highest. The points after the last stretch are in none yet.
CREATE TABLE stretches (
    run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    series INTEGER NOT NULL REFERENCES series (number),
    last_step INTEGER NOT NULL,
    low_step INTEGER NOT NULL,
    low_epoch INTEGER NOT NULL,
    low REAL NOT NULL,
    high_step INTEGER NOT NULL,
    high_epoch INTEGER NOT NULL,
    high REAL NOT NULL,
    PRIMARY KEY (run, series, last_step)
) STRICT, WITHOUT ROWID;

-- Only of curves that are long by now: reading a few thousand points takes no time.
CREATE TEMP TABLE placed AS
SELECT run, series, step, epoch, value, row_number() OVER (PARTITION BY run, series ORDER BY step) AS place
FROM (SELECT run, series FROM points GROUP BY run, series HAVING count(*) >= 10000) JOIN points USING (run, series);

-- The columns beside the one min() or max() of a group are those of its row.
CREATE TEMP TABLE highs (
    run INTEGER, series INTEGER, stretch INTEGER, step INTEGER, epoch INTEGER, value REAL, PRIMARY KEY (run, series, stretch)
) WITHOUT ROWID;
INSERT INTO highs SELECT run, series, (place - 1) / 64 AS stretch, step, epoch, max(value) FROM placed GROUP BY run, series, stretch;
CREATE TEMP TABLE ends (run INTEGER, series INTEGER, stretch INTEGER, step INTEGER, PRIMARY KEY (run, series, stretch)) WITHOUT ROWID;
INSERT INTO ends SELECT run, series, place / 64 - 1, step FROM placed WHERE place % 64 = 0;
INSERT INTO stretches
SELECT run, series, ends.step, lows.step, lows.epoch, lows.value, highs.step, highs.epoch, highs.value
FROM (SELECT run, series, (place - 1) / 64 AS stretch, step, epoch, min(value) AS value FROM placed GROUP BY run, series, stretch) AS lows
CROSS JOIN ends USING (run, series, stretch) CROSS JOIN highs USING (run, series, stretch);

DROP TABLE temp.placed;
DROP TABLE temp.highs;
DROP TABLE temp.ends;

-- A run's page shows its last sentences, which lie far apart among all it said.
CREATE INDEX events_log ON events (run, number) WHERE data ->> 'event' = 'log';

-- Every list of runs shows the tags in use.
CREATE INDEX runs_by_tags ON runs (tags);
