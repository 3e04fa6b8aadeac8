"""What the suites share: arguments, the machine, fair timing, the row format, and a large synthetic vector file."""

import argparse
import datetime
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

PEERS = ["fastapi", "gensim", "numpy", "scikit-learn", "scipy", "uvicorn"]
PEER_PROGRAMS = Path(__file__).resolve().parent.parent / "peers"
THREADS = 2
SKIPPED = 77  # the exit status that automake gave its meaning


def fair():
    """Two processor cores and two threads for this process and all that it starts, ours and peers alike.

    Numerical libraries read these variables when they are loaded: call it before the first import of numpy.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(THREADS)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def skip(reason):
    """Ends a suite that can't run here, which is no failure."""
    print(f"skipped: {reason}", flush=True)
    sys.exit(SKIPPED)


def arguments():
    """What benches/run.py hands to each suite."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", type=Path, required=True, help="the compiled benches/ours")
    parser.add_argument("--torchboard", type=Path, required=True, help="the torchboard binary")
    parser.add_argument("--work", type=Path, required=True, help="a folder for large files, kept between runs")
    parser.add_argument("--output", type=Path, required=True, help="where the result goes")
    parser.add_argument("--quick", action="store_true", help="a smoke run on small inputs")
    return parser.parse_args()


def machine(peers=PEERS, programs=None):
    """The machine and the versions of `peers` and of other `programs`, as BENCHMARKS.md shows them."""
    info = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().replace("\t", "").splitlines() if ":" in line) if Path("/proc/cpuinfo").exists() else {}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {"Python": platform.python_version()}
    for peer in peers:
        try:
            versions[peer] = metadata.version(peer)
        except metadata.PackageNotFoundError:
            pass
    versions |= programs or {}
    return {
        "cpu": ", ".join([info.get("model name", platform.processor() or platform.machine()).strip(), *widest(info.get("flags", "").split())]),
        "threads": THREADS,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "date": datetime.date.today().isoformat(),
        "versions": versions,
    }


def widest(flags):
    """The widest registers for numbers: one name of processors stands for several generations."""
    known = {"avx512f": "AVX-512", "avx2": "AVX2"}
    return [known[flag] for flag in known if flag in flags][:1]


def row(task, ours, peer, peer_name, unit, better="lower", target=None, limit=None, note=""):
    """One line of the table. `ratio` is how many times better ours is, whichever way `better` points.

    `target` is the ratio that is wanted; `limit` is what ours itself may be at most, or must be at least.
    """
    assert better in ("lower", "higher")
    below, above = (ours, peer) if better == "lower" else (peer, ours)
    ratio = above / below if peer is not None and below else None
    return {
        "task": task, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": unit, "better": better,
        "ratio": ratio, "target": target, "limit": limit, "note": note,
    }


def save(output, suite, title, rows, peers=PEERS, programs=None):
    """Writes the suite's result whole or not at all."""
    result = {"suite": suite, "title": title, "command": f"make bench SUITE={suite}", "machine": machine(peers, programs), "rows": rows}
    partial = output.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    partial.replace(output)


def interleaved(repeats, seed=0, **sides):
    """The values that each side returns, `repeats` of each, in rounds whose order is shuffled.

    A slow spell of the machine then falls on all sides alike. Each side is a function without arguments that returns the
    measured number, or that is timed in seconds when it returns None.
    """
    order, values = list(sides), {name: [] for name in sides}
    shuffler = random.Random(seed)
    for _ in range(repeats):
        shuffler.shuffle(order)
        for name in order:
            began = time.perf_counter()
            value = sides[name]()
            values[name].append(time.perf_counter() - began if value is None else value)
    return values


def between(rounds, ours, peer):
    """The values of `rounds` of ours and one of a peer that takes minutes, which comes in their middle."""
    values = {"ours": [], "peer": []}
    for number in range(rounds):
        if number == rounds // 2:
            values["peer"].append(peer())
        values["ours"].append(ours())
    return values


def medians(values):
    return {name: statistics.median(measured) for name, measured in values.items()}


def ours(binary, suite, *parameters):
    """The JSON lines that our side prints for `suite`."""
    done = subprocess.run([str(binary), suite, *map(str, parameters)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def synthetic_vectors(work, words=400_000, dimensions=200, seed=20):
    """The path of a GloVe text file of synthetic vectors, made once in `work` (690 MB at the full size).

    SYNTHETIC: it stands in for GloVe 6B where only speed and memory count. Like real vectors, the rows fall into clusters
    of uneven size (Zipf) that share a few strong common directions, and rarer words are shorter; unlike them, their
    neighbours mean nothing. Words are made of syllables, with lengths like those of English.
    """
    import numpy

    path = work / f"synthetic.{words}x{dimensions}.seed{seed}.txt"
    if path.exists():
        return path
    print(f"making {path.name} (once)", flush=True)
    generator = numpy.random.default_rng(seed)
    clusters = max(8, words // 200)
    common = generator.normal(size=(12, dimensions)) * numpy.linspace(0.9, 0.15, 12)[:, None]
    centres = generator.normal(size=(clusters, dimensions)) * 0.3 + generator.normal(size=(clusters, 12)) @ common * 0.12
    popularity = 1 / numpy.arange(1, clusters + 1) ** 0.6
    names = unique_words(words, generator)
    partial = path.with_suffix(".partial")
    ten_thousandths = numpy.array([f" {'-' if value < 0 else ''}{abs(value) / 10_000:.4f}" for value in range(-50_000, 50_001)], dtype=object)
    with open(partial, "w", encoding="utf-8", buffering=1 << 22) as file:
        for start in range(0, words, 4_000):
            count = min(4_000, words - start)
            belongs = generator.choice(clusters, size=count, p=popularity / popularity.sum())
            length = 1.15 - 0.45 * numpy.log1p(numpy.arange(start, start + count)) / numpy.log1p(words)
            spread = generator.uniform(0.18, 0.6, size=(count, 1))  # how far a word lies from its cluster's centre: graded neighbours, not ties
            rows = (centres[belongs] + generator.normal(size=(count, dimensions)) * spread) * length[:, None]
            cells = ten_thousandths[numpy.clip(numpy.rint(rows * 10_000), -50_000, 50_000).astype(numpy.int32) + 50_000]
            file.writelines(f"{name}{''.join(cell)}\n" for name, cell in zip(names[start : start + count], cells.tolist()))
    partial.replace(path)
    return path


def gensim_vectors(file):
    """The path of the vectors in `file` as gensim saves them, made once: minutes at the full size."""
    folder = gensim_folder(file)
    if not folder.exists():
        print(f"making {folder.name} (once)", flush=True)
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        script = "import sys; from gensim.models import KeyedVectors as K; K.load_word2vec_format(sys.argv[1], no_header=True).save(sys.argv[2])"
        subprocess.run([sys.executable, "-c", script, str(file), str(partial / GENSIM_FILE)], check=True)
        partial.replace(folder)
    return folder / GENSIM_FILE


def gensim_folder(file):
    return file.with_suffix(".gensim")


GENSIM_FILE = "vectors.kv"


def unique_words(count, generator):
    """`count` different words of one to five syllables, the shorter ones first as frequent words are."""
    syllables = [onset + vowel + coda for onset in ("", *"bcdfghklmnprstvw", "th", "st", "sh") for vowel in "aeiou" for coda in ("", *"nrstl")]
    words, seen = [], set()
    while len(words) < count:
        wanted = max(1, round(1 + 2.4 * len(words) / count))
        for picked in generator.integers(len(syllables), size=(50_000, wanted + 1)).tolist():
            word = "".join(syllables[index] for index in picked[: wanted + (picked[-1] & 1)])
            if word not in seen:
                seen.add(word)
                words.append(word)
    return words[:count]
