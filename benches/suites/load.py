"""Vectors from file to memory: ours beside gensim's load_word2vec_format, each in fresh processes."""

import json
import shutil
import subprocess
import sys

import common

common.fair()

# gensim in a process of its own, so that its peak memory is its alone. VmHWM and not getrusage: that one's maximum is inherited from the process that started this one.
GENSIM = """
import json, sys, time
from gensim.models import KeyedVectors
def peak_bytes():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]) * 1024
before = peak_bytes()
began = time.perf_counter()
if sys.argv[1] == "import":
    vectors = KeyedVectors.load_word2vec_format(sys.argv[2], binary=False, no_header=True)
else:
    vectors = KeyedVectors.load(sys.argv[2], mmap="r")
seconds = time.perf_counter() - began
peak = peak_bytes()
if sys.argv[1] == "import":
    vectors.save(sys.argv[3])
print(json.dumps({"seconds": seconds, "peak_bytes": peak, "base_bytes": before, "words": len(vectors), "first": vectors.vectors[0].tolist(),
    "last": vectors.vectors[-1].tolist(), "last_word": vectors.index_to_key[-1]}))
"""


def main():
    arguments = common.arguments()
    words, dimensions = (50_000 if arguments.quick else 400_000), 200
    file = common.synthetic_vectors(arguments.work, words, dimensions)
    folder = arguments.work / "load"
    shutil.rmtree(folder, ignore_errors=True)
    saved = folder / "gensim" / common.GENSIM_FILE
    saved.parent.mkdir(parents=True)
    read_through(file)  # both sides then read from the page cache
    answers = {}

    def measured(name, call):
        def side():
            answers[name] = call()
            return answers[name]["seconds"]

        return side

    def gensim(*parameters):
        done = subprocess.run([sys.executable, "-c", GENSIM, *map(str, parameters)], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    def ours(*parameters):
        return common.ours(arguments.ours, "load", *parameters)[0]

    # gensim takes minutes here: one round of it, between two of ours.
    first = common.medians(common.between(2, ours=measured("ours", lambda: ours("import", file, folder)), peer=measured("gensim", lambda: gensim("import", file, saved))))
    for key in ("words", "first", "last", "last_word"):
        assert answers["ours"][key] == answers["gensim"][key], f"ours and gensim differ in {key}"
    again = common.medians(
        common.interleaved(
            5,
            ours=measured("ours again", lambda: ours("reopen", folder)),
            peer=measured("gensim again", lambda: gensim("reopen", saved)),
        )
    )
    common.save(arguments.output, "load", "Vectors from file to memory", rows(answers, first, again, words, dimensions))
    if not common.gensim_folder(file).exists():
        saved.parent.replace(common.gensim_folder(file))  # the serve suite wants it too
    shutil.rmtree(folder)


def rows(answers, first, again, words, dimensions):
    size, matrix = f"{words:,} x {dimensions}", words * dimensions * 4
    peak, peak_peer = answers["ours"]["peak_bytes"] / matrix, answers["gensim"]["peak_bytes"] / matrix
    touched = answers["ours again"]["touched_peak_bytes"] / matrix
    added = touched - answers["ours again"]["base_bytes"] / matrix
    megabytes = {key: answers["ours again"][key] / 1e6 for key in ("base_bytes", "anonymous_bytes")}
    base = f"{megabytes['base_bytes']:.0f} MB of it are libtorch and the program before they begin"
    return [
        common.row(
            f"First load of text, {size}", first["ours"], first["peer"], "gensim load_word2vec_format", "s", target=15,
            note="median of 2 of ours, around 1 of gensim's; ours parses, quantises, writes the image and verifies it",
        ),
        common.row(
            f"Opening again, {size}", again["ours"], again["peer"], "gensim load(mmap='r')", "s", limit=0.1,
            note="medians of 5; ours verifies the checksum of every block, gensim verifies nothing",
        ),
        common.row(
            "Peak memory of the first load", peak, peak_peer, "gensim load_word2vec_format", "times the f32 matrix", limit=1.3,
            note=f"VmHWM of a fresh process: all pages that were ever resident at once, of mapped files too; {base}",
        ),
        common.row(
            "Memory when every page has been searched", touched, None, None, "times the f32 matrix", limit=1.6,
            note=f"VmHWM likewise; {base}; {megabytes['anonymous_bytes']:.0f} MB are this process's alone, the rest mapped files, which processes share",
        ),
        common.row(
            "Of that, what the set adds", added, None, None, "times the f32 matrix",
            note=f"the same less the {megabytes['base_bytes']:.0f} MB of libtorch and the program",
        ),
    ]


def read_through(file):
    with open(file, "rb") as bytes_of_file:
        while bytes_of_file.read(1 << 22):
            pass


if __name__ == "__main__":
    main()
