"""The peer of the triplet suite: trains the report's embedding network as PyTorch's users write it, and prints how long a step took.

    python triplet_peer.py pytorch|pytorch-channels-last FOLDER STEPS

FOLDER holds MNIST. A step takes 256 triplets: an anchor, another image of its class, one of another class. Prints one line of
JSON: the median of the seconds of a step over all but the first three, which warm up, and the mean loss of all steps.
"""

import gzip
import json
import statistics
import sys
import time
from pathlib import Path

import numpy
import torch
from torch import nn

THREADS = 2
PAIRS = 32  # of each class, as benches/ours/triplet.rs has
TRIPLETS, MARGIN, LEARNING_RATE = 256, 0.4, 0.001
WARM_UP = 3


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution_1 = nn.Conv2d(1, 32, 3)
        self.convolution_2 = nn.Conv2d(32, 32, 3)
        self.hidden = nn.Linear(4608, 128)
        self.output = nn.Linear(128, 10)
        self.dropout_1, self.dropout_2 = nn.Dropout(0.25), nn.Dropout(0.5)
        for layer in (self.convolution_1, self.convolution_2, self.hidden, self.output):
            nn.init.xavier_uniform_(layer.weight)  # as the report's framework begins, and ours: else losses could not be compared
            nn.init.zeros_(layer.bias)

    def forward(self, images):
        features = self.convolution_2(self.convolution_1(images).relu()).relu()
        pooled = self.dropout_1(nn.functional.max_pool2d(features, 2)).flatten(1)
        return self.output(self.dropout_2(self.hidden(pooled).relu()))


def main():
    layout, folder, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    images = numpy.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), numpy.uint8, offset=16)
    labels = numpy.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), numpy.uint8, offset=8)
    images = torch.from_numpy(images.reshape(-1, 1, 28, 28).astype(numpy.float32) / 255)
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    model = Embedding()
    if layout == "pytorch-channels-last":
        model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    draw = triplets(labels, numpy.random.default_rng(0))
    seconds, losses = [], []
    for _ in range(steps):
        places = torch.from_numpy(next(draw))
        began = time.perf_counter()
        batch = images[places]
        if layout == "pytorch-channels-last":
            batch = batch.to(memory_format=torch.channels_last)
        anchor, positive, negative = model(batch).split(TRIPLETS)
        distances = (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1)
        loss = (distances + MARGIN).clamp_min(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - began)
        losses.append(loss.item())
    print(json.dumps({"seconds": statistics.median(seconds[WARM_UP:]), "loss": statistics.mean(losses)}))


def triplets(labels, generator):
    """Places of anchors, positives and negatives, `[3 * TRIPLETS]`, for ever: as ours, of a few pairs of each class with many negatives."""
    of_class = [numpy.flatnonzero(labels == label) for label in range(10)]
    pairs = numpy.array([[generator.choice(own, 2, replace=False) for _ in range(PAIRS)] for own in of_class])  # [class, pair, 2]
    while True:
        classes = generator.integers(10, size=TRIPLETS)
        others = (classes + generator.integers(1, 10, size=TRIPLETS)) % 10
        anchors, positives = pairs[classes, generator.integers(PAIRS, size=TRIPLETS)].T
        yield numpy.concatenate([anchors, positives, [generator.choice(of_class[label]) for label in others]])


if __name__ == "__main__":
    main()
