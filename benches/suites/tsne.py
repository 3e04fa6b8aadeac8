"""t-SNE and PCA against scikit-learn and openTSNE: the same points, interleaved, medians.

What a map is worth is computed here, in the same way for all (KL divergence in f64 with the sum over all pairs), so that no side
judges itself.
"""

import gzip
import math
import os
import statistics
import time
from pathlib import Path

import common

common.fair()

import numpy
import openTSNE
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities_nn
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 10  # of which preservation and accuracy tell
# Points; rounds of ours; rounds of the peers (0: one, in the middle of ours); how many times faster than openTSNE is wanted.
SIZES = [(512, 7, 7, 10), (2_048, 3, 3, None), (5_000, 3, 0, 8), (10_000, 3, 0, 4), (70_000, 3, 0, 4)]
BLOCK = 1_000


def main():
    arguments = common.arguments()
    rows = []
    opened = {"scikit-learn": scikit_learn, "openTSNE": open_tsne}
    pixels, labels, source = digits()
    warm = reduced(pixels[:512])
    for peer in opened.values():
        peer(warm)  # loads its libraries
    for count, rounds, peer_rounds, wanted in SIZES[:1] if arguments.quick else SIZES:
        if count > len(pixels):
            continue
        points = reduced(pixels[:count])
        # scikit-learn's tree takes minutes from here on, and openTSNE is the faster of the two.
        peers = {name: peer for name, peer in opened.items() if count < 5_000 or name == "openTSNE"}
        rows += maps(arguments, points, labels[:count], peers, 3 if arguments.quick else rounds, peer_rounds, wanted, source)
    rows.append(components(arguments, 3 if arguments.quick else 7))
    common.save(arguments.output, "tsne", "Maps: t-SNE and PCA", rows, peers=common.PEERS + ["openTSNE"])


def maps(arguments, points, labels, peers, rounds, peer_rounds, wanted, source):
    """Time and quality of our maps beside those of the peers."""
    sides = {"ours": lambda: ours(arguments, points, "tsne")} | {name: lambda peer=peer: peer(points) for name, peer in peers.items()}
    found = {name: [] for name in sides}

    def side(name):
        def run():
            seconds, plane = sides[name]()
            found[name].append(plane)
            return seconds

        return run

    if peer_rounds:
        times = common.medians(common.interleaved(rounds, **{name: side(name) for name in sides}))
    else:
        (name,) = peers
        measured = common.between(rounds, side("ours"), side(name))
        times = common.medians({"ours": measured["ours"], name: measured["peer"]})
    judge = Judge(points, labels)
    # Every round of ours ends in the same map.
    quality = {name: judge(planes if name != "ours" else planes[:1]) for name, planes in found.items()}
    task = f"t-SNE of {len(points):,} points"
    about = f"{source}, {len(points):,} x {points.shape[1]}, perplexity 30, both at their default settings; median of {rounds} rounds"
    if not peer_rounds:
        about += ", the peer once in their middle"
    rows = []
    for name in peers:
        target = wanted if name == "openTSNE" else 10 if len(points) == 512 else None
        ours_quality, theirs = quality["ours"], quality[name]
        rows += [
            common.row(task, times["ours"], times[name], name, "s", target=target, note=about),
            common.row(
                f"KL divergence, {len(points):,} points", ours_quality[0], theirs[0], name, "nats", target=1 / 1.02,
                note="all maps judged by the same sum over all pairs, on affinities to the 90 nearest; wanted: at most 1.02 of the peer's",
            ),
            common.row(
                f"Neighbours kept, {len(points):,} points", ours_quality[1], theirs[1], name, "", better="higher", target=0.99,
                note=f"share of the {NEIGHBOURS} nearest that are among the {NEIGHBOURS} nearest on the map; 1% is what maps of one method differ by",
            ),
            common.row(
                f"Digits told by their neighbours, {len(points):,} points", ours_quality[2], theirs[2], name, "", better="higher", target=0.99,
                note=f"share of digits that most of their {NEIGHBOURS} nearest on the map agree with",
            ),
        ]
    return rows


def components(arguments, repeats):
    """PCA's time, and that both sides agree."""
    random = numpy.random.default_rng(0)
    points = (random.normal(size=(5000, 200)) * numpy.geomspace(5, 0.1, 200)).astype(numpy.float32)
    planes = {}

    def side(name, run):
        def timed():
            seconds, planes[name] = run()
            return seconds

        return timed

    principal(points)
    measured = common.interleaved(repeats, ours=side("ours", lambda: ours(arguments, points, "pca")), peer=side("peer", lambda: principal(points)))
    times = common.medians(measured)
    ours_places, theirs = numpy.abs(planes["ours"]), numpy.abs(planes["peer"])  # a component's sign is arbitrary
    error = float(numpy.abs(ours_places - theirs).max() / theirs.max())
    note = f"exact, 2 components; medians of {repeats}; maps agree to {error:.1e} of the largest coordinate"
    return common.row("PCA of 5,000 x 200 points", times["ours"], times["peer"], "scikit-learn", "s", note=note)


def ours(arguments, points, method):
    source, target = arguments.work / "points.f32", arguments.work / "map.f32"
    points.astype("<f4").tofile(source)
    answer = common.ours(arguments.ours, "tsne", source, points.shape[1], method, target)[-1]
    return answer["seconds"], numpy.fromfile(target, "<f4").reshape(-1, 2)


def timed(fit):
    began = time.perf_counter()
    plane = numpy.asarray(fit())
    return time.perf_counter() - began, plane


def principal(points):
    return timed(lambda: PCA(n_components=2, svd_solver="auto").fit_transform(points))  # by the covariance, as ours


def scikit_learn(points):
    return timed(lambda: TSNE(init="pca", learning_rate="auto", perplexity=30, random_state=0, n_jobs=common.THREADS).fit_transform(points))


def open_tsne(points):
    return timed(lambda: openTSNE.TSNE(perplexity=30, random_state=0, n_jobs=common.THREADS).fit(points))


def reduced(pixels):
    return PCA(n_components=50, svd_solver="covariance_eigh").fit_transform(pixels.astype(numpy.float32) / 255).astype(numpy.float32)


def digits():
    """All digits of MNIST as rows of pixels in 0..255, the test digits first, or seeded blobs of that shape without the data."""
    folder = os.environ.get("TORCHBOARD_DATA")
    if folder:
        def read(name, offset):
            return numpy.frombuffer(gzip.decompress((Path(folder) / "mnist" / name).read_bytes()), numpy.uint8, offset=offset)

        parts = ["t10k", "train"]
        pixels = numpy.concatenate([read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784) for part in parts])
        return pixels, numpy.concatenate([read(f"{part}-labels-idx1-ubyte.gz", 8) for part in parts]), "MNIST digits"
    random = numpy.random.default_rng(0)
    labels = random.integers(10, size=10_000)
    points = random.normal(size=(10, 784))[labels] * 40 + random.normal(size=(10_000, 784)) * 64 + 128
    return points.clip(0, 255).astype(numpy.uint8), labels, "seeded blobs (TORCHBOARD_DATA is not set)"


class Judge:
    """Tells how good maps of the same points are, without asking either side."""

    def __init__(self, points, labels):
        self.labels = labels
        nearest = NearestNeighbors(n_neighbors=min(90, len(points) - 1), algorithm="brute", n_jobs=common.THREADS).fit(points)
        self.neighbours = nearest.kneighbors(return_distance=False)[:, :NEIGHBOURS]
        squares = nearest.kneighbors_graph(mode="distance")
        squares.data **= 2
        squares.sort_indices()
        joint = _joint_probabilities_nn(squares, 30, 0).tocoo()
        kept = joint.data > 0
        self.pairs, self.joint = (joint.row[kept], joint.col[kept]), joint.data[kept]

    def __call__(self, planes):
        """Medians of KL divergence in nats, share of neighbours kept, and share of labels told by the neighbours."""
        return [statistics.median(values) for values in zip(*(self.judge(plane.astype(numpy.float64)) for plane in planes))]

    def judge(self, plane):
        first, second = self.pairs
        similarities = 1 / (1 + ((plane[first] - plane[second]) ** 2).sum(1))
        divergence = float((self.joint * numpy.log(self.joint / similarities)).sum() + self.joint.sum() * math.log(normaliser(plane)))
        nearest = NearestNeighbors(n_neighbors=NEIGHBOURS, n_jobs=common.THREADS).fit(plane).kneighbors(return_distance=False)
        kept = sum(len(numpy.intersect1d(one, other)) for one, other in zip(self.neighbours, nearest)) / nearest.size
        votes = numpy.zeros((len(plane), 10))
        numpy.add.at(votes, (numpy.arange(len(plane))[:, None], self.labels[nearest]), 1)
        return divergence, kept, float((votes.argmax(1) == self.labels).mean())


def normaliser(plane):
    """Sum of the similarities of all pairs."""
    total = 0.0
    for start in range(0, len(plane), BLOCK):
        block = plane[start : start + BLOCK]
        square = (block[:, :1] - plane[:, 0]) ** 2
        square += (block[:, 1:] - plane[:, 1]) ** 2
        square += 1
        total += float((1 / square).sum())
    return total - len(plane)


if __name__ == "__main__":
    main()
