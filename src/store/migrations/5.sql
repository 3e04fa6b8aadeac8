-- Pages on whole systems are kept until this number moves. It moves with runs, studies and trials, and when a network's answers are kept
-- (the program says so), but not with what a training says of its progress.
CREATE TABLE revision (number INTEGER NOT NULL) STRICT;
INSERT INTO revision VALUES (0);

CREATE TRIGGER revised_by_new_run AFTER INSERT ON runs BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER revised_by_deleted_run AFTER DELETE ON runs BEGIN UPDATE revision SET number = number + 1; END;
-- All columns but the progress.
CREATE TRIGGER revised_by_run AFTER UPDATE OF
    id, system, name, state, reason, config, seed, threads, device, dataset_id, dataset_sha256, versions, hardware, parameters, created_ms, started_ms,
    ended_ms, notes, tags, study, trial, repeats, weights, stop_requested, origin
ON runs BEGIN UPDATE revision SET number = number + 1; END;

CREATE TRIGGER revised_by_new_study AFTER INSERT ON studies BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER revised_by_deleted_study AFTER DELETE ON studies BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER revised_by_study AFTER UPDATE ON studies BEGIN UPDATE revision SET number = number + 1; END;

CREATE TRIGGER revised_by_new_trial AFTER INSERT ON trials BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER revised_by_trial AFTER UPDATE ON trials BEGIN UPDATE revision SET number = number + 1; END;
