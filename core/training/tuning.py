"""Which mode is fastest for an architecture, a batch and a machine: measured once, and remembered in a file."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import torch

from core.datasets import Dataset
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.training.clock import Clock
from core.training.engine import at_once, engine_for
from core.training.exactness import arithmetic
from core.training.fingerprint import fingerprint
from core.training.graphs import WARM_UP as GRAPH_WARM_UP
from core.training.loop import Replicate, batches_of
from core.training.mode import Mode, compiles, fast_modes

log = logging.getLogger(__name__)

WORTH_MEASURING = 1000
"""Steps to go from which on measuring pays; below it what was measured before counts, else what is expected."""
WORTH_COMPILING = 300.0
"""Seconds to go from which on a compilation, which takes up to a minute, may pay."""
_WARM_UP, _LEAST, _MOST, _SECONDS = GRAPH_WARM_UP + 2, 3, 25, 0.5


@dataclass(frozen=True)
class Work:
    """What is to be trained, and how many steps are to go."""

    architecture: Architecture
    dataset: Dataset
    recipe: Recipe
    replicates: Sequence[Replicate]
    steps: int

    @property
    def evolving(self) -> bool:
        """Whether masks change on the way."""
        return any(replicate.evolution for replicate in self.replicates)

    @property
    def at_once(self) -> int:
        """How many of the trainings are one computation, at most."""
        return at_once(self.architecture, exact=False, evolving=self.evolving)


class Tuner:
    """Chooses modes on one device; `folder` keeps what was measured, for every process that shares it."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder, self._device = folder, device

    def mode(self, work: Work) -> Mode:
        """The fastest mode, measured on copies of the trainings themselves where that pays."""
        path = self._folder / f"{self._key(work)}.json"
        seconds = _read(path)
        batched = work.at_once > 1
        modes = fast_modes(self._device)
        if batched or work.evolving:
            modes = list(dict.fromkeys(replace(mode, graphed=False) for mode in modes))
        if work.steps >= WORTH_MEASURING:
            before = dict(seconds)
            for mode in modes:
                self._measure(mode, work, seconds)
            best = _fastest(modes, seconds)
            left = work.steps * seconds.get(str(best), 0.0)
            if not batched and left >= WORTH_COMPILING and compiles(self._device):
                modes = [*modes, replace(best, compiled=True)]
                self._measure(modes[-1], work, seconds)
            if seconds != before:
                _write(path, seconds)
        else:
            modes = [*modes, *(replace(mode, compiled=True) for mode in modes)]
        return _fastest(modes, seconds)

    def _key(self, work: Work) -> str:
        network, recipe = work.architecture, work.recipe
        circumstances = asdict(fingerprint(self._device, Mode()))
        what = [network.name, *network.input, network.classes, recipe.batch, recipe.optimizer, circumstances]
        what.append(len(_measured(work)))
        if work.evolving:
            what.append("evolving")
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def _measure(self, mode: Mode, work: Work, seconds: dict[str, float]) -> None:
        if str(mode) in seconds:
            return
        try:
            seconds[str(mode)] = _seconds_per_step(mode, work, self._device)
            log.info("%s: %.3g ms a step in %s", work.architecture.name, 1e3 * seconds[str(mode)], mode)
        except Exception as error:  # a compiler or a driver can fail in any way; the other modes remain
            log.warning("%s is left out: %s: %s", mode, type(error).__name__, error)


def _seconds_per_step(mode: Mode, work: Work, device: torch.device) -> float:
    members = _measured(work)
    states = [member.state for member in members]
    with arithmetic(mode.exact):
        engine = engine_for(
            work.architecture, work.recipe, states, device, mode, evolution=members[0].evolution
        )
        batches = [
            batches_of(work.architecture, work.dataset, work.recipe, member.seed, device, mode)
            for member in members
        ]
        clock, taken = Clock(device), list[float]()
        for step in range(_WARM_UP + _MOST):
            began = time.perf_counter()
            # From the first step of an epoch on: its last batch is smaller.
            at = step % max(1, batches[0].steps_per_epoch - 1)
            images, labels = zip(*(each.at(at) for each in batches), strict=True)
            engine.step(images, labels, step, 0.0, clock)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - began)
            if len(taken) >= _WARM_UP + _LEAST and sum(taken[_WARM_UP:]) >= _SECONDS:
                break
    return median(taken[_WARM_UP:])


def _measured(work: Work) -> Sequence[Replicate]:
    return work.replicates[: work.at_once]


def _fastest(modes: Sequence[Mode], seconds: dict[str, float]) -> Mode:
    """Of those that were measured, else the first."""
    measured = [mode for mode in modes if str(mode) in seconds]
    return min(measured, key=lambda mode: seconds[str(mode)], default=modes[0])


def _read(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_text())
        return {str(mode): float(seconds) for mode, seconds in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(path: Path, seconds: dict[str, float]) -> None:
    """Put the whole file in place at once: other processes may be reading it, or writing it too."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as stream:
            json.dump(seconds, stream)
        Path(stream.name).replace(path)
    except OSError as error:
        log.warning("what was measured is not kept: %s", error)
