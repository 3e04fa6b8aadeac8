"""Stores of the scale suite's peers, holding what ours holds of the same runs.

    python tracker_stores.py mlflow FOLDER OURS         FOLDER/mlflow.sqlite, from the store OURS
    python tracker_stores.py tensorboard FOLDER OURS    FOLDER/long: the event file of the longest curve of OURS

MLflow makes its own tables; the rows are written straight into them, since its client would need hours. It gets every run, each series' last
value, which its lists sort by, and every point of the longest curve; of the others' points none, which can only help it.
"""

import json
import sqlite3
import sys
import uuid
from pathlib import Path

LONG = "long"
METRIC = "train_loss"


def main():
    peer, folder, ours = sys.argv[1], Path(sys.argv[2]), sqlite3.connect(f"file:{sys.argv[3]}?mode=ro", uri=True)
    folder.mkdir(parents=True, exist_ok=True)
    {"mlflow": mlflow, "tensorboard": tensorboard}[peer](folder, ours)


def curve(ours):
    return ours.execute("SELECT step, value FROM points JOIN runs ON runs.number = points.run WHERE runs.id = ? ORDER BY step", [LONG])


def mlflow(folder, ours):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file = folder / "mlflow.sqlite"
    file.unlink(missing_ok=True)
    SqlAlchemyStore(f"sqlite:///{file}", str(folder / "artifacts"))  # its tables and its first experiment
    store = sqlite3.connect(file)
    store.executescript("PRAGMA synchronous = off; PRAGMA cache_size = -200000;")
    series = dict(ours.execute("SELECT number, name FROM series"))
    keys = {}
    for number, name, title, state, config, created, ended, tags in ours.execute("SELECT number, id, name, state, config, created_ms, ended_ms, tags FROM runs"):
        keys[number] = key = uuid.uuid5(uuid.NAMESPACE_OID, name).hex
        store.execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, "
            "lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'LOCAL', '', '', 'bench', ?, ?, ?, '', 'active', ?, 0)",
            [key, name, "FAILED" if state == "failed" else "FINISHED", created, ended, f"{folder}/artifacts/{key}"],
        )
        store.executemany("INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)", [(key, k, str(v)) for k, v in json.loads(config).items()])
        labels = [("mlflow.runName", title)] + [(tag.replace(" ", "_"), "true") for tag in json.loads(tags)]
        store.executemany("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", [(key, k, v) for k, v in labels])
    last = ours.execute("SELECT run, series, last, step FROM (SELECT run, series, value AS last, max(step) AS step FROM points GROUP BY run, series)")
    store.executemany(
        "INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        ((keys[run], series[number], value, 1_764_000_000_000 + step, step) for run, number, value, step in last if run in keys),
    )
    long = uuid.uuid5(uuid.NAMESPACE_OID, LONG).hex
    store.executemany(
        "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        ((long, METRIC, value, 1_764_000_000_000 + step, step) for step, value in curve(ours)),
    )
    store.commit()
    store.execute("PRAGMA journal_mode = wal")
    print(json.dumps({"long": long, "runs": len(keys)}))


def tensorboard(folder, ours):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder / LONG), max_queue_size=100_000, flush_secs=3600)
    points = 0
    for step, value in curve(ours):
        summary = Summary(value=[Summary.Value(tag=METRIC, simple_value=value)])
        writer.add_event(Event(wall_time=1_764_000_000 + step / 1000, step=step, summary=summary))
        points += 1
    writer.close()
    print(json.dumps({"points": points}))


if __name__ == "__main__":
    main()
