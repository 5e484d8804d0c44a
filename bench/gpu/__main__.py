"""A slice of the GPU report: speed against the reference loop, then a full training, then IMP, as far as time allows.

Run it again with the same folder until nothing is left. Without a GPU it does the same on the CPU, and says so.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from bench.gpu.contest import ROUNDS, contest
from bench.gpu.loops import Subject, loops
from bench.gpu.report import Report
from bench.gpu.slices import GRACE, OutOfTime, Slice, cut_after
from bench.gpu.store import Store
from bench.gpu.trainings import Plan, Trainings
from bench.machine import cores, machine
from core.datasets import Resident, load
from core.families import architecture
from core.jobs.recipes import Recipe, recipe_for

NETWORK, DATASET, PRESET = "cifar_resnet_20", "cifar10", "cifar_resnet"
LEVELS = 10
FULL = 160
SHARE = 0.8
"""Of a slice, for speed: a machine too slow for it still trains."""
LEAST = 4
"""Epochs: the rewind point, step 1000, lies in the third."""


def recipe_of(epochs: int) -> Recipe:
    """The preset at this length: its rate drops after one half and three quarters, as in its 160 epochs."""
    per_epoch = 391
    drops = tuple(f"{epochs * per_epoch * quarters // 4}it" for quarters in (2, 3))
    return recipe_for(PRESET, {"length": f"{epochs}ep", "milestones": drops})


def digest(dataset: Resident) -> str:
    """The SHA-256 of all images and labels: only figures from one copy of the data can be compared."""
    total = hashlib.sha256()
    for tensor in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        total.update(tensor.numpy().data)
    return total.hexdigest()


def left_of(plan: Plan, report: Report) -> list[str]:
    """The parts that are still to be run."""
    rounds = len(report.speed["rounds"])
    speed = [f"speed ({ROUNDS - rounds} of {ROUNDS} rounds)"] if rounds < ROUNDS else []
    return speed + [name for name in plan.names if name not in report.trainings]


def work(
    plan: Plan, store: Store, report: Report, device: torch.device, spent: Slice, subject: Subject
) -> None:
    """Do what is left of both parts, until the slice is over. Where speed takes too long, trainings go on."""
    speed = report.speed
    if len(speed["rounds"]) < ROUNDS:
        report.works_on("speed", "all")
        with suppress(OutOfTime):
            contest(subject, loops(device, cores()), device, speed, Slice(SHARE * spent.left), report.write)
    with suppress(OutOfTime):
        Trainings(plan, store, report, device, spent).run()


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with CIFAR-10 in its binary or pickled layout")
    parser.add_argument("out", type=Path, help="folder of the report, and of all that the next slice needs")
    parser.add_argument("--epochs", type=int, default=40, help="of every training")
    parser.add_argument("--full", action="store_true", help=f"{FULL} epochs: the published recipe")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--exact", action="store_true", help="deterministic trainings, in full float32")
    parser.add_argument("--seconds", type=float, default=500, help="how long this slice may take")
    parser.add_argument("--pixels", default="origin of the pixels not stated", help="what the images are")
    asked = parser.parse_args()
    asked.epochs = FULL if asked.full else asked.epochs
    if asked.epochs < LEAST or asked.seeds < 1:
        parser.error(f"at least {LEAST} epochs and 1 seed")
    return asked


def main() -> None:
    """One slice; ends well whether or not something is left, and says what."""
    asked = arguments()
    spent = Slice(asked.seconds)
    logging.basicConfig(level=logging.INFO)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = load(DATASET, asked.data)
    assert isinstance(dataset, Resident)
    network, recipe = (
        architecture(NETWORK, dataset.facts.input, dataset.facts.classes),
        recipe_of(asked.epochs),
    )
    plan = Plan(network, dataset, recipe, range(asked.seeds), LEVELS, asked.exact)
    store = Store(asked.out)
    try:
        report = Report(store, settings_of(plan, digest(dataset), asked), machine_with(device), spent)
    except ValueError as error:
        sys.exit(str(error))

    def end() -> None:
        left = left_of(plan, report)
        report.write(left)
        print((asked.out / "report.md").read_text())
        again = shlex.join([sys.executable, "-m", "bench.gpu", *sys.argv[1:]])
        print(f"Left: {', '.join(left)}.\nTo go on: {again}" if left else "Nothing is left.", flush=True)

    cut_after(spent.left + GRACE, end)
    work(plan, store, report, device, spent, Subject())
    end()


def settings_of(plan: Plan, data: str, asked: argparse.Namespace) -> dict[str, Any]:
    """What figures of one report have in common."""
    return {
        "network": plan.network.name,
        "dataset": plan.dataset.name,
        "pixels": asked.pixels,
        "data": data,
        "epochs": asked.epochs,
        "levels": plan.levels,
        "rewind": int(plan.recipe.rewind.removesuffix("it")),
        "recipe": plan.recipe.model_dump(mode="json"),
        "exact": plan.exact,
        "seeds": len(plan.seeds),
    }


def machine_with(device: torch.device) -> dict[str, Any]:
    """The machine as the other benchmarks describe it, and what computes."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, no GPU"
    return {"device": name, **machine()}


if __name__ == "__main__":
    main()
