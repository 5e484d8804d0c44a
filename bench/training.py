"""Training images per second of our loop and of the plain reference loop, both in their best layout on this machine.

Every layout is first looked at for two short epochs; then the best of every loop stand ready side by side and run an
epoch each in turn, round after round. `machine` is what all cores do together, in seed-images per second; `alone` is
one process with the machine to itself, as a single training sees it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from bench import layouts
from bench.cases import CASES, Case, start
from bench.fleet import Fleet, Gate
from bench.layouts import Layout
from bench.machine import cores
from bench.ours import EachEpoch, Variant, run, variants
from bench.reference import Reference

REPEATS = 5
GLIMPSES = 2
PLACES = ("machine", "alone")


@dataclass(frozen=True)
class Entry:
    """A loop in a layout: a variant of ours, or, without one, the reference."""

    case: Case
    variant: Variant | None
    layout: Layout

    @property
    def seeds(self) -> int:
        """Trained at once by one process."""
        return self.variant.seeds if self.variant else 1

    def fleet(self, images: int) -> Fleet:
        """Its processes, ready to train epochs of so many images."""
        ours = {"mode": self.variant.mode, "seeds": self.variant.seeds} if self.variant else {}
        return Fleet("bench.training", {"case": self.case.network, "images": images, **ours}, self.layout)

    def rate(self, fleet: Fleet, images: int) -> float:
        """Seed-images per second of one epoch in every process; the slowest one counts."""
        slowest: float = max(answer["seconds"] for answer in fleet.run())
        return self.layout.processes * self.seeds * images / slowest


Rates = dict[Entry, float]


def compare(case: Case) -> dict[str, Any]:
    """Layouts, medians and ratios of the reference and of every variant of ours."""
    screened = {variant: _screen(case, variant) for variant in (None, *variants(case))}
    chosen = {
        (variant, place): _fastest(rates, place) for variant, rates in screened.items() for place in PLACES
    }
    raced = _race(dict.fromkeys(chosen.values()))

    def figures(variant: Variant | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for place in PLACES:
            entry = chosen[variant, place]
            found[place] = {
                "layout": entry.layout.as_json(),
                "images_per_second": round(median(raced[entry]), 1),
                "ratio": round(median(raced[entry]) / median(raced[chosen[None, place]]), 2),
                "repeats": [round(rate, 1) for rate in raced[entry]],
            }
        looked = {str(entry.layout): round(rate, 1) for entry, rate in screened[variant].items()}
        return found | {"screened": looked}

    return {
        "network": case.network,
        "batch": case.recipe.batch,
        "reference": figures(None),
        "ours": [{"mode": v.mode, "seeds": v.seeds, **figures(v)} for v in variants(case)],
    }


def _screen(case: Case, variant: Variant | None) -> Rates:
    rates = {}
    for layout in layouts.ours(cores()) if variant else layouts.reference(cores()):
        entry = Entry(case, variant, layout)
        with entry.fleet(case.glimpse) as fleet:
            # The better one: a disturbance only ever slows.
            rates[entry] = max(entry.rate(fleet, case.glimpse) for _ in range(GLIMPSES))
    return rates


def _fastest(rates: Rates, place: str) -> Entry:
    return max(
        (entry for entry in rates if place == "machine" or entry.layout.processes == 1),
        key=lambda entry: rates[entry],
    )


def _race(entries: Iterable[Entry]) -> dict[Entry, list[float]]:
    """Round after round, an epoch of each in turn."""
    rates: dict[Entry, list[float]] = {entry: [] for entry in entries}
    with ExitStack() as stack:
        fleets = {entry: stack.enter_context(entry.fleet(entry.case.images)) for entry in rates}
        for _ in range(REPEATS):
            for entry, fleet in fleets.items():
                rates[entry].append(entry.rate(fleet, entry.case.images))
    return rates


def _main(work: dict[str, Any]) -> None:
    """One process of a fleet: an epoch, the gate, an epoch, the gate, …"""
    torch.set_num_threads(work["threads"])
    case, images, gate = CASES[work["case"]], work["images"], Gate()
    if "mode" in work:
        run(case, Variant(work["mode"], work["seeds"]), images, EachEpoch(gate))
        return
    weights, masks = start(case.architecture, case.recipe, 0)
    reference = Reference(
        case.architecture,
        case.random_images(images),
        case.recipe,
        weights=weights,
        masks=masks,
        loaders=work["loaders"],
    )
    while True:
        reference.train_epoch()
        reference.evaluate()
        gate()


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
