"""A study's figures as data: curves of its arms, maps of source × target, lines between trainings. Drawn elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from core.studies.comparison import Row
from core.studies.spec import StudySpec
from core.studies.table import Spread, spread

HOUR = 3600

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Point:
    """A mean and its sample standard deviation over seeds; one seed has none."""

    x: float
    y: float
    std: float | None = None


@dataclass(frozen=True)
class Curve:
    """The points of one arm, by x. `level`: one value whatever x is, as the dense network's at every sparsity."""

    name: str
    points: tuple[Point, ...]
    level: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over one axis."""

    name: str
    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    kind: Literal["chart"] = "chart"


@dataclass(frozen=True)
class HeatMap:
    """A value per source (row) and target (column); None where there is none."""

    name: str
    title: str
    x: str
    y: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    kind: Literal["map"] = "map"


Figure = Chart | HeatMap

ACCURACY = "test accuracy, %"


def figures(spec: StudySpec, rows: Sequence[Row]) -> list[Figure]:
    """All figures for which there is something to show."""
    known = [row for row in rows if row.accuracy is not None]
    found: list[Figure] = []
    found += _across(spec, known)
    found += _against_sparsity(known)
    found += _against_cost(known)
    found += _between(known)
    return found


def _against_sparsity(rows: Sequence[Row]) -> Iterator[Chart]:
    """Accuracy at every level, a curve per arm; a figure per network and dataset, where there are several levels."""
    for (dataset, target), there in _grouped(rows, _network):
        if len({row.found.cell.level for row in there if row.found.cell.method != "dense"}) > 1:
            yield Chart(
                f"sparsity-{dataset}-{target}",
                f"{target} on {dataset}: accuracy against sparsity",
                "weights pruned, %",
                ACCURACY,
                tuple(_curves(there, _sparsity)),
            )


def _against_cost(rows: Sequence[Row]) -> Iterator[Chart]:
    """Accuracy and what it took, what is shared with other rows included; a figure per network and dataset."""
    for (dataset, target), there in _grouped(rows, _network):
        unit = HOUR if max(map(_seconds, there)) >= HOUR / 10 else 1
        yield Chart(
            f"cost-{dataset}-{target}",
            f"{target} on {dataset}: accuracy against cost",
            "device-hours per seed" if unit == HOUR else "device-seconds per seed",
            ACCURACY,
            tuple(_curves(there, _seconds, unit)),
        )


def _across(spec: StudySpec, rows: Sequence[Row]) -> Iterator[HeatMap]:
    """Stretched tickets by source and target, IMP's own where both are one; per dataset, level and arm."""
    of_tickets = [row for row in rows if row.found.cell.method in ("ett", "imp")]
    for (dataset, level), there in _grouped(
        of_tickets, lambda row: (row.found.cell.dataset, row.found.cell.level)
    ):
        stretched = [row for row in there if row.found.cell.source]
        stretched.sort(key=lambda row: spec.sources.index(row.found.cell.source or ""))
        origins = tuple(dict.fromkeys(_origin(row) for row in stretched))
        if len(origins) * len(spec.targets) < 2:
            continue
        arms = dict.fromkeys(row.found.cell.arm for row in stretched)
        for number, arm in enumerate(arms):
            values = {
                (_origin(row), row.found.cell.target): 100 * row.accuracy.mean
                for row in there
                if row.accuracy and (row.found.cell.arm == arm or row.found.cell.method == "imp")
            }
            yield HeatMap(
                f"transfer-{dataset}-{level}" + (f"-{number + 1}" if number else ""),
                f"{arm} across networks on {dataset}, level {level}: {ACCURACY}",
                "trained",
                "found",
                tuple(spec.targets),
                origins,
                tuple(tuple(values.get((origin, target)) for target in spec.targets) for origin in origins),
            )


def _between(rows: Sequence[Row]) -> Iterator[Chart]:
    """Accuracy along the line between two trainings of each ticket."""
    connected = [row for row in rows if row.found.lines]
    for (dataset, target, level), there in _grouped(connected, _place):
        curves = []
        for row in there:
            at: dict[float, list[float]] = {}
            for line in row.found.lines:
                for alpha, accuracy in line:
                    at.setdefault(alpha, []).append(accuracy)
            points = tuple(_point(alpha, spread(values)) for alpha, values in sorted(at.items()))
            curves.append(Curve(row.method, points))
        yield Chart(
            f"line-{dataset}-{target}-{level}",
            f"{target} on {dataset}, level {level}: between two data orders",
            "α, from the first training to the second",
            ACCURACY,
            tuple(curves),
        )


def _curves(rows: Iterable[Row], x: Callable[[Row], float], unit: float = 1) -> Iterator[Curve]:
    for name, there in _grouped(rows, lambda row: row.method):
        points = {_point(x(row) / unit, row.accuracy) for row in there if row.accuracy}
        # The dense network is trained once, and stands at every level.
        level = there[0].found.cell.method == "dense" and x is _sparsity
        yield Curve(name, tuple(sorted(points, key=lambda point: point.x)), level)


def _point(x: float, value: Spread) -> Point:
    return Point(x, 100 * value.mean, None if value.std is None else 100 * value.std)


def _network(row: Row) -> tuple[str, str]:
    return row.found.cell.dataset, row.found.cell.target


def _place(row: Row) -> tuple[str, str, int]:
    return (*_network(row), row.found.cell.level)


def _sparsity(row: Row) -> float:
    return 100 * row.sparsity.mean if row.sparsity else 0.0


def _seconds(row: Row) -> float:
    return row.found.seconds + row.found.shared_seconds


def _origin(row: Row) -> str:
    cell = row.found.cell
    source = cell.source or cell.target
    return source + (f" on {cell.found_on}" if cell.found_on else "")


def _grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> Iterable[tuple[Key, list[Row]]]:
    """Rows of one key, in the order in which each key first comes."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found.items()
