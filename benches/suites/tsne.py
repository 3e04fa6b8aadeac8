"""t-SNE and PCA against scikit-learn: the same points, interleaved, medians.

The maps' KL divergences are computed here, from both maps in the same way (all pairs, f64), so that neither side judges itself.
"""

import argparse
import gzip
import json
import os
import pathlib
import platform
import statistics
import subprocess
import time

import numpy
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities


def digits(count):
    """The first `count` test digits of MNIST as rows of pixels in 0..1, or seeded blobs of that shape without the data."""
    folder = os.environ.get("TORCHBOARD_DATA")
    if folder:
        packed = (pathlib.Path(folder) / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes()
        pixels = numpy.frombuffer(gzip.decompress(packed), numpy.uint8, offset=16).reshape(-1, 784)
        return pixels[:count].astype(numpy.float32) / 255, "MNIST test digits"
    random = numpy.random.default_rng(0)
    centres = random.normal(size=(10, 784)) * 0.15
    points = centres[random.integers(10, size=count)] + random.normal(size=(count, 784)) * 0.25
    return points.astype(numpy.float32), "seeded blobs (TORCHBOARD_DATA is not set)"


def divergence(joint, plane):
    """KL divergence, in nats, of a map from condensed joint probabilities."""
    similarities = 1 / (1 + pdist(plane.astype(numpy.float64), "sqeuclidean"))
    map_joint = similarities / (2 * similarities.sum())
    return 2 * float(numpy.sum(joint * numpy.log(joint / map_joint)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--torchboard")
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    repeats = 3 if arguments.quick else 7

    def ours(points, method):
        source, target = arguments.work / "points.f32", arguments.work / "map.f32"
        points.astype("<f4").tofile(source)
        command = [arguments.ours, "tsne", str(source), str(points.shape[1]), method, str(target)]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        return answer["seconds"], numpy.fromfile(target, "<f4").reshape(-1, 2)

    def peer(points, method):
        start = time.perf_counter()
        if method == "pca":
            plane = PCA(n_components=2, svd_solver="auto").fit_transform(points)  # by the covariance, as ours
        else:
            plane = TSNE(init="pca", learning_rate="auto", perplexity=30, random_state=0, n_jobs=2).fit_transform(points)
        return time.perf_counter() - start, plane

    rows = []

    def row(task, unit, ours_value, peer_value, target, note):
        rows.append({"task": task, "ours": ours_value, "peer": peer_value, "peer_name": "scikit-learn", "unit": unit, "better": "lower",
                     "ratio": peer_value / ours_value, "target": target, "note": note})

    pixels, source = digits(512)
    points = PCA(n_components=50, svd_solver="full").fit_transform(pixels).astype(numpy.float32)
    peer(points, "tsne")  # loads its libraries
    timed = [(ours(points, "tsne"), peer(points, "tsne")) for _ in range(repeats)]
    note = f"{source}, 512 x 50, perplexity 30, at most 1000 iterations; medians of {repeats}, interleaved"
    row("t-SNE of 512 points", "s", *(statistics.median(pair[side][0] for pair in timed) for side in (0, 1)), 5, note)
    squares = pdist(points.astype(numpy.float64), "sqeuclidean")
    square = numpy.zeros((512, 512), numpy.float32)
    square[numpy.triu_indices(512, 1)] = squares
    joint = _joint_probabilities(square + square.T, 30, 0)
    divergences = [statistics.median(divergence(joint, pair[side][1]) for pair in timed) for side in (0, 1)]
    row("KL divergence of that map", "nats", *divergences, 1 / 1.02, "both maps judged by the same exact sum over all pairs")

    if not arguments.quick:
        many, source = digits(2048)
        points = PCA(n_components=50, svd_solver="full").fit_transform(many).astype(numpy.float32)
        timed = [(ours(points, "tsne"), peer(points, "tsne")) for _ in range(3)]
        note = f"{source}, 2048 x 50; medians of 3, interleaved"
        row("t-SNE of 2048 points", "s", *(statistics.median(pair[side][0] for pair in timed) for side in (0, 1)), None, note)

    random = numpy.random.default_rng(0)
    points = (random.normal(size=(5000, 200)) * numpy.geomspace(5, 0.1, 200)).astype(numpy.float32)
    peer(points, "pca")
    timed = [(ours(points, "pca"), peer(points, "pca")) for _ in range(repeats)]
    note = f"exact, 2 components; medians of {repeats}, interleaved; maps agree to {{:.1e}} of the largest coordinate"
    planes = timed[0][0][1], timed[0][1][1]
    error = float(numpy.abs(numpy.abs(planes[0]) - numpy.abs(planes[1])).max() / numpy.abs(planes[1]).max())
    row("PCA of 5000 x 200 points", "s", *(statistics.median(pair[side][0] for pair in timed) for side in (0, 1)), None, note.format(error))

    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), platform.processor())
    machine = {"cpu": model, "cores": os.cpu_count(), "system": platform.platform()}
    command = "make bench" if not arguments.quick else "make bench QUICK=1"
    suite = {"suite": "tsne", "title": "Maps: t-SNE and PCA", "command": command, "machine": machine, "rows": rows}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(suite, indent=1) + "\n")
    for line in rows:
        print(f"{line['task']}: ours {line['ours']:.4g}, scikit-learn {line['peer']:.4g} {line['unit']}: {line['ratio']:.2f} times")


if __name__ == "__main__":
    main()
