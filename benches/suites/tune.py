"""Hyperparameter studies simulated on a stored table: ours beside Keras Tuner's Bayesian optimisation and Optuna's default sampler.

The table (data/studies/mlp-grid.json, made by `ours grid`) holds the validation accuracy of all 160 configurations of the report's
search space. A study asks its sampler, is told the table's value, and so on. Its regret after n trials is how far the best of these
falls short of the best of the table. Both peers are declared as their users would, with default settings, and told nothing of ours.
"""

import json
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import common

common.fair()
os.environ["KERAS_BACKEND"] = "jax"  # Keras Tuner imports Keras; no network is built
os.environ["JAX_PLATFORMS"] = "cpu"
warnings.filterwarnings("ignore")

import keras_tuner
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)

TABLE = Path(__file__).resolve().parents[2] / "data" / "studies" / "mlp-grid.json"
PEERS = ["keras", "keras-tuner", "numpy", "optuna", "scikit-learn", "scipy"]
WANTED = 12


def main():
    arguments = common.arguments()
    seeds, lengths = (4, [3, 6, 12]) if arguments.quick else (100, [3, 6, 12])
    table = json.loads(TABLE.read_text())
    values = {key(trial["parameters"]): max(trial["validation_accuracy"]) for trial in table["trials"]}
    assert len(values) == 160, f"{TABLE.name} lacks configurations: run `ours grid` again"
    studies = {
        "ours": ours(arguments.ours, "bayesian", seeds, lengths[-1]),
        "Keras Tuner": simulate("Keras Tuner", study_keras_tuner, values, seeds, lengths[-1]),
        "Optuna": simulate("Optuna", study_optuna, values, seeds, lengths[-1]),
        "random": ours(arguments.ours, "random", seeds, lengths[-1]),
    }
    for name, study in studies.items():
        for trials, _ in study:
            assert all(values[configuration] == value for configuration, value in trials), f"{name} was told other values"
    best = max(values.values())
    regrets = {name: {length: regret(study, best, length) for length in lengths} for name, study in studies.items()}
    rows = []
    for length in lengths:
        for peer in ("Keras Tuner", "Optuna"):
            limit = regrets[peer][length] if length == WANTED else None
            note = f"{seeds} seeds each; random search {regrets['random'][length]:.3f}" if peer == "Keras Tuner" else ""
            rows.append(common.row(f"Median regret after {length} trials", regrets["ours"][length], regrets[peer][length], peer, "points of accuracy", limit=limit, note=note))
    for peer in ("Keras Tuner", "Optuna"):
        rows.append(common.row(f"Configurations tried again in {lengths[-1]} trials, mean", repeats(studies["ours"]), repeats(studies[peer]), peer, "trials", limit=0))
    for peer in ("Keras Tuner", "Optuna"):
        rows.append(common.row(f"All proposals of a study of {lengths[-1]} trials", median_seconds(studies["ours"]), median_seconds(studies[peer]), peer, "s"))
    common.save(arguments.output, "tune", "Hyperparameter studies: report's search space, 160 configurations", rows, peers=PEERS)


def key(parameters):
    return parameters["units"], parameters["learning_rate"]


def ours(binary, sampler, seeds, length):
    """For each seed: the trials, each a configuration and its value, and the seconds that the proposals took."""
    lines = common.ours(binary, "tune", TABLE, sampler, seeds, length)
    return [([(key(trial["parameters"]), trial["value"]) for trial in line["trials"]], line["seconds"]) for line in lines]


def simulate(name, study, values, seeds, length):
    """The same of a peer."""
    studies = []
    for seed in range(seeds):
        began = time.perf_counter()
        studies.append((study(values, seed, length), time.perf_counter() - began))
        if seed % 10 == 9:
            print(f"{name}: {seed + 1} of {seeds} studies", flush=True)
    return studies


def study_keras_tuner(values, seed, length):
    """Its oracle is what `keras_tuner.BayesianOptimization` asks; the number of its random first trials is its default."""
    space = keras_tuner.HyperParameters()
    space.Int("units", 16, 512, step=16)
    space.Choice("learning_rate", sorted({rate for _, rate in values}))
    objective = keras_tuner.Objective("val_accuracy", "max")
    # A seed of 0 counts as none there.
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(objective=objective, max_trials=length, seed=seed + 1, hyperparameters=space)
    oracle.verbose = 0
    trials = []
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "study")
        for _ in range(length):
            trial = oracle.create_trial("tuner")
            if trial.status == "STOPPED":
                break
            configuration = key(trial.hyperparameters.values)
            oracle.update_trial(trial.trial_id, {"val_accuracy": values[configuration]})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            trials.append((configuration, values[configuration]))
    return trials


def study_optuna(values, seed, length):
    rates, trials = sorted({rate for _, rate in values}), []

    def objective(trial):
        configuration = trial.suggest_int("units", 16, 512, step=16), trial.suggest_categorical("learning_rate", rates)
        trials.append((configuration, values[configuration]))
        return values[configuration]

    study = optuna.create_study(direction="maximize")
    study.sampler = type(study.sampler)(seed=seed)  # the default sampler, with a seed
    study.optimize(objective, n_trials=length)
    return trials


def regret(studies, best, length):
    """Median over the seeds, in hundredths of accuracy; a study that ended before keeps its last."""
    return statistics.median(100 * (best - max(value for _, value in trials[:length])) for trials, _ in studies)


def repeats(studies):
    return statistics.mean(len(trials) - len({configuration for configuration, _ in trials}) for trials, _ in studies)


def median_seconds(studies):
    return statistics.median(seconds for _, seconds in studies)


if __name__ == "__main__":
    main()
