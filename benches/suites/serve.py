"""Nearest words over HTTP: `torchboard serve` beside gensim behind FastAPI and uvicorn with two workers.

All servers answer the same questions on the same vectors with the same JSON, each on the same two cores, which the load
generator (ours/serve.rs, one for all) shares. Only one of them is asked at a time. The peer runs twice: as it comes, where
each of its workers wants all cores for its arithmetic, and with one thread of arithmetic to a worker, as an expert sets it.
"""

import collections
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

PEERS = {"peer": "gensim, FastAPI, uvicorn with 2 workers", "tuned": "the same, one BLAS thread a worker"}
SET = "synthetic"
CONNECTIONS = (16, 200)
PATIENCE_S = 120
REST_S = 600  # a server finishes what it was asked, even where nobody waits for it any more
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ROUTE = f"/api/v1/words/{SET}/neighbors"


def main():
    arguments = common.arguments()
    words, dimensions = (50_000 if arguments.quick else 400_000), 200
    rounds, seconds = (1, 3) if arguments.quick else (3, 10)
    file = common.synthetic_vectors(arguments.work, words, dimensions)
    saved = common.gensim_vectors(file)
    vocabulary = words_of(file)
    with contextlib.ExitStack() as servers:
        running_servers = {
            "ours": servers.enter_context(torchboard(arguments.torchboard, imported(arguments.torchboard, file))),
            "peer": servers.enter_context(gensim(saved, arguments.work / "gensim-service.log", common.THREADS)),
            "tuned": servers.enter_context(gensim(saved, arguments.work / "gensim-service-tuned.log", 1)),
        }
        compare_answers(running_servers, vocabulary.read_text().splitlines())

        def load(side, connections, length, seed):
            told = common.ours(arguments.ours, "serve", running_servers[side].address + ROUTE, vocabulary, connections, length, seed)[0]
            running_servers[side].rest()  # it may still work on requests that were given up
            return told

        for side in running_servers:
            load(side, 16, seconds, 0)  # warms it up
        measured = {}
        for connections in CONNECTIONS:
            sides = {side: [] for side in running_servers}
            for number in range(rounds):
                answer = {side: (lambda side=side: sides[side].append(load(side, connections, seconds, number + 1))) for side in sides}
                common.interleaved(1, seed=number, **answer)
            measured[connections] = sides
    about = f"{words:,} x {dimensions}, k = 10, random words; medians of {rounds} rounds of {seconds} s; server and load generator share {common.THREADS} cores"
    rows = [row for connections, sides in measured.items() for row in rows_of(connections, sides, about)]
    common.save(arguments.output, "serve", "Nearest words over HTTP", rows)


def rows_of(connections, sides, about):
    name = f"{connections} connections"
    rows = []
    for side, peer in PEERS.items():
        both = lambda key: (median(sides["ours"], key), median(sides[side], key), peer)
        target = 20 if side == "peer" else None
        rows += [
            common.row(f"Throughput, {name}", *both("per_second"), "answers/s", better="higher", target=target, note=about),
            common.row(f"Median latency, {name}", *both("median_ms"), "ms", note="of what was answered within 30 s"),
            common.row(f"99th percentile, {name}", *both("p99_ms"), "ms", note="likewise"),
        ]
    note = "; ".join(f"{PEERS.get(side, 'ours')}: {failures(told)}" for side, told in sides.items())
    rows.append(common.row(f"Failed requests, {name}", share_failed(sides["ours"]), share_failed(sides["peer"]), PEERS["peer"], "%", limit=0, note=note))
    return rows


def median(rounds, key):
    """Of the rounds in which anything was answered; else none."""
    known = [told[key] for told in rounds if told[key] is not None]
    return statistics.median(known) if known else None


def share_failed(rounds):
    return 100 * sum(told["failed"] for told in rounds) / asked(rounds)


def asked(rounds):
    return sum(told["answered"] + told["failed"] for told in rounds)


def failures(rounds):
    kinds = collections.Counter()
    for told in rounds:
        kinds.update(told["failures"])
    return f"{', '.join(f'{count} x {kind}' for kind, count in sorted(kinds.items())) or 'none'} of {asked(rounds):,}"


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
    with running(command, r"listening on (http://\S+)", os.devnull, environment()) as server:
        yield server


@contextlib.contextmanager
def gensim(saved, log, threads):
    """`threads` is how many each worker's arithmetic takes; as it comes, that is one for each core."""
    command = [
        sys.executable, "-m", "uvicorn", "gensim_service:app", "--app-dir", str(common.PEER_PROGRAMS), "--host", "127.0.0.1", "--port", "0",
        "--workers", str(common.THREADS), "--no-access-log",
    ]
    arithmetic = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    with running(command, r"running on (http://\S+)", log, environment(GENSIM_VECTORS=str(saved), **arithmetic)) as server:
        yield server


@contextlib.contextmanager
def running(command, pattern, log, env):
    """A server that answers; it is asked to end in the end, and what is left of its group is killed."""
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, start_new_session=True
    )
    lines = queue.Queue()

    def read():
        with open(log, "w", encoding="utf-8") as copy:
            for line in process.stdout:
                copy.write(line)
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        server = Server(process.pid, address_in(lines, pattern))
        server.wait()
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class Server:
    def __init__(self, group, address):
        self.group = group
        self.address = address

    def wait(self):
        """Returns once the vectors behind it answer."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                ask(self.address, "a")
                return
            except urllib.error.HTTPError as error:
                if error.code == 404:  # the word is unknown, but the set is there
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit(f"{self.address} did not answer within {PATIENCE_S} s")

    def rest(self):
        """Returns once it has done nothing for half a second."""
        deadline = time.monotonic() + REST_S
        before = self.ticks()
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.ticks()
            if now - before <= 2:
                return
            before = now
        sys.exit(f"{self.address} did not come to rest within {REST_S} s")

    def ticks(self):
        """Processor time of all its processes, in the kernel's hundredths of a second."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()  # from the third field on: the second may hold spaces
                if int(fields[2]) == self.group:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks


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


def ask(address, word):
    with DIRECT.open(f"{address}{ROUTE}?word={word}&k=10", timeout=PATIENCE_S) as response:
        return json.load(response)


def compare_answers(servers, words):
    """Both give the same keys, words and similarities, but for rounding."""
    for word in words[:: len(words) // 20]:
        ours, peer = ask(servers["ours"].address, word), ask(servers["peer"].address, word)
        assert list(ours) == list(peer) and (ours["word"], ours["k"]) == (peer["word"], peer["k"]), (ours, peer)
        for mine, theirs in zip(ours["neighbors"], peer["neighbors"], strict=True):
            close = abs(mine["similarity"] - theirs["similarity"]) < 1e-5
            assert close, f"{word}: {mine} and {theirs}"


if __name__ == "__main__":
    main()
