"""Predictions over HTTP: `torchboard serve` beside PyTorch behind FastAPI and uvicorn, one process.

Both serve the same network with the same weights, decode the same pictures, cut and scale them alike, and answer with the same JSON. 64
connections post a picture each and the next one once that is answered; the load generator (ours/predict.rs, one for both) shares the two
cores. Only one server is asked at a time, in rounds of shuffled order. The peer runs as it comes, where each prediction wants both cores for
its arithmetic, and with one thread of arithmetic, as an expert sets it.

The weights are those of a network trained for one epoch on the synthetic sample: how good they are makes no difference to the time.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import urllib.request

import common
from serve import DIRECT, environment, failures, running, share_failed

common.fair()

CONNECTIONS = 64
PEERS = {"peer": "PyTorch, FastAPI, uvicorn", "tuned": "the same, one thread of arithmetic"}
RUN = "bench-predict"
PACKAGES = ["fastapi", "numpy", "pillow", "python-multipart", "safetensors", "torch", "uvicorn"]


def main():
    arguments = common.arguments()
    rounds, seconds = (1, 2) if arguments.quick else (3, 6)
    folder = trained(arguments.torchboard, arguments.work / "predict-data")
    small, large = pictures(arguments.work)
    with ours_served(arguments.torchboard, folder) as address:
        classes = [answer["name"] for answer in post(address, small.read_bytes())["probabilities"]]
    starts = {
        "ours": lambda: ours_served(arguments.torchboard, folder),
        "peer": lambda: peer_served(folder, classes, arguments.work / "torch-service.log", common.THREADS),
        "tuned": lambda: peer_served(folder, classes, arguments.work / "torch-service-tuned.log", 1),
    }
    rows = []
    for name, picture in (("28 x 28 PNG", small), ("600 x 450 JPEG", large)):
        with contextlib.ExitStack() as servers:
            compare_answers([servers.enter_context(start()) for start in starts.values()], picture.read_bytes())

        def load(side):
            with starts[side]() as address:
                measure = lambda length: common.ours(arguments.ours, "predict", address, picture, CONNECTIONS, length)[0]
                measure(1)  # warms it up
                return measure(seconds)

        sides = {side: [] for side in starts}
        for number in range(rounds):
            common.interleaved(1, seed=number, **{side: (lambda side=side: sides[side].append(load(side)) or 0.0) for side in sides})
        rows += rows_of(name, sides, f"{CONNECTIONS} connections; medians of {rounds} rounds of {seconds} s; server and load generator share {common.THREADS} cores")
    common.save(arguments.output, "predict", "Predictions of the residual network over HTTP", rows, PACKAGES)


def rows_of(name, sides, about):
    rows = []
    for side, peer in PEERS.items():
        both = lambda key: (median(sides["ours"], key), median(sides[side], key), peer)
        target = 5 if side == "peer" else None
        rows += [
            common.row(f"Throughput, {name}", *both("per_second"), "answers/s", better="higher", target=target, note=about),
            common.row(f"Median latency, {name}", *both("median_ms"), "ms"),
            common.row(f"99th percentile, {name}", *both("p99_ms"), "ms"),
        ]
    note = "; ".join(f"{PEERS.get(side, 'ours')}: {failures(told)}" for side, told in sides.items())
    rows.append(common.row(f"Failed requests, {name}", share_failed(sides["ours"]), share_failed(sides["peer"]), PEERS["peer"], "%", limit=0, note=note))
    return rows


def median(rounds, key):
    known = [told[key] for told in rounds if told[key] is not None]
    return statistics.median(known) if known else None


def trained(torchboard, folder):
    """A data folder whose store has the run; it is trained where it is not there yet."""
    if not (folder / "runs" / RUN / "weights.safetensors").exists():
        settings = ["dataset=skin-sample", "epochs=1"]
        command = [torchboard, "train", "resnet14", "--id", RUN, "--device", "cpu", "--set", *settings, "--data-dir", folder]
        subprocess.run(list(map(str, command)), check=True, env=environment(), stdout=subprocess.DEVNULL)
    return folder


def pictures(work):
    """A picture as small as the network's own, and one as a camera's thumbnail is: noise over a gradient, so that JPEG has something to do."""
    import numpy
    from PIL import Image

    generator = numpy.random.default_rng(7)

    def drawn(width, height):
        across, down = numpy.meshgrid(numpy.linspace(0, 1, width), numpy.linspace(0, 1, height))
        base = numpy.stack([200 - 60 * across, 150 - 50 * down, 130 - 40 * across * down], 2)
        blob = numpy.exp(-((across - 0.5) ** 2 + (down - 0.5) ** 2) / 0.02)[..., None] * numpy.array([90, 80, 60])
        return Image.fromarray(numpy.clip(base - blob + generator.normal(0, 6, base.shape), 0, 255).astype(numpy.uint8))

    small, large = work / "predict-small.png", work / "predict-large.jpg"
    drawn(28, 28).save(small)
    drawn(600, 450).save(large, quality=90)
    return small, large


@contextlib.contextmanager
def ours_served(torchboard, folder):
    command = [torchboard, "serve", "--address", "127.0.0.1:0", "--device", "cpu", "--without-shipped-runs", "--data-dir", folder]
    with running(command, r"listening on (http://\S+)", os.devnull, environment()) as server:
        # What the peer does not do is left out: no maps of where it looks, no nearest images.
        yield f"{server.address}/api/v1/runs/{RUN}/predict?explain=false"


@contextlib.contextmanager
def peer_served(folder, classes, log, threads):
    """`threads` is how many each prediction's arithmetic takes; as it comes, that is one for each core."""
    command = [sys.executable, "-m", "uvicorn", "torch_service:app", "--app-dir", str(common.PEER_PROGRAMS), "--host", "127.0.0.1", "--port", "0", "--no-access-log"]
    weights = folder / "runs" / RUN / "weights.safetensors"
    more = {"MODEL": str(weights), "CLASSES": json.dumps(classes), "OMP_NUM_THREADS": str(threads)}
    with running(command, r"running on (http://\S+)", log, environment(**more)) as server:
        yield f"{server.address}/predict"


def post(address, picture):
    """The JSON that a form with this picture is answered with."""
    boundary = "torchboard-bench"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="picture"\r\nContent-Type: application/octet-stream\r\n\r\n'
    body = head.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(address, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    with DIRECT.open(request, timeout=30) as response:
        return json.load(response)


def compare_answers(addresses, picture):
    """All give the same classes and probabilities. Decoders of JPEG and cubic filters may differ by a shade, which moves a probability a little."""
    first, *others = [post(address, picture) for address in addresses]
    for other in others:
        assert first["prediction"] == other["prediction"], (first, other)
        for mine, theirs in zip(first["probabilities"], other["probabilities"], strict=True):
            assert mine["name"] == theirs["name"] and abs(mine["probability"] - theirs["probability"]) < 0.01, (mine, theirs)


if __name__ == "__main__":
    main()
