"""Pages and API of runs: with ten thousand runs stored, and while a training uses every core.

No tool of this kind is measured beside it: the limits are absolute, for a reader at a screen. All times are a client's, over loopback.
"""

import contextlib
import datetime
import json
import os
import shutil
import statistics
import threading
import time
import urllib.request

import common
import serve

common.fair()

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LIST_MS, RUN_MS, TRAINING_MS, EVENT_MS = 100, 50, 200, 1000


def main():
    arguments = common.arguments()
    count, repeats, seconds = (300, 5, 3) if arguments.quick else (10_000, 40, 20)
    folder = stored(arguments, count)
    rows = []
    with serving(arguments.torchboard, folder) as address:
        about = f"{count:,} runs of 50 epochs stored; median of {repeats} requests, the slowest {{slowest:.0f}} ms"
        for task, path, limit in [
            ("The list of runs (page)", "/runs", LIST_MS),
            ("The list sorted by validation accuracy (page)", "/runs?sort=validation_accuracy", LIST_MS),
            ("The list filtered by text and tag (page)", "/runs?q=run+77&tag=group+3", LIST_MS),
            ("The list of runs (API)", "/api/v1/runs?limit=50", LIST_MS),
            ("One run (page)", f"/runs/bench-{count // 2}", RUN_MS),
            ("One run's curves (API)", f"/api/v1/runs/bench-{count // 2}/metrics", RUN_MS),
        ]:
            times = [timed(address + path) for _ in range(repeats)]
            note = about.format(slowest=max(times))
            rows.append(common.row(task, statistics.median(times), None, None, "ms", limit=limit, note=note))
        rows += while_training(address, count, seconds)
    common.save(arguments.output, "runs", "Runs: lists, pages, and a training beside them", rows, peers=())


def stored(arguments, count):
    """A data folder with the runs in it, made once."""
    folder = arguments.work / f"runs-{count}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        common.ours(arguments.ours, "runs", folder, count)
        (folder / "whole").touch()
    return folder


@contextlib.contextmanager
def serving(binary, folder):
    command = [binary, "serve", "--address", "127.0.0.1:0", "--device", "cpu", "--without-shipped-runs", "--data-dir", folder]
    with serve.running(command, r"listening on (http://\S+)", os.devnull, serve.environment()) as server:
        yield server.address


def while_training(address, count, seconds):
    """Pages while a worker trains on every core, asked by four readers without pause, and how late its events come to a follower."""
    body = {"system": "mlp", "config": {"dataset": "fashion-mnist-sample", "epochs": 10_000, "units": 4096, "batch_size": 256}}
    request = urllib.request.Request(f"{address}/api/v1/runs", json.dumps(body).encode(), {"content-type": "application/json"})
    run = json.load(DIRECT.open(request, timeout=30))["id"]
    one = f"{address}/api/v1/runs/{run}"
    while json.load(DIRECT.open(one, timeout=30))["progress"]["step"] == 0:
        time.sleep(0.1)
    pages = ["/runs", f"/runs/bench-{count // 3}", f"/runs/{run}", "/", "/datasets", "/words/neighbors"]
    times, late, end = [], [], time.monotonic() + seconds

    def read(place):
        while time.monotonic() < end:
            times.append(timed(address + pages[place % len(pages)]))
            place += 1

    def follow():
        last = json.load(DIRECT.open(one, timeout=30))["progress"]["step"]
        with DIRECT.open(f"{one}/events", timeout=30) as events:
            for line in events:
                if time.monotonic() > end:
                    return
                if not line.startswith(b"data:"):
                    continue
                event = json.loads(line[5:])
                if event.get("step", 0) > last:  # not a replay
                    stored = datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00"))
                    late.append(1e3 * (time.time() - stored.timestamp()))

    readers = [threading.Thread(target=read, args=(place,)) for place in range(4)] + [threading.Thread(target=follow)]
    [reader.start() for reader in readers]
    [reader.join() for reader in readers]
    DIRECT.open(urllib.request.Request(f"{one}/cancel", b"", {}), timeout=30).close()
    while json.load(DIRECT.open(one, timeout=30))["state"] == "running":
        time.sleep(0.1)
    DIRECT.open(urllib.request.Request(one, method="DELETE"), timeout=30).close()
    pages = f"{len(times):,} pages of six kinds asked by four readers in {seconds} s, median {statistics.median(times):.0f} ms; the client shares the cores"
    events = f"{len(late)} events beside those readers, the slowest {max(late):.0f} ms"
    return [
        common.row("Pages while a training uses every core, 99th percentile", statistics.quantiles(times, n=100)[-1], None, None, "ms", limit=TRAINING_MS, note=pages),
        common.row("From an event's being stored to its follower, median", statistics.median(late), None, None, "ms", limit=EVENT_MS, note=events),
    ]


def timed(address):
    began = time.perf_counter()
    with DIRECT.open(address, timeout=30) as answer:
        answer.read()
    return 1e3 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
