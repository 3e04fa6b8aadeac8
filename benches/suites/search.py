"""Exact nearest neighbours against gensim's most_similar, 400,000 x 200 on two threads, interleaved.

Two kinds of vectors, as hard and as easy for a bound: isotropic Gaussian, and 2,000 clusters. Ours must find what gensim
finds; a different word is allowed only where the two similarities differ by less than 1e-6.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import time

THREADS = "2"
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = THREADS

import gensim
import numpy as np
from gensim.models import KeyedVectors


def vectors(kind, rows, dimension):
    random = np.random.default_rng(0)
    values = random.standard_normal((rows, dimension), dtype=np.float32)
    if kind == "clustered":
        centres = random.standard_normal((2000, dimension), dtype=np.float32)
        values *= 0.6
        values += centres[random.integers(0, 2000, rows)]
    return values


class Ours:
    """The process that answers a task a line."""

    def __init__(self, binary, file, dimension):
        self.process = subprocess.Popen(
            [binary, "search", str(file), str(dimension)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.opened = json.loads(self.process.stdout.readline())

    def ask(self, k, rows):
        self.process.stdin.write(f"{k} {' '.join(map(str, rows))}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def check(model, row, k, found):
    """Ours equals gensim's answer, but for words whose similarities gensim itself can't tell apart in f32."""
    expected = [int(word) for word, _ in model.most_similar(str(row), topn=k)]
    assert len(found) == k, (row, k, len(found))
    unit = lambda index: model.vectors[index].astype(np.float64) / np.linalg.norm(model.vectors[index].astype(np.float64))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == theirs or abs((unit(ours) - unit(theirs)) @ unit(row)) < 1e-6, (row, k, ours, theirs)


def measure(kind, arguments):
    rows, dimension = (50_000, 100) if arguments.quick else (400_000, 200)
    repeats = 5 if arguments.quick else 25
    values = vectors(kind, rows, dimension)
    file = pathlib.Path(arguments.work) / f"search-{kind}.f32"
    values.tofile(file)
    model = KeyedVectors(dimension)
    model.add_vectors([str(index) for index in range(rows)], values)
    model.fill_norms()
    del values
    ours = Ours(arguments.ours, file, dimension)
    random = np.random.default_rng(1)
    results = []
    for name, k, batch in [("single", 10, 1), ("single", 1000, 1), ("batch of 64", 10, 64), ("batch of 64", 1000, 64)]:
        our_seconds, their_seconds = [], []
        for repeat in range(repeats + 1):
            chosen = random.integers(0, rows, batch).tolist()
            answer = ours.ask(k, chosen)
            started = time.perf_counter()
            model.most_similar(str(chosen[0]), topn=k)
            elapsed = time.perf_counter() - started
            check(model, chosen[0], k, answer["first"])
            if repeat > 0:  # the first warms both up
                our_seconds.append(answer["seconds"] / batch)
                their_seconds.append(elapsed)
        mine, theirs = statistics.median(our_seconds), statistics.median(their_seconds)
        note = f"medians of {repeats}, interleaved, {THREADS} threads; answers compared"
        results.append(
            {
                "task": f"{k:,} nearest of {rows:,} x {dimension}, {kind}, {name}",
                "ours": mine * 1e3,
                "peer": theirs * 1e3,
                "peer_name": f"gensim {gensim.__version__}",
                "unit": "ms per query",
                "better": "lower",
                "ratio": theirs / mine,
                "target": 5,
                "note": note + ("; gensim has no batch, its single time stands" if batch > 1 else ""),
            }
        )
        print(f"{results[-1]['task']:60} {mine * 1e3:9.3f} {theirs * 1e3:9.3f} ms  {theirs / mine:.1f} x", flush=True)
    f32_bytes = rows * dimension * 4
    results.append(
        {
            "task": f"memory of a set of {rows:,} x {dimension}, all that a search reads, {kind}",
            "ours": ours.opened["search_bytes"] / f32_bytes,
            "peer": (model.vectors.nbytes + model.norms.nbytes) / f32_bytes,
            "peer_name": f"gensim {gensim.__version__}",
            "unit": "times the f32 matrix",
            "better": "lower",
            "ratio": (model.vectors.nbytes + model.norms.nbytes) / ours.opened["search_bytes"],
            "target": None,
            "note": "at most 1.6 was asked",
        }
    )
    ours.close()
    file.unlink()
    return results


def main():
    parser = argparse.ArgumentParser()
    for name in ("ours", "torchboard", "work", "output"):
        parser.add_argument(f"--{name}", required=name != "torchboard")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    report = {
        "suite": "search",
        "title": "Exact nearest neighbours",
        "command": "make bench SUITE=search",
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "rows": [row for kind in ("isotropic", "clustered") for row in measure(kind, arguments)],
    }
    pathlib.Path(arguments.output).write_text(json.dumps(report, indent=2) + "\n")


main()
