"""What a study's jobs came to, as the cells of its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.studies.expansion import Cell
from core.studies.table import Table, spread


@dataclass(frozen=True)
class Trial:
    """One replicate: test accuracy after the last step, the share of weights that are pruned."""

    seed: int
    accuracy: float
    sparsity: float


@dataclass(frozen=True)
class Done:
    """What a job that succeeded came to: its trainings, how many, and the seconds they took."""

    trials: tuple[Trial, ...]
    trainings: float
    seconds: float


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
    )


COLUMNS = (
    "network",
    "level",
    "method",
    "accuracy, %",
    "sparsity, %",
    "trainings per seed",
    "seconds per seed",
)


def table(cells: Sequence[Filled]) -> Table:
    """A row per cell: mean ± standard deviation over seeds of what has been trained; what is missing is a dash."""
    return Table(COLUMNS, tuple(_row(cell) for cell in cells), words=3)


def _row(found: Filled) -> tuple[str, ...]:
    cell = found.cell
    method = f"{cell.arm} from {cell.source}" if cell.source else cell.arm
    accuracy = sparsity = "–"
    if found.trials:
        accuracy = f"{spread([100 * trial.accuracy for trial in found.trials]):.2f}"
        sparsity = f"{spread([100 * trial.sparsity for trial in found.trials]).mean:.2f}"
        accuracy += "" if found.complete else f" ({len(found.trials)} so far)"
    shared = found.shared_trainings or found.shared_seconds
    trainings = f"{found.trainings:.3g}" + (f" + {found.shared_trainings:.3g} shared" if shared else "")
    seconds = f"{found.seconds:.1f}" + (f" + {found.shared_seconds:.1f} shared" if shared else "")
    return cell.target, str(cell.level), method, accuracy, sparsity, trainings, seconds
