"""Training word vectors: ours beside the reference implementation of GloVe in C, on the same tokens and settings.

The corpora are the four texts of TORCHBOARD_DATA; the peer gets the tokens that ours reads. Vocabulary and number of pairs
must be equal. Both files of vectors are judged by gensim, with words in the same order.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import common

common.fair()

from gensim.models import KeyedVectors

PEER = "GloVe in C"
REFERENCE = common.PEER_PROGRAMS / "glove_reference.py"
SETTINGS = {"minimum_count": 5, "window": 10, "dimension": 100, "x_max": 10.0, "epochs": 15}
MOST_FREQUENT = 20_000
SECTIONS = {"family": "family", "comparatives": "gram3-comparative"}


def main():
    arguments = common.arguments()
    data = os.environ.get("TORCHBOARD_DATA")
    if not data:
        common.skip("the train suite needs real text: set TORCHBOARD_DATA to the folder of data sets")
    if not shutil.which(os.environ.get("CC", "cc")):
        common.skip("the train suite needs a C compiler for the reference implementation: sudo apt-get install gcc")
    corpora = sorted(Path(data, "corpus").glob("*.txt.gz"), key=lambda file: file.stat().st_size)
    corpora = corpora[:2] if arguments.quick else sorted(corpora)
    settings = SETTINGS | ({"epochs": 3} if arguments.quick else {})
    folder = arguments.work / "train"
    reference = arguments.work / "glove-reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, REFERENCE, "build", reference], check=True)
    tokens = common.ours(arguments.ours, "train", "tokenise", reference / "tokens.txt", *corpora)[0]["tokens"]

    # The reference needs many minutes: one round of it, between two of ours.
    rounds = common.between(2, ours=lambda: train_ours(arguments.torchboard, folder, corpora, settings), peer=lambda: train_peer(reference, settings))
    ours = {key: common.medians({key: [measured[key] for measured in rounds["ours"]]})[key] for key in rounds["ours"][0]}
    peer = rounds["peer"][0]
    record = json.loads((folder / "record.json").read_text())
    order = [line.split()[0] for line in (reference / "vocabulary.txt").read_text().splitlines()]
    for what, one, other in [("tokens", tokens, record["tokens"]), ("words", len(order), record["vocabulary"]), ("pairs", peer["pairs"], record["cooccurrences"])]:
        assert one == other, f"the peer has {one} {what}, ours {other}"
    questions = folder / "questions.txt"
    gather_questions(Path(data, "glove", "questions"), questions, arguments.quick)
    judged = [judge(file, order, questions) for file in (folder / "vectors.txt", reference / "vectors.txt")]
    rows = time_rows(ours, peer, record, settings) + accuracy_rows(*judged)
    programs = {"GloVe in C": "crucyble 0.1.0.dev4", "C compiler": compiler()}
    common.save(arguments.output, "train", "Training word vectors", rows, programs=programs)
    shutil.rmtree(folder)
    for file in reference.glob("*.bin"):
        file.unlink()


def train_ours(torchboard, folder, corpora, settings):
    """Seconds of each part, by the record that the training writes, and of the whole process."""
    assignments = [f"{key}={value}" for key, value in settings.items()]
    command = [
        torchboard, "train", "glove", "--seed", "1", "--threads", common.THREADS, "--data-dir", folder / "data", "--json",
        "--corpus", *corpora, "--output", folder / "vectors.txt", "--record", folder / "record.json", "--set", *assignments,
    ]
    began = time.perf_counter()
    subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
    whole = time.perf_counter() - began
    record = json.loads((folder / "record.json").read_text())
    return {"training": record["training_s"], "counting": record["cooccurrence_s"] + record["shuffle_s"], "whole": whole}


def train_peer(reference, settings):
    """The same of the reference implementation's four programs, each a process of its own, and the pairs that it counted."""
    seconds = {task: run_reference(task, reference, settings)["seconds"] for task in ("vocabulary", "cooccurrences", "shuffle")}
    trained = run_reference("train", reference, settings)
    return {
        "training": trained["training"],
        "counting": seconds["cooccurrences"] + seconds["shuffle"],
        "whole": sum(seconds.values()) + trained["seconds"],
        "pairs": (reference / "cooccurrences.bin").stat().st_size // 16,
    }


def run_reference(task, reference, settings):
    """Seconds of one of the reference's programs; of training also the passes alone, from its own messages."""
    command = [sys.executable, str(REFERENCE), task, str(reference), json.dumps(settings | {"threads": common.THREADS})]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        began = ended = time.perf_counter()
        for line in process.stderr:
            if line.startswith("Read "):  # what follows is the initialisation of parameters, which ours counts in too
                began = time.perf_counter()
            elif line.startswith("iter:"):
                ended = time.perf_counter()
                print(f"{PEER}: {line.strip()}", flush=True)
        told = process.stdout.read()
    if process.returncode != 0:
        sys.exit(f"the reference implementation's {task} failed with status {process.returncode}")
    return json.loads(told) | {"training": ended - began}


def gather_questions(folder, output, quick):
    """One file with a section for each file of questions, as gensim wants it."""
    wanted = set(SECTIONS.values()) if quick else None
    files = [file for file in sorted(folder.glob("*.txt")) if wanted is None or file.stem in wanted]
    output.write_text("".join(f": {file.stem}\n{file.read_text().strip()}\n" for file in files))


def judge(file, order, questions):
    """What gensim finds of a file of vectors, its words in the order of `order`."""
    loaded = KeyedVectors.load_word2vec_format(str(file), no_header=True)
    vectors = KeyedVectors(loaded.vector_size)
    vectors.add_vectors(order, loaded[order])
    found = {}
    for name, limit in (("frequent", MOST_FREQUENT), ("all", len(order))):
        _, sections = vectors.evaluate_word_analogies(str(questions), restrict_vocab=limit)
        found[name] = {section["section"]: (len(section["correct"]), len(section["correct"]) + len(section["incorrect"])) for section in sections}
    nearest = vectors.most_similar(positive=["king", "woman"], negative=["man"], topn=len(order))
    found["queen"] = next(((place + 1, similarity) for place, (word, similarity) in enumerate(nearest) if word == "queen"), (0, 0.0))
    return found


def time_rows(ours, peer, record, settings):
    pairs, epochs = record["cooccurrences"], settings["epochs"]
    size = f"{record['tokens'] / 1e6:.1f} million tokens, {record['vocabulary']:,} words, {pairs / 1e6:.1f} million pairs: equal on both sides"
    about = f"{epochs} passes, {settings['dimension']} dimensions, window {settings['window']}; {size}; median of 2 of ours, around 1 of the peer's"
    pace = {side: pairs * epochs / seconds / 1e6 for side, seconds in (("ours", ours["training"]), ("peer", peer["training"]))}
    return [
        common.row("Fitting the vectors", ours["training"], peer["training"], PEER, "s", target=2, note=about),
        common.row("Pace of it", pace["ours"], pace["peer"], PEER, "million pairs/s", better="higher"),
        common.row("Counting and shuffling the pairs", ours["counting"], peer["counting"], PEER, "s", note="the reference does both on one thread"),
        common.row("From text to vectors", ours["whole"], peer["whole"], PEER, "s", note="ours unpacks and tokenises too; the peer begins with our tokens, in plain text"),
    ]


def accuracy_rows(ours, peer):
    def share(found, name, section):
        right, covered = found[name][section]
        return 100 * right / covered if covered else 0.0

    def row(task, name, section, target=None):
        (right, covered), (theirs, same) = ours[name][section], peer[name][section]
        assert covered == same, "the two sides were asked different questions"
        note = f"{right:,} and {theirs:,} of {covered:,} covered questions; gensim's evaluate_word_analogies on both"
        return common.row(task, share(ours, name, section), share(peer, name, section), PEER, "%", better="higher", target=target, note=note)

    total = "Total accuracy"
    rows = [
        row(f"Analogies right among the {MOST_FREQUENT:,} most frequent words", "frequent", total, target=1),
        row("Analogies right among all words", "all", total, target=1),
    ]
    rows += [row(f"Of these, {name}, among the {MOST_FREQUENT:,}", "frequent", section) for name, section in SECTIONS.items()]
    (place, similarity), (their_place, their_similarity) = ours["queen"], peer["queen"]
    note = f"queen is number {place} of ours and number {their_place} of the peer's"
    rows.append(common.row("king + woman - man: similarity of queen", similarity, their_similarity, PEER, "cosine", better="higher", note=note))
    return rows


def compiler():
    told = subprocess.run([os.environ.get("CC", "cc"), "--version"], capture_output=True, text=True).stdout
    return told.splitlines()[0].strip() if told else "unknown"


if __name__ == "__main__":
    main()
