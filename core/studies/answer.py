"""A study's table: which columns it has, what stands in them, and what has to be said below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.jobs.recipes import PRESETS
from core.studies.comparison import Row
from core.studies.report import Filled
from core.studies.spec import StudySpec
from core.studies.table import Spread, Table

NONE = "–"


@dataclass(frozen=True)
class Column:
    """What stands under a name; "" where there is nothing. One that is not `always` there goes when it is empty."""

    name: str
    text: Callable[[Row], str]
    always: bool = False
    words: bool = False


def table(spec: StudySpec, rows: Sequence[Row]) -> Table:
    """A row per cell; what is missing is a dash."""
    columns = [column for column in _columns(spec) if column.always or any(map(column.text, rows))]
    return Table(
        tuple(column.name for column in columns),
        tuple(tuple(column.text(row) or NONE for column in columns) for row in rows),
        words=sum(column.words for column in columns),
        notes=tuple(notes(spec, rows)),
    )


def _columns(spec: StudySpec) -> Iterator[Column]:
    if len(spec.datasets) > 1:
        yield Column("dataset", lambda row: row.found.cell.dataset, words=True)
    yield Column("network", lambda row: row.found.cell.target, always=True, words=True)
    yield Column("level", lambda row: str(row.found.cell.level), always=True, words=True)
    yield Column("method", lambda row: row.method, always=True, words=True)
    yield Column("accuracy, %", _accuracy, always=True)
    yield Column("best epoch, %", lambda row: _percent(row.best))
    yield Column("difference", _difference)
    yield Column("p", _p)
    yield Column("published, %", _published)
    yield Column("sparsity, %", _sparsity, always=True)
    yield Column("dead neurons", lambda row: "" if row.dead is None else f"{row.dead:.1f}")
    yield Column("barrier", lambda row: _percent(row.barrier))
    yield Column("trainings per seed", lambda row: _cost(row.found, "trainings", ".3g"), always=True)
    yield Column("seconds per seed", lambda row: _cost(row.found, "seconds", ".1f"), always=True)


def _accuracy(row: Row) -> str:
    so_far = "" if row.found.complete else f" ({len(row.found.accuracies)} so far)"
    return _percent(row.accuracy) + so_far if row.accuracy else ""


def _sparsity(row: Row) -> str:
    return f"{100 * row.sparsity.mean:.2f}" if row.sparsity else ""


def _difference(row: Row) -> str:
    if row.difference is None:
        return ""
    # A difference that is shown as none has no sign.
    return f"{100 * row.difference.mean:+.2f}".replace("-0.00", "0.00").replace("+0.00", "0.00")


def _p(row: Row) -> str:
    p = row.difference.p if row.difference else None
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _published(row: Row) -> str:
    if row.published is None:
        return ""
    return f"{row.published.accuracy:.2f}" + (" ?" if row.published.assumed else "")


def _cost(found: Filled, what: str, form: str) -> str:
    shared = found.shared_trainings or found.shared_seconds
    own = format(getattr(found, what), form)
    return own + (f" + {format(getattr(found, f'shared_{what}'), form)} shared" if shared else "")


def _percent(value: Spread | None) -> str:
    if value is None:
        return ""
    return f"{Spread(100 * value.mean, None if value.std is None else 100 * value.std):.2f}"


def notes(spec: StudySpec, rows: Sequence[Row]) -> Iterator[str]:
    """Sentences that say what the table's numbers are, as far as it has them."""
    seeds = ", ".join(map(str, spec.seeds))
    over = (
        f"mean ± sample standard deviation over seeds {seeds}" if len(spec.seeds) > 1 else f"of seed {seeds}"
    )
    yield f"Accuracy: test accuracy after the last step, {over}; best epoch: the same, test-selected."
    if references := sorted({row.reference for row in rows if row.difference and row.reference}):
        tested = "; p: paired t-test, two-sided, none where all differences are the same"
        any_p = any(row.difference and row.difference.p is not None for row in rows)
        yield (
            f"Difference: to {' or '.join(references)} on the same network, dataset and level, in points, "
            f"paired over seeds{tested if any_p else ''}."
        )
    if stated := [row.published for row in rows if row.published]:
        where = ", ".join(sorted({one.where for one in stated}))
        yield f"Published: E-LTH (NeurIPS 2021), {where}, trained by the paper's recipe; {_recipes(spec)}."
        if assumed := sorted({one.assumed for one in stated if one.assumed}):
            yield f"?: assumed is {' and '.join(assumed)}."
    if any(row.dead for row in rows):
        yield (
            "Dead neurons: those of the hidden fully connected layers that no surviving weight enters, or none "
            "leaves, per ticket."
        )
    if any(row.barrier for row in rows):
        yield (
            "Barrier: how far test accuracy falls at most below the straight line between the two ends, in points; "
            "between two trainings of one ticket in different data orders."
        )
    if any(row.found.shared_trainings for row in rows):
        yield "Shared: done once, for several rows."


def _recipes(spec: StudySpec) -> str:
    """How the study's recipes differ from the paper's."""
    said = {}
    for dataset in spec.datasets:
        choice = spec.recipe_on(dataset)
        preset = choice.preset or spec.family
        given = choice.model_dump(exclude_none=True, exclude={"preset"})
        changed = [
            f"{name.replace('_', ' ')} {_said(value)}"
            for name, value in given.items()
            if value != getattr(PRESETS[preset], name)
        ]
        other = [f"preset {preset}"] if preset != spec.family else []
        said[dataset] = ", ".join([*other, *changed])
    if len(set(said.values())) == 1:
        (only,) = set(said.values())
        return f"ours by another: {only}" if only else "ours by the same"
    return "ours " + ", ".join(
        f"on {dataset} by {f'another ({what})' if what else 'the same'}" for dataset, what in said.items()
    )


def _said(value: object) -> str:
    return (" ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
