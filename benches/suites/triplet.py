"""Training of the report's embedding network on 256 triplets a step (Adam, dropout) against PyTorch eager, in time per step.

Each side draws its own triplets of MNIST from memory, in a process of its own, with two threads. What is timed is the step: taking
its images, forward, loss, backward and optimiser. The losses after the same number of steps must agree.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import common

common.fair()

PEERS = ["numpy", "torch"]
PEER = common.PEER_PROGRAMS / "triplet_peer.py"
MILLISECONDS = 1e3


def main():
    arguments = common.arguments()
    data = os.environ.get("TORCHBOARD_DATA")
    if not data or not Path(data, "mnist").is_dir():
        common.skip("the triplet suite needs MNIST: set TORCHBOARD_DATA to the folder of data sets")
    steps, rounds = (8, 1) if arguments.quick else (40, 3)
    measured = {"ours": [], "pytorch": [], "pytorch-channels-last": []}

    def side(name, run):
        def measure():
            measured[name].append(run())
            return measured[name][-1]["seconds"]

        return measure

    def peer(name):
        command = [sys.executable, str(PEER), name, str(Path(data, "mnist")), str(steps)]
        return lambda: json.loads(subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()[-1])

    ours = lambda: common.ours(arguments.ours, "triplet", data, steps, common.THREADS)[-1]
    sides = {"ours": side("ours", ours)} | {name: side(name, peer(name)) for name in list(measured)[1:]}
    step = {name: value * MILLISECONDS for name, value in common.medians(common.interleaved(rounds, **sides)).items()}
    losses = {name: statistics.median(run["loss"] for run in runs) for name, runs in measured.items()}
    if not arguments.quick:
        for name, loss in losses.items():
            assert abs(loss / losses["pytorch"] - 1) < 0.2, f"over {steps} steps the loss of {name} is {loss:.4f}, PyTorch's {losses['pytorch']:.4f}"
    note = f"3 x 256 images of 28x28, convolutions of 32 filters; {steps} steps; medians of {rounds}"
    rows = [
        common.row("a step of training", step["ours"], step["pytorch"], "PyTorch eager", "ms", target=2, note=note),
        common.row("a step of training", step["ours"], step["pytorch-channels-last"], "PyTorch eager, `channels_last`", "ms", note="not its default"),
        common.row(f"mean loss of {steps} steps", losses["ours"], losses["pytorch"], "PyTorch eager", "", note="within 20%: the triplets differ"),
    ]
    common.save(arguments.output, "triplet", "Training the embedding network", rows, peers=PEERS)


if __name__ == "__main__":
    main()
