"""The peers of the fit suite: one process trains the report's MLP as the peer's users write it, and prints how long a step took.

    python fit_peer.py pytorch|pytorch-fused|keras FOLDER EPOCHS

FOLDER holds Fashion-MNIST. Prints one line of JSON: seconds of a step over all epochs but the first, which warms up, and the loss and
accuracy of the last one, as means over its batches.
"""

import gzip
import json
import os
import sys
import time
from pathlib import Path

import numpy

THREADS = 2
BATCH, UNITS, LEARNING_RATE = 32, 32, 0.001


def main():
    peer, folder, epochs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    images = numpy.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), numpy.uint8, offset=16)
    labels = numpy.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), numpy.uint8, offset=8)
    images = images.reshape(-1, 28, 28).astype(numpy.float32) / 255
    train = keras if peer == "keras" else pytorch
    ends, loss, accuracy = train(images, labels.astype(numpy.int64), epochs, fused=peer == "pytorch-fused")
    steps = -(-len(labels) // BATCH) * (epochs - 1)
    print(json.dumps({"seconds": (ends[-1] - ends[0]) / steps, "loss": loss, "accuracy": accuracy}))


def pytorch(images, labels, epochs, fused):
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, UNITS), nn.ReLU(), nn.Linear(UNITS, 10))
    for layer in (model[1], model[3]):  # as Keras begins
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=fused)
    loss_of = nn.CrossEntropyLoss()
    ends = []
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        # Kept as tensors: reading a number back at each step would be slower.
        losses, right = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for start in range(0, len(labels), BATCH):
            places = order[start : start + BATCH]
            target = labels[places]
            logits = model(images[places])
            loss = loss_of(logits, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses += loss.detach() * len(places)
            right += (logits.argmax(1) == target).sum()
        loss, accuracy = losses.item() / len(labels), right.item() / len(labels)
        ends.append(time.perf_counter())
    return ends, loss, accuracy


def keras(images, labels, epochs, fused):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(THREADS)
    tensorflow.config.threading.set_inter_op_parallelism_threads(THREADS)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(UNITS, "relu"), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, metrics=["accuracy"])
    ends = []
    mark = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    history = model.fit(images, labels, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[mark]).history
    return ends, history["loss"][-1], history["accuracy"][-1]


if __name__ == "__main__":
    main()
