"""What a study's jobs came to, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from core.studies.expansion import Cell

Line = tuple[tuple[float, float], ...]
"""Test accuracies between two trainings: (α, accuracy), from the first at 0 to the second at 1."""


@dataclass(frozen=True)
class Trial:
    """One training: test accuracy after the last step and at its best epoch, the share of weights that are pruned.

    The best epoch is the one of the highest test accuracy: it is test-selected. `dead`: neurons of the ticket's fully
    connected layers that nothing enters or leaves, None where that is not known or there are none that could be.
    """

    seed: int
    accuracy: float
    sparsity: float
    best: float | None = None
    best_epoch: int | None = None
    order_seed: int | None = None
    ticket: str | None = None
    dead: int | None = None


@dataclass(frozen=True)
class Done:
    """What a job that succeeded came to: its trainings, how many, and the seconds they took; or a line."""

    trials: tuple[Trial, ...]
    trainings: float
    seconds: float
    line: Line = ()


@dataclass(frozen=True)
class Filled:
    """A cell with what is known of it so far; costs are per replicate; what is shared counts in full."""

    cell: Cell
    trials: tuple[Trial, ...]
    complete: bool
    trainings: float
    seconds: float
    shared_trainings: float
    shared_seconds: float
    lines: tuple[Line, ...] = ()

    def by_seed(self, value: Callable[[Trial], float | None]) -> dict[int, float]:
        """A figure of every seed that has it: the mean over the data orders that its ticket was trained in."""
        found: dict[int, list[float]] = {}
        for trial in self.trials:
            figure = value(trial)
            if figure is not None:
                found.setdefault(trial.seed, []).append(figure)
        return {seed: fmean(values) for seed, values in found.items()}

    @property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy after the last step, by seed."""
        return self.by_seed(lambda trial: trial.accuracy)

    @property
    def sparsities(self) -> dict[int, float]:
        """The share of weights that are pruned, by seed."""
        return self.by_seed(lambda trial: trial.sparsity)

    @property
    def barriers(self) -> list[float]:
        """The height of the barrier on each line."""
        return [barrier(line) for line in self.lines]


def barrier(line: Line) -> float:
    """How far test accuracy falls, at most, below the straight line between its values at both ends; never below 0.

    Entezari et al., 2022, definition 2.1, of accuracy instead of loss. Frankle et al. (2020, section 2) measure from
    the mean of the ends: the two are apart by no more than half of what the ends are.
    """
    ends = dict(line)
    first, second = ends[0.0], ends[1.0]
    return max((1 - alpha) * first + alpha * second - accuracy for alpha, accuracy in line)


def filled(cells: Sequence[Cell], done: Mapping[str, Done], replicates: int) -> list[Filled]:
    """Every cell, with the replicates that have been trained."""
    return [_filled(cell, done, replicates) for cell in cells]


def _filled(cell: Cell, done: Mapping[str, Done], replicates: int) -> Filled:
    own = [done[key] for key in dict.fromkeys((*cell.own, *cell.trained)) if key in done]
    shared = [done[key] for key in cell.shared if key in done]
    trials = tuple(trial for key in cell.trained if key in done for trial in done[key].trials)
    return Filled(
        cell,
        trials,
        complete=all(key in done for key in cell.trained),
        trainings=sum(one.trainings for one in own) / replicates,
        seconds=sum(one.seconds for one in own) / replicates,
        shared_trainings=sum(one.trainings for one in shared) / replicates,
        shared_seconds=sum(one.seconds for one in shared) / replicates,
        lines=tuple(done[key].line for key in cell.lines if key in done and done[key].line),
    )
