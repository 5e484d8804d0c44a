"""What a study's table says, in a few lines."""

from __future__ import annotations

from api.client.models.studies import Cell, Study
from api.client.models.studies import Table as Answered
from cli.comparison import accuracies, named
from core.studies.spec import StudySpec
from core.studies.table import Spread, Table, spread


def caption(study: Study) -> str:
    """What the tables show, and how it was trained."""
    spec = StudySpec.model_validate(study.spec)
    recipe = spec.recipe_on(spec.datasets[0]).resolve(None)
    dense = f"; {', '.join(recipe.dense)} is never pruned" if recipe.dense else ""
    levels = ", ".join(f"{level} ({1 - 0.8**level:.2%} pruned)" for level in spec.levels)
    return (
        f"Tickets of {', '.join(spec.sources)} of IMP level {levels}, stretched.\n"
        f"Trained on {', '.join(spec.datasets)}, seeds {', '.join(map(str, spec.seeds))}: {recipe.length},"
        f" batch {recipe.batch}, learning rate {recipe.lr:g}, momentum {recipe.momentum:g}{dense}.\n"
        "Accuracy after the last step, mean ± std. Stretching repeats layers and so moves the sparsity;"
        " rivals have exactly ETT's survivors."
    )


_WIDE = ("best epoch, %", "dead neurons")
"""Columns for which a terminal has no room; the study's page has them."""


def tables(table: Answered) -> dict[str, Table]:
    """A table for each network, by its name."""
    kept = [place for place, name in enumerate(table.columns) if place and name not in _WIDE]
    networks = dict.fromkeys(row[0] for row in table.rows)
    return {
        network: Table(
            tuple(table.columns[place] for place in kept),
            tuple(tuple(row[place] for place in kept) for row in table.rows if row[0] == network),
            words=2,
        )
        for network in networks
    }


def reading(study: Study, table: Answered) -> str:
    """What the numbers say of the stretched ticket, whatever they are."""
    complete = [cell for cell in table.cells if cell.complete]
    by_target = {target: named(complete, target) for target in study.spec["targets"]}
    compared = {target: cells for target, cells in by_target.items() if {"ETT", "IMP"} <= cells.keys()}
    if not compared:
        return "No stretched ticket was trained beside IMP's own."
    said = "; ".join(on(cells, target) for target, cells in compared.items())
    ett, imp = (next(iter(compared.values()))[arm] for arm in ("ETT", "IMP"))
    spent = (
        f"{ett.trainings:g} training per seed and target instead of {imp.trainings:g},"
        f" after {ett.shared_trainings:g} shared ones"
    )
    return f"The stretched ticket, {said}. It takes {spent}."


def on(cells: dict[str, Cell], target: str) -> str:
    """How the stretched ticket does on a target against the rivals that everybody looks at first."""
    spreads = {arm: spread(accuracies(cell)) for arm, cell in cells.items()}
    rivals = (("IMP", "IMP's own"), ("random", "a random mask"), ("dense", "the dense network"))
    said = [against(spreads["ETT"], spreads[arm], name) for arm, name in rivals if arm in spreads]
    return f"on {target}: " + ", ".join(said)


def against(ours: Spread, other: Spread, name: str) -> str:
    """How `ours` compares: a difference inside the larger standard deviation is not called one."""
    points = ours.mean - other.mean
    noise = max(ours.std or 0.0, other.std or 0.0)
    if abs(points) <= noise:
        return f"level with {name} ({points:+.2f} points, std {noise:.2f})"
    return f"{abs(points):.2f} points {'above' if points > 0 else 'below'} {name}"
