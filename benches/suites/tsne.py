"""t-SNE and PCA against scikit-learn: the same points, interleaved, medians.

The maps' KL divergences are computed here, from both maps in the same way (all pairs, f64), so that neither side judges itself.
"""

import gzip
import os
import statistics
import time
from pathlib import Path

import common

common.fair()

import numpy
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities

MANY = 2048


def main():
    arguments = common.arguments()
    repeats = 3 if arguments.quick else 7
    points, source = reduced_digits(512)
    peer(points, "tsne")  # loads its libraries
    times, planes = compare(arguments, points, "tsne", repeats)
    about = f"{source}, 512 x 50, perplexity 30, at most 1000 iterations; medians of {repeats}"
    divergences = divergences_of(points, planes)
    rows = [
        common.row("t-SNE of 512 points", times["ours"], times["peer"], "scikit-learn", "s", target=5, note=about),
        common.row(
            "KL divergence of that map", divergences["ours"], divergences["peer"], "scikit-learn", "nats", target=1 / 1.02,
            note="both maps judged by the same exact sum over all pairs; wanted: at most 1.02 of scikit-learn's",
        ),
    ]
    if not arguments.quick:
        points, source = reduced_digits(MANY)
        times, _ = compare(arguments, points, "tsne", 3)
        note = f"{source}, {MANY} x 50; medians of 3"
        rows.append(common.row(f"t-SNE of {MANY} points", times["ours"], times["peer"], "scikit-learn", "s", note=note))
    random = numpy.random.default_rng(0)
    points = (random.normal(size=(5000, 200)) * numpy.geomspace(5, 0.1, 200)).astype(numpy.float32)
    peer(points, "pca")
    times, planes = compare(arguments, points, "pca", repeats)
    ours, theirs = numpy.abs(planes["ours"][0]), numpy.abs(planes["peer"][0])  # a component's sign is arbitrary
    error = float(numpy.abs(ours - theirs).max() / theirs.max())
    note = f"exact, 2 components; medians of {repeats}; maps agree to {error:.1e} of the largest coordinate"
    rows.append(common.row("PCA of 5,000 x 200 points", times["ours"], times["peer"], "scikit-learn", "s", note=note))
    common.save(arguments.output, "tsne", "Maps: t-SNE and PCA", rows)


def compare(arguments, points, method, repeats):
    """Median seconds of both sides, and all their maps."""
    planes = {"ours": [], "peer": []}

    def side(name, map_points):
        def run():
            seconds, plane = map_points()
            planes[name].append(plane)
            return seconds

        return run

    measured = common.interleaved(
        repeats,
        ours=side("ours", lambda: ours(arguments, points, method)),
        peer=side("peer", lambda: peer(points, method)),
    )
    return common.medians(measured), planes


def ours(arguments, points, method):
    source, target = arguments.work / "points.f32", arguments.work / "map.f32"
    points.astype("<f4").tofile(source)
    answer = common.ours(arguments.ours, "tsne", source, points.shape[1], method, target)[-1]
    return answer["seconds"], numpy.fromfile(target, "<f4").reshape(-1, 2)


def peer(points, method):
    began = time.perf_counter()
    if method == "pca":
        plane = PCA(n_components=2, svd_solver="auto").fit_transform(points)  # by the covariance, as ours
    else:
        plane = TSNE(init="pca", learning_rate="auto", perplexity=30, random_state=0, n_jobs=common.THREADS).fit_transform(points)
    return time.perf_counter() - began, plane


def reduced_digits(count):
    pixels, source = digits(count)
    return PCA(n_components=50, svd_solver="full").fit_transform(pixels).astype(numpy.float32), source


def digits(count):
    """The first `count` test digits of MNIST as rows of pixels in 0..1, or seeded blobs of that shape without the data."""
    folder = os.environ.get("TORCHBOARD_DATA")
    if folder:
        packed = (Path(folder) / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes()
        pixels = numpy.frombuffer(gzip.decompress(packed), numpy.uint8, offset=16).reshape(-1, 784)
        return pixels[:count].astype(numpy.float32) / 255, "MNIST test digits"
    random = numpy.random.default_rng(0)
    centres = random.normal(size=(10, 784)) * 0.15
    points = centres[random.integers(10, size=count)] + random.normal(size=(count, 784)) * 0.25
    return points.astype(numpy.float32), "seeded blobs (TORCHBOARD_DATA is not set)"


def divergences_of(points, planes):
    """The median KL divergence of each side's maps."""
    squares = pdist(points.astype(numpy.float64), "sqeuclidean")
    square = numpy.zeros((len(points), len(points)), numpy.float32)
    square[numpy.triu_indices(len(points), 1)] = squares
    joint = _joint_probabilities(square + square.T, 30, 0)
    return {side: statistics.median(divergence(joint, plane) for plane in maps) for side, maps in planes.items()}


def divergence(joint, plane):
    """KL divergence, in nats, of a map from condensed joint probabilities."""
    similarities = 1 / (1 + pdist(plane.astype(numpy.float64), "sqeuclidean"))
    map_joint = similarities / (2 * similarities.sum())
    return 2 * float(numpy.sum(joint * numpy.log(joint / map_joint)))


if __name__ == "__main__":
    main()
