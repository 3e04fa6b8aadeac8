"""What a store of many runs and points costs: the start, lists, curves of a million points.

The limits are absolute, for a reader at a screen. Beside MLflow and TensorBoard, whose stores hold the same runs or the same curve
(`peers/tracker_stores.py`), stand those tasks that they have too. All times are a client's, over loopback, on one connection that is kept alive.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import common
import serve

common.fair()

START_S, LIST_MS, CURVE_MS, PAGE_MS = 1, 100, 100, 100
MIGRATIONS = Path(__file__).resolve().parents[2] / "src" / "store" / "migrations"
VERSION = 3  # the tables that this file fills; the program brings them up to date when it first opens them
TIME = 1_764_000_000_000
EPOCHS = 200
SERIES = ["train_accuracy", "train_loss", "validation_accuracy", "validation_loss"]
LONG = "long"  # the run of a million points
PEAKS = (123_457, 7.75), (654_321, -3.25)  # of its curve: what stands in one point alone
THINNED = 2000  # points that a curve is asked for
STORES = common.PEER_PROGRAMS / "tracker_stores.py"


def main():
    arguments = common.arguments()
    runs, long, repeats = (300, 20_000, 3) if arguments.quick else (10_000, 1_000_000, 30)
    folder, points = stored(arguments.work, runs, long)
    rows = list(starts(arguments.torchboard, folder, runs, points, 2 if arguments.quick else 7))
    with serving(arguments.torchboard, folder) as server:
        rows += answers(server.address, runs, points, long, repeats)
    rows += beside_peers(arguments, folder, runs, long, repeats)
    common.save(arguments.output, "scale", "A large store", rows, peers=["mlflow", "tensorboard"], programs={"SQLite of the maker": sqlite3.sqlite_version})


def starts(binary, folder, runs, points, repeats):
    """From the command to the first answer."""
    def start():
        began = time.perf_counter()
        with serving(binary, folder):
            return time.perf_counter() - began

    first, times = start(), [start() for _ in range(repeats)]
    about = f"{runs:,} runs and {points:,} points stored, with the runs that come with the program; median of {repeats}, the slowest {max(times):.2f} s"
    note = f"{about}; the very first start, which brings the store up to date and takes those runs in where they are missing, took {first:.2f} s"
    yield common.row("Start until it answers", statistics.median(times), None, None, "s", limit=START_S, note=note)


def answers(address, runs, points, long, repeats):
    """Each address in every round, in shuffled order."""
    client = Client(address)
    check_extremes(client, long)
    for order in ("newest", "validation_accuracy"):
        check_pages(client, order, runs)
    deep = {order: cursor_at(client, order, runs * 9 // 10) for order in ("newest", "name", "validation_accuracy")}
    compared = "&".join(f"run={LONG}-{number}" for number in range(4))
    tasks = [
        ("Runs, the newest (page)", "/runs", LIST_MS),
        ("Runs by validation accuracy (page)", "/runs?sort=validation_accuracy", LIST_MS),
        ("Runs by name, deep (page)", f"/runs?sort=name&cursor={deep['name']}", LIST_MS),
        ("Runs by text and tag (page)", "/runs?q=run+77&tag=group+3", LIST_MS),
        ("Runs, the newest (API)", "/api/v1/runs", LIST_MS),
        ("Runs, deep (API)", f"/api/v1/runs?cursor={deep['newest']}", LIST_MS),
        ("Runs by validation accuracy, deep (API)", f"/api/v1/runs?sort=validation_accuracy&cursor={deep['validation_accuracy']}", LIST_MS),
        ("Runs by length (API)", "/api/v1/runs?sort=duration", LIST_MS),
        ("Runs of a system in a state (API)", "/api/v1/runs?system=mlp&state=failed", LIST_MS),
        ("Runs with a tag (API)", "/api/v1/runs?tag=group+3", LIST_MS),
        ("Runs by text (API)", "/api/v1/runs?q=run+77", LIST_MS),
        (f"A curve of {long:,} points, thinned to 2,000 (API)", f"/api/v1/runs/{LONG}/metrics?points=2000", CURVE_MS),
        (f"A curve of {long:,} points as it is answered unless told otherwise (API)", f"/api/v1/runs/{LONG}/metrics", CURVE_MS),
        (f"The run of {long:,} points (page)", f"/runs/{LONG}", PAGE_MS),
        (f"Four runs of {long // 4 + long // 1000:,} points beside each other (page)", f"/compare?{compared}", PAGE_MS),
        ("A run of 800 points (page)", f"/runs/bench-{runs // 2}", PAGE_MS),
        ("A run of 800 points (API)", f"/api/v1/runs/bench-{runs // 2}/metrics", CURVE_MS),
    ]
    for _, path, _ in tasks:
        client.timed(path)  # once beforehand: the system reads the file's pages
    measured = common.interleaved(repeats, **{path: (lambda path=path: client.timed(path)) for _, path, _ in tasks})
    for task, path, limit in tasks:
        times = sorted(measured[path])
        high = times[min(len(times) - 1, round(0.99 * len(times)))]
        note = f"{runs:,} runs, {points:,} points; median of {repeats}, 99th percentile {high:.0f} ms, {client.sizes[path] / 1e3:,.0f} kB"
        yield common.row(task, statistics.median(times), None, None, "ms", limit=limit, note=note)


def beside_peers(arguments, folder, runs, long, repeats):
    """What a peer can be asked too, each peer beside ours."""
    stores = {name: peer_store(arguments.work, name, folder, runs, long) for name in ("mlflow", "tensorboard")}
    long_key = json.loads((stores["mlflow"] / "told.json").read_text())["long"]
    log = arguments.work / "scale-peer.log"
    servers = {
        "ours": lambda: serving(arguments.torchboard, folder),
        "mlflow": lambda: serve.running(
            [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{stores['mlflow']}/mlflow.sqlite", "--host", "127.0.0.1", "--port", free_port()],
            r"running on (http://127\S+)", log, serve.environment(),
        ),
        "tensorboard": lambda: serve.running(
            [sys.executable, "-m", "tensorboard.main", "--logdir", stores["tensorboard"], "--host", "127.0.0.1", "--port", free_port(), "--samples_per_plugin", f"scalars={THINNED}"],
            r"at (http://127[^\s/]+)", log, serve.environment(),
        ),
    }
    newest, by_accuracy, curve = "Runs, the newest", "Runs by validation accuracy", f"A curve of {long:,} points, thinned to {THINNED:,}"
    search = lambda order: ("/api/2.0/mlflow/runs/search", {"experiment_ids": ["0"], "max_results": 50, "order_by": [order]})
    asked = {
        "ours": {newest: ("/api/v1/runs", None), by_accuracy: ("/api/v1/runs?sort=validation_accuracy", None), curve: (f"/api/v1/runs/{LONG}/metrics?points={THINNED}", None)},
        "mlflow": {
            newest: search("attributes.start_time DESC"),
            by_accuracy: search("metrics.validation_accuracy DESC"),
            curve: (f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={long_key}&metric_key=train_loss&max_results={THINNED}", None),
        },
        "tensorboard": {curve: ("/data/plugin/scalars/scalars?run=long&tag=train_loss", None)},
    }
    named = {"mlflow": "MLflow", "tensorboard": "TensorBoard"}
    first = {"mlflow": newest, "tensorboard": curve}
    for peer, task in first.items():
        def start(side):
            began = time.perf_counter()
            with servers[side]() as server:
                client = Client(server.address)
                await_whole(client, side, task == curve, asked[side][task], long)
                return time.perf_counter() - began

        times = common.medians(common.interleaved(3, **{side: (lambda side=side: start(side)) for side in ("ours", peer)}))
        yield common.row(f"From the command to: {task[0].lower()}{task[1:]} (API)", times["ours"], times[peer], named[peer], "s", note="median of 3")
    for peer in named:
        with servers["ours"]() as ours, servers[peer]() as other:
            clients = {"ours": Client(ours.address), peer: Client(other.address)}
            for task, question in asked[peer].items():
                questions = {"ours": asked["ours"][task], peer: question}
                await_whole(clients[peer], peer, task == curve, question, long)
                times = common.medians(common.interleaved(repeats, **{side: (lambda side=side: clients[side].timed(*questions[side])) for side in clients}))
                note = f"median of {repeats}; {clients['ours'].sizes[questions['ours'][0]] / 1e3:,.0f} kB and {clients[peer].sizes[question[0]] / 1e3:,.0f} kB"
                if task == curve and any(step <= long for step, _ in PEAKS):
                    note += f"; of the curve's {len(PEAKS)} extremes the peer's answer has {kept_extremes(peer, clients[peer].get(*question), long)}, ours all"
                yield common.row(f"{task} (API)", times["ours"], times[peer], named[peer], "ms", note=note)


def await_whole(client, side, is_curve, question, long):
    """Returns once the answer is there and whole: TensorBoard reads its file while it answers already."""
    deadline = time.monotonic() + 300
    while True:
        try:
            body = client.get(*question)
            if side != "tensorboard" or not is_curve or max(points_of(side, body), default=0) == long:
                return
        except AssertionError:
            pass
        assert time.monotonic() < deadline, f"{side} does not answer {question}"
        time.sleep(0.01)


def kept_extremes(peer, body, long):
    points = points_of(peer, body)
    # TensorBoard keeps f32.
    return sum(abs(points.get(step, float("inf")) - value) < 1e-6 for step, value in PEAKS if step <= long)


def points_of(peer, body):
    """Values by their steps."""
    if peer == "tensorboard":
        return {step: value for _, step, value in json.loads(body)}
    return {point["step"]: point["value"] for point in json.loads(body)["metrics"]}


def peer_store(work, peer, ours, runs, long):
    """The peer's store, made once."""
    folder = work / f"scale-{peer}-{runs}-{long}"
    if not (folder / "told.json").exists():
        print(f"making {folder.name} (once)", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        made = subprocess.run([sys.executable, STORES, peer, folder, ours / "torchboard.sqlite"], stdout=subprocess.PIPE, text=True, check=True, env=serve.environment())
        (folder / "told.json").write_text(made.stdout.splitlines()[-1])
    return folder


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def check_extremes(client, long):
    """What stands in one point alone is in the answer, its ends are, and it is no longer than was asked for."""
    [curve] = client.json(f"/api/v1/runs/{LONG}/metrics?points=2000")["series"]
    at = dict(zip(curve["steps"], (value for _, value in curve["points"])))
    assert len(at) <= 2000 and {1, long} <= at.keys(), (len(at), min(at), max(at))
    for step, value in PEAKS:
        assert step > long or at.get(step) == value, f"the extreme at step {step} is lost"


def check_pages(client, order, runs):
    """Every run comes once."""
    seen, cursor = [], ""
    while cursor is not None:
        page = client.json(f"/api/v1/runs?limit=1000&sort={order}&cursor={cursor}")
        seen += [run["id"] for run in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) and len(seen) >= runs, (order, len(seen))


def cursor_at(client, order, place):
    """The cursor of the page after `place` runs."""
    cursor, seen = "", 0
    while seen < place:
        page = client.json(f"/api/v1/runs?limit=1000&sort={order}&cursor={cursor}")
        cursor, seen = page["next_cursor"], seen + len(page["items"])
        if cursor is None:
            return ""
    return cursor


class Client:
    """One connection, kept alive."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=120)
        self.sizes = {}

    def get(self, path, question=None):
        """The answer's body; a `question` is sent as JSON."""
        if question is None:
            self.connection.request("GET", path)
        else:
            self.connection.request("POST", path, json.dumps(question), {"content-type": "application/json"})
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:300])
        self.sizes[path] = len(body)
        return body

    def json(self, path):
        return json.loads(self.get(path))

    def timed(self, path, question=None):
        began = time.perf_counter()
        self.get(path, question)
        return 1e3 * (time.perf_counter() - began)


@contextlib.contextmanager
def serving(binary, folder):
    command = [binary, "serve", "--address", "127.0.0.1:0", "--device", "cpu", "--data-dir", folder]
    with serve.running(command, r"listening on (http://\S+)", os.devnull, serve.environment()) as server:
        yield server


def stored(work, runs, long):
    """A data folder with the runs in it, made once, and how many points they have.

    Written straight into SQLite, as the program would have left it: one run of `long` points, four of a quarter of that each, and ordinary
    ones of 200 epochs. The long ones have every event that they said; of the ordinary ones their first and last are there.
    """
    folder, file = work / f"scale-{runs}-{long}", "torchboard.sqlite"
    if not (folder / "whole").exists():
        print(f"making {folder.name} (once)", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        store = sqlite3.connect(folder / file)
        store.executescript("PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA cache_size = -200000;")
        for number in range(1, VERSION + 1):
            store.executescript((MIGRATIONS / f"{number}.sql").read_text())
        fill(store, runs, long)
        store.execute(f"PRAGMA user_version = {VERSION}")
        store.commit()
        (folder / "whole").write_text(str(store.execute("SELECT count(*) FROM points").fetchone()[0]))
        store.close()
    return folder, int((folder / "whole").read_text())


def fill(store, runs, long):
    store.executemany("INSERT INTO series (number, name) VALUES (?, ?)", enumerate(SERIES, 1))
    longer = [(LONG, long)] + [(f"{LONG}-{number}", long // 4 + long // 1000) for number in range(4)]
    ordinary = [(f"bench-{number}", EPOCHS) for number in range(runs - len(longer))]
    versions, hardware = json.dumps({"torchboard": "0.1.0", "libtorch": "2.11.0"}), json.dumps({"cores": 2, "device": "cpu", "processor": "a processor"})
    for number, (name, epochs) in enumerate(ordinary + longer, 1):
        config = {"dataset": "fashion-mnist-sample", "units": 16 * (1 + number % 32), "learning_rate": 0.001, "epochs": epochs, "batch_size": 128}
        state = "failed" if number % 97 == 0 else "done"
        began = TIME + 60_000 * number
        store.execute(
            "INSERT INTO runs (number, id, system, name, state, config, seed, threads, device, versions, hardware, parameters, created_ms, started_ms, "
            "ended_ms, tags, notes, origin) VALUES (?, ?, ?, ?, ?, ?, ?, 2, 'cpu', ?, ?, 25450, ?, ?, ?, ?, ?, 'trained')",
            [number, name, ["mlp", "resnet14"][number % 2], f"run {number}", state, json.dumps(config), number, versions, hardware, began, began + 100,
             began + 1_000 + number * 7919 % 500_000, json.dumps([f"group {number % 7}"]), "seen by two of us. " * (number % 5)],
        )
    first_long = len(ordinary) + 1
    # As an ordinary training goes: losses fall, accuracies rise, and no two runs are alike.
    store.execute(
        "WITH RECURSIVE epochs (epoch) AS (SELECT 1 UNION ALL SELECT epoch + 1 FROM epochs WHERE epoch < ?) "
        "INSERT INTO points SELECT runs.number, series.number, 469 * epoch, epoch, "
        "CASE series.number % 2 WHEN 0 THEN 1 ELSE 0 END + (series.number % 2 * 2 - 1) * (0.9 - 0.8 / (epoch + runs.number % 13) + (runs.number * 7919 + epoch * 104729) % 1000 / 1e5) "
        "FROM runs CROSS JOIN series CROSS JOIN epochs WHERE runs.number < ?", [EPOCHS, first_long],
    )
    for number, (_, count) in enumerate(longer, first_long):
        store.execute(
            "WITH RECURSIVE steps (step) AS (SELECT 1 UNION ALL SELECT step + 1 FROM steps WHERE step < ?) "
            "INSERT INTO points SELECT ?, 2, step, step / 100, 2.0 / (1 + step / 1e5) + (step * 7919 % 1009) / 2e3 FROM steps", [count, number],
        )
    for step, value in PEAKS:
        store.execute("UPDATE points SET value = ? WHERE run = ? AND series = 2 AND step = ?", [value, first_long, step])
    store.execute(
        "INSERT INTO summaries SELECT run, series, last, CASE series % 2 WHEN 0 THEN low ELSE high END, last_step / 469 FROM "
        "(SELECT run, series, min(value) AS low, max(value) AS high, max(step) AS last_step, value AS last FROM points GROUP BY run, series)"
    )
    metric = """'{"event":"metric","name":"loss","split":"train","epoch":' || epoch || ',"step":' || step || ',"value":' || value || '}'"""
    store.execute(f"INSERT INTO events SELECT run, step + 1, {TIME} + step, {metric} FROM points WHERE run >= ?", [first_long])
    store.execute(f"""INSERT INTO events SELECT number, 1, started_ms, '{{"event":"state","state":"running","reason":null}}' FROM runs""")
    last = "(SELECT max(number) FROM events WHERE run = runs.number)"
    store.execute(f"""INSERT INTO events SELECT number, {last} + 1, ended_ms, '{{"event":"log","message":"trained on the processor"}}' FROM runs""")
    store.execute(
        f"""INSERT INTO events SELECT number, {last} + 1, ended_ms, '{{"event":"end","state":"' || state || '","reason":null,"outcome":null}}' FROM runs"""
    )


if __name__ == "__main__":
    main()
