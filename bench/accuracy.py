"""Whether our loop trains as well as the reference: the same experiments, the same seeds, means and standard errors.

Every finished training is a line of a file, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import hypot, sqrt
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from bench import report
from bench.experiments import EXPERIMENTS, REFERENCE, Experiment, Training, accuracy
from bench.machine import cores
from bench.ours import MODES

FINISHED = "accuracy.jsonl"


def run(trainings: Collection[Training], datasets: Path, results: Path) -> dict[Training, float]:
    """The accuracy of each; those that `results` has not kept are trained, one thread each on every core."""
    found = finished(trainings, results)
    missing = [training for training in trainings if training not in found]
    pool = ProcessPoolExecutor(cores(), get_context("spawn"), torch.set_num_threads, (1,))
    with pool, (results / FINISHED).open("a") as lines:
        if lines.tell():
            lines.write("\n")  # ends a line that was torn when a run was killed
        futures = {pool.submit(accuracy, training, datasets): training for training in missing}
        for future in as_completed(futures):
            training = futures[future]
            found[training] = future.result()
            lines.write(json.dumps({"training": training.key, "accuracy": found[training]}) + "\n")
            lines.flush()
            print(
                f"{training.experiment.network} {training.loop} seed {training.seed}: {found[training]:.4f}"
            )
    return found


def finished(trainings: Collection[Training], results: Path) -> dict[Training, float]:
    """What is kept of these trainings; a torn line does not count."""
    known = {training.key: training for training in trainings}
    found = {}
    path = results / FINISHED
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record["training"] in known:
            found[known[record["training"]]] = record["accuracy"]
    return found


def compared(experiment: Experiment, accuracies: dict[str, Sequence[float]]) -> dict[str, Any]:
    """By loop: mean and its standard error; for ours also the difference to the reference and its standard error.

    Equal means: the difference is less than twice its standard error. Seeds are taken as independent; that the loops
    share initial weights can only make the true error smaller.
    """
    means = {loop: mean(values) for loop, values in accuracies.items()}
    errors = {loop: stdev(values) / sqrt(len(values)) for loop, values in accuracies.items()}
    loops: dict[str, Any] = {}
    for loop, values in accuracies.items():
        loops[loop] = {"mean": means[loop], "standard_error": errors[loop], "accuracies": list(values)}
        if loop != REFERENCE:
            difference = means[loop] - means[REFERENCE]
            error = hypot(errors[loop], errors[REFERENCE])
            loops[loop] |= {
                "difference": difference,
                "standard_error_of_difference": error,
                "equal": abs(difference) < 2 * error,
            }
    return {
        "network": experiment.network,
        "dataset": experiment.dataset,
        "train": experiment.train,
        "test": experiment.test,
        "length": experiment.recipe.length,
        "loops": loops,
    }


def main() -> None:
    """Train what is not yet trained, then compare and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path, help="holds fashion_mnist and cifar10 in their standard files")
    parser.add_argument(
        "results", type=Path, help="where finished trainings are kept, for this run and later ones"
    )
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each loop, two or more")
    asked = parser.parse_args()
    asked.results.mkdir(parents=True, exist_ok=True)
    loops = (REFERENCE, *MODES)
    # Seed by seed, so that an interrupted run has as many of one loop as of another.
    trainings = [
        Training(experiment, loop, seed)
        for experiment in EXPERIMENTS
        for seed in range(asked.seeds)
        for loop in loops
    ]
    found = run(trainings, asked.datasets, asked.results)
    report.update(
        accuracy=[
            compared(
                experiment,
                {loop: [found[Training(experiment, loop, s)] for s in range(asked.seeds)] for loop in loops},
            )
            for experiment in EXPERIMENTS
        ]
    )


if __name__ == "__main__":
    main()
