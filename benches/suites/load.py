"""Vectors from file to memory: ours beside gensim's load_word2vec_format, each in fresh processes."""

import json
import shutil
import subprocess
import sys

import common

# gensim in a process of its own, so that its peak memory is its alone.
GENSIM = """
import json, resource, sys, time
from gensim.models import KeyedVectors
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
began = time.perf_counter()
if sys.argv[1] == "import":
    vectors = KeyedVectors.load_word2vec_format(sys.argv[2], binary=False, no_header=True)
else:
    vectors = KeyedVectors.load(sys.argv[2], mmap="r")
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
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
    folder.mkdir(parents=True)
    saved = folder / "gensim.kv"
    file.read_bytes()  # both sides then read from the page cache

    def gensim(*parameters):
        done = subprocess.run([sys.executable, "-c", GENSIM, *map(str, parameters)], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    answers = {}

    def measured(name, call):
        def side():
            answers[name] = call()
            return answers[name]["seconds"]

        return side

    def ours(*parameters):
        return common.ours(arguments.ours, "load", *parameters)[0]

    # gensim takes minutes here: one round of it, between two of ours.
    began = [ours("import", file, folder)["seconds"]]
    loaded = common.interleaved(
        1,
        ours=measured("ours", lambda: ours("import", file, folder)),
        peer=measured("gensim", lambda: gensim("import", file, saved)),
    )
    first = common.medians({"ours": began + loaded["ours"] + [ours("import", file, folder)["seconds"]], "peer": loaded["peer"]})
    for key in ("words", "first", "last", "last_word"):
        assert answers["ours"][key] == answers["gensim"][key], f"ours and gensim differ in {key}"
    again = common.medians(
        common.interleaved(
            5,
            ours=measured("ours again", lambda: ours("reopen", folder)),
            peer=measured("gensim again", lambda: gensim("reopen", saved)),
        )
    )
    matrix = words * dimensions * 4
    size = f"{words:,} x {dimensions}"
    peak, peak_peer = answers["ours"]["peak_bytes"] / matrix, answers["gensim"]["peak_bytes"] / matrix
    touched = answers["ours again"]["touched_peak_bytes"] / matrix
    base = answers["ours"]["base_bytes"] / 1e6
    rows = [
        common.row(f"First load of text, {size}", first["ours"], first["peer"], "gensim load_word2vec_format", "s", target=15, note="ours parses, quantises, writes the image and verifies it"),
        common.row(f"Opening again, {size}", again["ours"], again["peer"], "gensim load(mmap='r')", "s", note="wanted: below 0.1 s; ours verifies the checksum of every block, gensim verifies nothing"),
        common.row("Peak memory of the first load, times the f32 matrix", peak, peak_peer, "gensim load_word2vec_format", "x", note=f"wanted: at most 1.3; VmHWM of a fresh process, of which {base:.0f} MB are libtorch and the program"),
        common.row("Memory when every page has been searched, times the f32 matrix", touched, None, None, "x", note="wanted: at most 1.6; mapped pages are shared between processes"),
    ]
    common.save(arguments.output, "load", "Vectors from file to memory", rows)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
