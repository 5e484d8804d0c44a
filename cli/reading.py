"""Table 5's trials as tables, and what they say in a line."""

from __future__ import annotations

from collections.abc import Sequence

from cli.table5 import (
    ARMS,
    DATASET,
    DENSE,
    ETT,
    IMP,
    LEVEL,
    RANDOM,
    RECIPE,
    SEEDS,
    SOURCE,
    TARGETS,
    Arm,
    Trial,
)
from core.jobs.recipes import recipe_for
from core.studies.table import Spread, Table, spread


def caption() -> str:
    """What the tables show, and how it was trained."""
    recipe = recipe_for(RECIPE["preset"], {name: value for name, value in RECIPE.items() if name != "preset"})
    return (
        f"E-LTH, Table 5 (lower half) in small: {SOURCE}'s ticket of IMP level {LEVEL} ({1 - 0.8**LEVEL:.2%} pruned),"
        f" stretched.\nTrained on {DATASET}, seeds {', '.join(map(str, SEEDS))}: {recipe.length}, batch {recipe.batch},"
        f" learning rate {recipe.lr}, momentum {recipe.momentum:g}; {', '.join(recipe.dense)} is never pruned.\n"
        "Accuracy after the last step, mean ± std. Stretching repeats layers and so moves the sparsity;"
        " random has exactly ETT's survivors."
    )


def table(trials: Sequence[Trial], target: str) -> Table:
    """One target's table: a row per arm, mean ± standard deviation over seeds."""
    return Table(
        ("method", "accuracy, %", "sparsity, %", "trainings per seed", "seconds per seed"),
        tuple(_row(arm, _of(trials, target, arm)) for arm in ARMS),
    )


def _row(arm: Arm, trials: Sequence[Trial]) -> tuple[str, ...]:
    accuracy = spread([100 * trial.accuracy for trial in trials])
    sparsity = spread([100 * trial.sparsity for trial in trials])
    seconds = spread([trial.seconds for trial in trials])
    trainings, spent = str(arm.trainings), f"{seconds.mean:.1f}"
    if arm.shared:
        trainings += f" + {arm.shared} shared"
        spent += f" + {spread([trial.shared_seconds for trial in trials]).mean:.1f} shared"
    return arm.name, f"{accuracy:.2f}", f"{sparsity.mean:.2f}", trainings, spent


def reading(trials: Sequence[Trial]) -> str:
    """What the numbers say of the stretched ticket, whatever they are."""
    said = "; ".join(_on(trials, target) for target in TARGETS)
    spent = f"{ETT.trainings} training per seed and target instead of {IMP.trainings}, after {ETT.shared} shared ones"
    return f"The stretched ticket, {said}. It takes {spent}."


def _on(trials: Sequence[Trial], target: str) -> str:
    spreads = {arm: spread([100 * trial.accuracy for trial in _of(trials, target, arm)]) for arm in ARMS}
    rivals = ((IMP, "IMP's own"), (RANDOM, "a random mask"), (DENSE, "the dense network"))
    return f"on {target}: " + ", ".join(against(spreads[ETT], spreads[arm], name) for arm, name in rivals)


def against(ours: Spread, other: Spread, name: str) -> str:
    """How `ours` compares: a difference inside the larger standard deviation is not called one."""
    points = ours.mean - other.mean
    noise = max(ours.std or 0.0, other.std or 0.0)
    if abs(points) <= noise:
        return f"level with {name} ({points:+.2f} points, std {noise:.2f})"
    return f"{abs(points):.2f} points {'above' if points > 0 else 'below'} {name}"


def _of(trials: Sequence[Trial], target: str, arm: Arm) -> list[Trial]:
    return [trial for trial in trials if trial.target == target and trial.arm == arm]
