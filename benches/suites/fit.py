"""Training of the report's MLP (784-32-10, Adam, batches of 32 from memory) against PyTorch eager and Keras, in time per step.

Each side trains on the 60,000 images of Fashion-MNIST in a process of its own, with two threads; what is timed is everything but the
first epoch: shuffling, steps, loss and accuracy of each epoch, and on our side its checkpoint. The losses must agree.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import common

common.fair()

PEERS = ["keras", "numpy", "tensorflow-cpu", "torch"]
PEER = common.PEER_PROGRAMS / "fit_peer.py"
MICROSECONDS = 1e6


def main():
    arguments = common.arguments()
    data = os.environ.get("TORCHBOARD_DATA")
    if not data or not Path(data, "fashion-mnist").is_dir():
        common.skip("the fit suite needs Fashion-MNIST: set TORCHBOARD_DATA to the folder of data sets")
    epochs, rounds = (2, 1) if arguments.quick else (3, 5)
    measured = {"ours": [], "pytorch": [], "pytorch-fused": [], "keras": []}

    def side(name, run):
        def measure():
            measured[name].append(run())
            return measured[name][-1]["seconds"]

        return measure

    def peer(name):
        command = [sys.executable, str(PEER), name, str(Path(data, "fashion-mnist")), str(epochs)]
        return lambda: json.loads(subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()[-1])

    ours = lambda: common.ours(arguments.ours, "fit", data, epochs, common.THREADS)[-1]
    sides = {"ours": side("ours", ours)} | {name: side(name, peer(name)) for name in list(measured)[1:]}
    seconds = common.medians(common.interleaved(rounds, **sides))
    step = {name: value * MICROSECONDS for name, value in seconds.items()}
    median = lambda name, key: statistics.median(run[key] for run in measured[name])
    losses = {name: median(name, "loss") for name in measured}
    for name, loss in losses.items():
        assert abs(loss / losses["pytorch"] - 1) < 0.05, f"after {epochs} epochs the loss of {name} is {loss:.4f}, PyTorch's {losses['pytorch']:.4f}"
    note = f"784-32-10, batches of 32, epochs 2 to {epochs} of 1,875 steps; medians of {rounds}"
    rows = [
        common.row("a step of training", step["ours"], step["pytorch"], "PyTorch eager", "µs", target=4, note=note),
        common.row("a step of training", step["ours"], step["pytorch-fused"], "PyTorch eager, `Adam(fused=True)`", "µs", note="not its default"),
        common.row("a step of training", step["ours"], step["keras"], "Keras", "µs", target=8, note="`model.fit` on TensorFlow, its default"),
        common.row(f"loss of epoch {epochs}", losses["ours"], losses["pytorch"], "PyTorch eager", "nats", note=f"Keras {losses['keras']:.4f}; all within 5%"),
    ]
    common.save(arguments.output, "fit", "Training the MLP", rows, peers=PEERS)


if __name__ == "__main__":
    main()
