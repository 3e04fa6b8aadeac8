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
from safetensors.torch import load_file
from torch import nn

THREADS = 2
BATCH, LEARNING_RATE = 128, 0.001
WARM_UP, EPOCH = 3, 55
REPEATS = {1: 200, 64: 40}


class Block(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.convolution_1 = nn.Conv2d(inputs, filters, 3, stride, padding=1, bias=False)
        self.normalisation_1 = nn.BatchNorm2d(filters)
        self.convolution_2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.normalisation_2 = nn.BatchNorm2d(filters)
        self.projection = nn.Conv2d(inputs, filters, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, features):
        first = self.normalisation_1(self.convolution_1(features)).relu()
        return (self.normalisation_2(self.convolution_2(first)) + self.projection(features)).relu()


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.stem_normalisation = nn.BatchNorm2d(16)
        inputs = 16
        for stack in range(3):
            for block in range(2):
                width = 16 << stack
                self.add_module(f"block_{stack + 1}_{block + 1}", Block(inputs, width, 2 if stack and not block else 1))
                inputs = width
        self.output = nn.Linear(64, 7)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")  # as ours begins: else losses could not be compared
        nn.init.zeros_(self.output.bias)

    def forward(self, images):
        features = self.stem_normalisation(self.stem(images)).relu()
        for name, block in self.named_children():
            if name.startswith("block"):
                features = block(features)
        return self.output(features.mean((2, 3)))


def main():
    layout, file, steps, folder = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    arrays = numpy.load(file)
    images = torch.from_numpy(arrays["train_images"]).permute(0, 3, 1, 2).contiguous().float() / 255
    labels = torch.from_numpy(arrays["train_labels"][:, 0].astype(numpy.int64))
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    memory = torch.channels_last if layout == "pytorch-channels-last" else torch.contiguous_format
    model = Residual().to(memory_format=memory)
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
    model.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)  # it has no counts of batches
    model.eval()
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
