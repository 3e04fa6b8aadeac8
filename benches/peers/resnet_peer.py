"""The peer of the resnet suite: trains the residual network as PyTorch's users write it, and asks it about images.

    python resnet_peer.py pytorch|pytorch-channels-last HAM10000.npz STEPS FOLDER

FOLDER holds the weights that our side trained, and what it says of 64 images. Prints one line of JSON: the median of the seconds of a step
with 128 images over all but the first three, which warm up; the mean loss of the last 55 steps, an epoch; the median of the seconds of an
answer for one image and for 64; and the largest difference between our log-probabilities and PyTorch's by our weights.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy
import torch
from residual_network import ResidualNetwork
from torch import nn

THREADS = 2
BATCH, LEARNING_RATE = 128, 0.001
WARM_UP, EPOCH = 3, 55
REPEATS = {1: 200, 64: 40}


def main():
    layout, file, steps, folder = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    arrays = numpy.load(file)
    images = torch.from_numpy(arrays["train_images"]).permute(0, 3, 1, 2).contiguous().float() / 255
    labels = torch.from_numpy(arrays["train_labels"][:, 0].astype(numpy.int64))
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    memory = torch.channels_last if layout == "pytorch-channels-last" else torch.contiguous_format
    model = ResidualNetwork(16, 7).to(memory_format=memory)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    seconds, losses = [], []
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(len(images))
        places, order = order[:BATCH], order[BATCH:]
        began = time.perf_counter()
        batch = images[places].to(memory_format=memory)
        loss = nn.functional.cross_entropy(model(batch), labels[places])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - began)
        losses.append(loss.item())
    model.take(folder / "weights.safetensors")
    answers = {}
    with torch.inference_mode():
        for count, repeats in REPEATS.items():
            pixels = torch.arange(count * 28 * 28 * 3)
            asked = ((pixels * 7919 % 1009).float() / 1009).view(count, 28, 28, 3).permute(0, 3, 1, 2).contiguous(memory_format=memory)
            answers[count] = []
            for _ in range(repeats):
                began = time.perf_counter()
                said = model(asked).log_softmax(1)
                answers[count].append(time.perf_counter() - began)
    ours = torch.from_numpy(numpy.fromfile(folder / "answers.f32", numpy.float32)).view_as(said)
    result = {"seconds": statistics.median(seconds[WARM_UP:]), "loss": statistics.mean(losses[-EPOCH:]), "difference": (ours - said).abs().max().item()}
    print(json.dumps(result | {"one": statistics.median(answers[1]), "many": statistics.median(answers[64])}))


if __name__ == "__main__":
    main()
