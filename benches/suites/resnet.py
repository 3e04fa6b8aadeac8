"""Training of the residual network (HAM10000 at 28x28, Adam, batches of 128 from memory) against PyTorch eager, in time per step; and its answers.

Each side trains in a process of its own, with two threads. What is timed is the step: taking its images, forward, loss, backward and
optimiser; of ours an epoch's share of the validation and the checkpoint too. The losses after as many epochs must agree, and what PyTorch
says by the weights that ours has trained.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import common

common.fair()

PEERS = ["numpy", "torch"]
PEER = common.PEER_PROGRAMS / "resnet_peer.py"
FILE = "dermamnist-from-ham10000/ham10000_28x28_medmnist_split.npz"
STEPS_AN_EPOCH = 55
MILLISECONDS = 1e3


def main():
    arguments = common.arguments()
    data = os.environ.get("TORCHBOARD_DATA")
    if not data or not Path(data, FILE).is_file():
        common.skip(f"the resnet suite needs {FILE}: set TORCHBOARD_DATA to the folder of data sets")
    epochs, rounds = (2, 1) if arguments.quick else (2, 3)
    steps = 8 if arguments.quick else STEPS_AN_EPOCH * epochs
    measured = {"ours": [], "pytorch": [], "pytorch-channels-last": []}

    def side(name, run):
        def measure():
            measured[name].append(run())
            return measured[name][-1]["seconds"]

        return measure

    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:

        def peer(name):
            command = [sys.executable, str(PEER), name, str(Path(data, FILE)), str(steps), folder]
            return lambda: json.loads(subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()[-1])

        def ours():
            for file in Path(folder).iterdir():  # of the round before
                shutil.rmtree(file) if file.is_dir() else file.unlink()
            return common.ours(arguments.ours, "resnet", data, epochs, common.THREADS, folder)[-1]

        common.ours(arguments.ours, "resnet", data, epochs, common.THREADS, folder)  # whose weights the first peer needs
        sides = {"ours": side("ours", ours)} | {name: side(name, peer(name)) for name in list(measured)[1:]}
        common.interleaved(rounds, **sides)
    median = lambda name, key, unit=1: statistics.median(run[key] for run in measured[name]) * unit
    for name in list(measured)[1:]:
        difference = max(run["difference"] for run in measured[name])
        assert difference < 1e-4, f"by the same weights {name} says what is {difference} from ours"
        if not arguments.quick:
            loss, expected = median("ours", "loss"), median(name, "loss")
            assert abs(loss / expected - 1) < 0.1, f"in epoch {epochs} the loss is {loss:.4f}, that of {name} {expected:.4f}"
    names = {"pytorch": "PyTorch eager", "pytorch-channels-last": "PyTorch eager, `channels_last`"}
    note = f"28x28x3 images, 16 to 64 filters, batch normalisation; {STEPS_AN_EPOCH} steps; medians of {rounds}"
    rows = []
    for task, key, target in [("a step of training, 128 images", "seconds", [1.5, 1.2]), ("an answer, 64 images", "many", [2, None]), ("an answer, one image", "one", [2, None])]:
        for (name, said), wanted in zip(names.items(), target):
            rows.append(common.row(task, median("ours", key, MILLISECONDS), median(name, key, MILLISECONDS), said, "ms", target=wanted, note=note if key == "seconds" and name == "pytorch" else ""))
    rows.append(common.row(f"loss of epoch {epochs}", median("ours", "loss"), median("pytorch", "loss"), "PyTorch eager", "nats", note="within 10%: orders and starts differ"))
    common.save(arguments.output, "resnet", "Training and asking the residual network", rows, peers=PEERS)


if __name__ == "__main__":
    main()
