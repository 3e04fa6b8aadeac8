"""Trains the runs and studies that come with the program, on the real data, and writes data/runs/*.torchboard.

    TORCHBOARD_DATA=... python3 tools/shipped_runs.py             all of them; those whose file is there are left alone
    TORCHBOARD_DATA=... python3 tools/shipped_runs.py NAME...     these only, again

On a busy machine this takes many times longer than on a quiet one. A run that was cut off is gone on with, in target/shipped-runs.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
STORE = TARGET / "shipped-runs"
FILES = ROOT / "data" / "runs"

TAUGHT = {
    "units": 512, "optimizer": "adamw", "schedule": "one_cycle", "learning_rate": 0.002, "weight_decay": 0.01, "batch_size": 256, "epochs": 60,
    "dropout": 0.3, "flip": "true", "averaging": 0.999, "teacher": "fashion-teacher", "teacher_share": 0.7, "teacher_temperature": 1,
}
TEACHER = {
    "channels": 24, "units": 128, "optimizer": "adamw", "schedule": "one_cycle", "learning_rate": 0.003, "weight_decay": 0.02, "batch_size": 128,
    "epochs": 14, "dropout": 0.25, "flip": "true",
}
# System, title, tags, seed, settings. A run comes after those that teach it.
RUNS = {
    "fashion-untuned": ("mlp", "Untuned network of the report", ["report"], 0, {}),
    **{f"fashion-tuned-{seed}": ("mlp", "Tuned network of the report", ["report"], seed, {"units": 32, "learning_rate": 0.001}) for seed in range(3)},
    "fashion-teacher": ("cnn", "Convolutional teacher", ["teacher"], 0, TEACHER),
    # Chosen with the last fifth for validation, which this run shows; then fitted once more on all images.
    "fashion-taught-validated": ("mlp", "512 units taught, validated", ["beyond"], 0, TAUGHT),
    **{f"fashion-taught-{seed}": ("mlp", "512 units taught, all images", ["beyond", "best"], seed, TAUGHT | {"validation_share": 0}) for seed in range(3)},
}
# Chosen with the last sixth of the training images held out (held_out=0.16667), never by the test images.
MINING = {
    "shift": 2, "rotation": 12, "zoom": 0.1, "dropout": 0.25, "dropout_pooled": 0.1,
    "schedule": "one_cycle", "learning_rate": 0.002, "averaging": 0.99, "epochs": 9,
}
# One epoch of the triplets made before the training shows as many images as nine of the batches.
MINERS = {
    "offline": ("Triplets made before the training", {"triplets": "offline", "epochs": 1}),
    "random": ("Triplets of each batch at random", {"triplets": "random"}),
    "batch-all": ("All active triplets of each batch", {"triplets": "batch_all"}),
    # At unit length, as their source has it: without, each step finds semi-hard triplets by moving all images apart, and the loss grows.
    "semi-hard-normalised": ("Semi-hard triplets, at unit length", {"triplets": "semi_hard", "normalised": "true"}),
    "distance-weighted": ("Triplets weighted by distance", {"triplets": "distance_weighted"}),
    # By squared distances it collapses at this learning rate, also after three epochs of easier triplets.
    "batch-hard-euclidean": ("The hardest triplets of each batch", {"triplets": "batch_hard", "distance": "euclidean", "warm_up": 3}),
    "multi-similarity": ("Multi-similarity loss", {"triplets": "random", "loss": "multi_similarity"}),
    "supervised-contrastive": ("Supervised contrastive loss", {"triplets": "random", "loss": "supervised_contrastive"}),
}
BEST = MINING | {"triplets": "batch_all", "epochs": 20}
RUNS |= {"triplet-report": ("triplet", "Triplet network of the report", ["report"], 0, {})}
RUNS |= {
    f"triplet-best-{seed}": ("triplet", "All active triplets, 20 epochs", ["mined"] + (["best"] if seed == 0 else []), seed, BEST) for seed in range(3)
}
RUNS |= {
    f"triplet-{miner}-{seed}": ("triplet", title, ["miners"], seed, MINING | settings)
    for seed in range(3) for miner, (title, settings) in MINERS.items()
}
# One remedy each, added to the plain training; all see as many images.
LESIONS = {"dataset": "ham10000-28", "epochs": 30}
REMEDIES = {
    "plain": ("Plain training", {}),
    "class-weights": ("Rare classes count more", {"class_weights": "balanced"}),
    "balanced-sampling": ("Rare classes are drawn more often", {"sampling": "balanced"}),
    "focal-loss": ("Focal loss", {"loss": "focal"}),
    "flips-and-turns": ("Flips and quarter turns", {"flip": "true", "turn": "true"}),
    "shifts": ("Shifts of 3 pixels, reflected", {"shift": 3, "padding": "reflected"}),
    "colour": ("Colour jitter", {"colour": 0.1}),
    "mixup": ("Mixup", {"mixup": 0.3}),
    "cutmix": ("CutMix", {"cutmix": 1}),
    "label-smoothing": ("Label smoothing", {"label_smoothing": 0.05}),
    "weight-decay": ("Weight decay", {"optimizer": "adamw", "weight_decay": 0.05}),
    "averaging": ("Averaged weights", {"averaging": 0.99}),
    "cosine": ("Cosine schedule", {"schedule": "cosine"}),
    "temperature": ("Temperature scaling", {"calibrated": "true"}),
    "eight-views": ("Mean of eight views in use", {"views": "flips_and_turns"}),
}
# Chosen on the validation split, never on test images: 150 epochs of these were better there than 60, and than 100 with less mixing.
TOGETHER = LESIONS | {
    "epochs": 150, "optimizer": "adamw", "schedule": "one_cycle", "learning_rate": 0.004, "weight_decay": 0.05, "flip": "true", "turn": "true",
    "shift": 3, "padding": "reflected", "colour": 0.1, "mixup": 0.3, "label_smoothing": 0.05, "averaging": 0.998, "views": "flips_and_turns", "calibrated": "true",
}
RUNS |= {
    f"skin-{remedy}-{seed}": ("resnet14", title, [f"remedy:{remedy}"], seed, LESIONS | settings)
    for seed in range(3) for remedy, (title, settings) in REMEDIES.items()
}
# 7 is the seed with which they were chosen.
RUNS |= {f"skin-best-{seed}": ("resnet14", "Remedies together", ["remedy:best"], seed, TOGETHER) for seed in (7, 0, 1)}
# The same two trainings where no lesion is on both sides of the split.
RUNS |= {
    f"skin-{name}-grouped-{seed}": ("resnet14", f"{title}, split by lesion", [f"remedy:{name}"], seed, settings | {"dataset": "ham10000-28-grouped"})
    for seed in range(3) for name, title, settings in (("plain", "Plain training", LESIONS), ("best", "Remedies together", TOGETHER))
}
# Embeddings, maps and weights of all would be many times what their figures are.
WITH_WEIGHTS = {"triplet-report", "triplet-best-0", "skin-plain-0", "skin-best-7", "skin-best-0", "skin-best-1"}
WITHOUT_WEIGHTS = {name for name in RUNS if name.startswith(("triplet-", "skin-"))} - WITH_WEIGHTS
# Name: trials, epochs of each, and the title of the study.
STUDIES = {
    "fashion-study-3": (3, 50, "The report's search again"),
    "fashion-study-25": (25, 20, "The report's space, 25 trials"),
}


def main():
    if not os.environ.get("TORCHBOARD_DATA"):
        sys.exit("TORCHBOARD_DATA must name the folder of the real data sets")
    known = [*RUNS, *STUDIES]
    unknown = set(sys.argv[1:]) - set(known)
    if unknown:
        sys.exit(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in sys.argv[1:] or known:
        file = FILES / f"{name}.torchboard"
        if sys.argv[1:] or not file.exists():
            if name in RUNS:
                train(name, *RUNS[name])
                for split in ("train", "validation", "test") if RUNS[name][0] == "resnet14" else ("test",):
                    torchboard("evaluate", name, "--split", split)
                if RUNS[name][0] == "triplet" and name not in WITHOUT_WEIGHTS:
                    draw_maps(name)
                torchboard("export", name, *(["--without-weights"] if name in WITHOUT_WEIGHTS else []), "--output", file)
            else:
                torchboard("export", study(*STUDIES[name]), "--without-weights", "--output", file)
            print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes", flush=True)


def train(name, system, title, tags, seed, settings):
    if not (STORE / "runs" / name).exists():
        assignments = [f"{key}={value}" for key, value in settings.items()]
        chosen = ["--set", *assignments] if assignments else []
        torchboard("train", system, *chosen, "--seed", seed, "--id", name, "--name", title, *(word for tag in tags for word in ("--tag", tag)))
    else:
        resumed = subprocess.run(command("train", "--resume", name), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if resumed.returncode != 0 and "is done" not in resumed.stderr:
            sys.exit(resumed.stderr)


def draw_maps(name):
    """The report's, of its 512 images of both splits; of the test images before the training too; and one of all test images."""
    for stage, split in (("before", "test"), ("after", "test"), ("after", "train")):
        torchboard("map", name, "--stage", stage, "--split", split, "--n", 512)
    torchboard("map", name, "--n", 10_000)


def study(trials, epochs, title):
    """Its id; one that was cut off is gone on with."""
    if not (found := find_study(title)):
        torchboard("tune", "mlp", "--max-trials", trials, "--epochs", epochs, "--name", title)
    elif found[1] != "done":
        torchboard("tune", "--resume", found[0])
    return find_study(title)[0]


def find_study(title):
    """Id and state of the study called so, where there is one."""
    file = STORE / "torchboard.sqlite"
    if not file.exists():
        return None
    with contextlib.closing(sqlite3.connect(file)) as store:
        return store.execute("SELECT id, state FROM studies WHERE name = ?", [title]).fetchone()


def command(*arguments):
    return [TARGET / "release" / "torchboard", *map(str, arguments), "--data-dir", STORE]


def torchboard(*arguments):
    subprocess.run(command(*arguments), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
