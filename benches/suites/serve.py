"""Nearest words over HTTP: `torchboard serve` beside gensim behind FastAPI and uvicorn with two workers.

Both servers answer the same questions on the same vectors with the same JSON, each on the same two cores, which the load
generator (ours/serve.rs, one for both) shares. Only one of them is asked at a time.
"""

import contextlib
import json
import os
import queue
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import common

common.fair()

PEER = "gensim, FastAPI, uvicorn with 2 workers"
SET = "synthetic"
CONNECTIONS = (16, 200)
PATIENCE_S = 120
ROUTE = f"/api/v1/words/{SET}/neighbors"


def main():
    arguments = common.arguments()
    words, dimensions = (50_000 if arguments.quick else 400_000), 200
    rounds, seconds = (1, 3) if arguments.quick else (3, 10)
    file = common.synthetic_vectors(arguments.work, words, dimensions)
    saved = common.gensim_vectors(file)
    vocabulary = words_of(file)
    with contextlib.ExitStack() as servers:
        addresses = {
            "ours": servers.enter_context(torchboard(arguments.torchboard, imported(arguments.torchboard, file))),
            "peer": servers.enter_context(gensim(saved, arguments.work / "gensim-service.log")),
        }
        compare_answers(addresses, vocabulary.read_text().splitlines())

        def load(side, connections, length, seed):
            return common.ours(arguments.ours, "serve", addresses[side] + ROUTE, vocabulary, connections, length, seed)[0]

        for side in addresses:
            load(side, 16, seconds, 0)  # warms it up
        measured = {}
        for connections in CONNECTIONS:
            sides = {side: [] for side in addresses}
            for number in range(rounds):
                answer = {side: (lambda side=side: sides[side].append(load(side, connections, seconds, number + 1))) for side in addresses}
                common.interleaved(1, seed=number, **answer)
            measured[connections] = sides
    about = f"{words:,} x {dimensions}, k = 10, random words; medians of {rounds} rounds of {seconds} s; server and load generator share {common.THREADS} cores"
    rows = [row for connections, sides in measured.items() for row in rows_of(connections, sides, about)]
    common.save(arguments.output, "serve", "Nearest words over HTTP", rows)


def rows_of(connections, sides, about):
    def median(side, key):
        # Without any answer there is no latency.
        known = [told[key] for told in sides[side] if told[key] is not None]
        return statistics.median(known) if known else None

    def failed(side):
        asked = sum(told["answered"] + told["failed"] for told in sides[side])
        return 100 * sum(told["failed"] for told in sides[side]) / asked

    def said(side):
        kinds = {}
        for told in sides[side]:
            for kind, count in told["failures"].items():
                kinds[kind] = kinds.get(kind, 0) + count
        return ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items())) or "none"

    name = f"{connections} connections"
    asked = {side: sum(told["answered"] + told["failed"] for told in sides[side]) for side in sides}
    return [
        common.row(f"Throughput, {name}", median("ours", "per_second"), median("peer", "per_second"), PEER, "answers/s", better="higher", target=20, note=about),
        common.row(f"Median latency, {name}", median("ours", "median_ms"), median("peer", "median_ms"), PEER, "ms", note="of what was answered within 30 s"),
        common.row(f"99th percentile, {name}", median("ours", "p99_ms"), median("peer", "p99_ms"), PEER, "ms", note="likewise"),
        common.row(
            f"Failed requests, {name}", failed("ours"), failed("peer"), PEER, "%", limit=0,
            note=f"ours: {said('ours')} of {asked['ours']:,}; peer: {said('peer')} of {asked['peer']:,}",
        ),
    ]


def words_of(file):
    """The path of a file of the words alone, one a line."""
    path = file.with_suffix(".words")
    if not path.exists():
        with open(file, encoding="utf-8") as lines:
            words = [line.split(" ", 1)[0] for line in lines]
        partial = path.with_suffix(".partial")
        partial.write_text("\n".join(words) + "\n", encoding="utf-8")
        partial.replace(path)
    return path


def imported(torchboard, file):
    """A data folder with the vectors in it; the import is skipped where an image of this version is there."""
    folder = file.with_suffix(".data")
    known = subprocess.run([torchboard, "words", "list", "--json", "--data-dir", folder], capture_output=True, text=True, env=environment())
    if known.returncode != 0 or SET not in [item["id"] for item in json.loads(known.stdout)["items"]]:
        subprocess.run([torchboard, "words", "import", file, "--id", SET, "--data-dir", folder], check=True, env=environment())
    return folder


def environment(**more):
    """This process's own without the reader's data sets: a server that imports those would be measured doing it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TORCHBOARD_")} | more


@contextlib.contextmanager
def torchboard(binary, folder):
    command = [binary, "serve", "--address", "127.0.0.1:0", "--device", "cpu", "--data-dir", folder]
    with running(command, None, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()) as lines:
        yield answering(address_in(lines, r"listening on (http://\S+)"))


@contextlib.contextmanager
def gensim(saved, log):
    command = [
        sys.executable, "-m", "uvicorn", "gensim_service:app", "--app-dir", str(common.PEER_PROGRAMS), "--host", "127.0.0.1", "--port", "0",
        "--workers", str(common.THREADS), "--no-access-log",
    ]
    # A thread of arithmetic for each worker: more of them than cores would only stand in each other's way.
    arithmetic = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    with running(command, log, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(GENSIM_VECTORS=str(saved), **arithmetic)) as lines:
        yield answering(address_in(lines, r"running on (http://\S+)"))


@contextlib.contextmanager
def running(command, log, **options):
    """Lines of a process's output as they come; the process is asked to end in the end, and its children with it."""
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, text=True, **options)
    lines = queue.Queue()

    def read():
        with open(log or os.devnull, "w", encoding="utf-8") as copy:
            for line in process.stdout or process.stderr:
                copy.write(line)
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        yield lines
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


def address_in(lines, pattern):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            line = lines.get(timeout=max(0.1, deadline - time.monotonic()))
        except queue.Empty:
            sys.exit(f"a server did not say within {PATIENCE_S} s where it listens")
        if line is None:
            sys.exit("a server ended before it said where it listens")
        if found := re.search(pattern, line):
            return found[1]


def answering(address):
    """`address`, once the vectors behind it answer."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            ask(address, "a")
            return address
        except urllib.error.HTTPError as error:
            if error.code == 404:  # the word is unknown, but the set is there
                return address
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"{address} did not answer within {PATIENCE_S} s")


def ask(address, word):
    with urllib.request.urlopen(f"{address}{ROUTE}?word={word}&k=10", timeout=PATIENCE_S) as response:
        return json.load(response)


def compare_answers(addresses, words):
    """Both give the same keys, words and similarities, but for rounding."""
    for word in words[:: len(words) // 20]:
        ours, peer = (ask(addresses[side], word) for side in ("ours", "peer"))
        assert list(ours) == list(peer) and (ours["word"], ours["k"]) == (peer["word"], peer["k"]), (ours, peer)
        for mine, theirs in zip(ours["neighbors"], peer["neighbors"], strict=True):
            close = abs(mine["similarity"] - theirs["similarity"]) < 1e-5
            assert close, f"{word}: {mine} and {theirs}"


if __name__ == "__main__":
    main()
