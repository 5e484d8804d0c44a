"""A study as jobs: what each is asked, and which cell of the table it fills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.elastic.anatomy import Anatomy
from core.elastic.refusal import Refused
from core.elastic.unit_map import Order, named_map
from core.families.architecture import Architecture
from core.studies.arms import IMP_NAME, Arm
from core.studies.nodes import Body, Kind, Node, key_of
from core.studies.spec import StudySpec

DATA_ORDERS = (0, 1)
"""Under which a ticket is trained twice, if the line between its trainings is asked for."""


@dataclass(frozen=True)
class Cell:
    """One arm on one target and dataset at one level; `trained`: the jobs whose runs are its replicates.

    `source`: whose ticket was stretched; `found_on`: the dataset that was found on, where it is another. `own`: the
    jobs done for it before; `shared`: those done once for several cells; `lines`: those that connect its trainings.
    """

    dataset: str
    target: str
    level: int
    arm: str
    method: str
    trained: tuple[str, ...]
    source: str | None = None
    found_on: str | None = None
    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass
class Expansion:
    """All jobs of a study, each after those that it needs, and the cells of its table.

    `stretched`: of every transform job, the network that its tickets are of.
    """

    spec: StudySpec
    nodes: dict[str, Node] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    stretched: dict[str, Architecture] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spec = self.spec
        # Seeds of a perceptron take their steps as one computation; other networks' are better spread over workers.
        together = spec.family == "mlp"
        self._groups = [tuple(spec.seeds)] if together else [(seed,) for seed in spec.seeds]
        for dataset in spec.datasets:
            for level in spec.levels:
                for target in spec.targets:
                    for arm in spec.arms:
                        self._arm(arm, Place(dataset, target, level))

    def _arm(self, arm: Arm, place: Place) -> None:
        match arm.method:
            case "ett":
                for found_on in self.spec.found_on or [place.dataset]:
                    for source in self.spec.sources:
                        self._stretched(arm, place, Origin(source, found_on))
            case "imp":
                self._tickets(arm, place, self._imp(place))
            case "dense":
                body = {"architecture": place.target}
                label = f"{place.dataset}/{place.target}/{arm.name}/train"
                trained = [self._add(label, "train", place.dataset, seeds, body) for seeds in self._groups]
                self._cell(arm, place, trained)
            case _ if arm.dynamic:
                self._cell(arm, place, list(self._dynamic(arm, place)))
            case _:
                self._tickets(arm, place, list(self._found(arm, place)))

    def _stretched(self, arm: Arm, place: Place, origin: Origin) -> None:
        """The cells of one source's ticket on one target: one per order.

        On the network and dataset it was found on it is IMP's own, and stands for that where no other arm does.
        """
        at_home = origin == Origin(place.target, place.dataset)
        if at_home:
            if not arm.parameters and all(other.method != "imp" for other in self.spec.arms):
                self._tickets(arm, place, self._imp(place), origin=origin)
            return
        for variant in self._orders(arm, place, origin):
            shared = self._imp(Place(origin.dataset, origin.network, place.level))
            self._tickets(variant, place, self._carried(place, origin, variant), shared, origin)

    def _orders(self, arm: Arm, place: Place, origin: Origin) -> list[Arm]:
        """The arm under each order of the study that fits the pair; under all of them, to be refused, if none does."""
        orders = self.spec.orders
        if not orders or {"order", "unit_map"} & arm.parameters.keys():
            return [arm]
        old = self.spec.network(origin.network, origin.dataset).anatomy
        new = self.spec.network(place.target, place.dataset).anatomy
        fitting = [order for order in orders if _fits(order, old, new)] or orders
        return [
            arm.model_copy(
                update={
                    "name": f"{arm.name}, {order}",
                    "parameters": {**arm.parameters, "order": order.value},
                }
            )
            for order in fitting
        ]

    def _tickets(
        self,
        arm: Arm,
        place: Place,
        found: Sequence[str],
        shared: Sequence[str] = (),
        origin: Origin | None = None,
    ) -> None:
        """The cell of an arm that trains the tickets of other jobs."""
        label = f"{place}/{arm.name}" + (f" {origin.said(place.dataset)}" if origin else "")
        trained = self._train(label, place.dataset, found)
        lines = self._lines(label, place.dataset, trained) if self.spec.connect else ()
        self._cell(arm, place, trained, origin, tuple(found), tuple(shared), tuple(lines))

    def _cell(
        self,
        arm: Arm,
        place: Place,
        trained: Sequence[str],
        origin: Origin | None = None,
        own: tuple[str, ...] = (),
        shared: tuple[str, ...] = (),
        lines: tuple[str, ...] = (),
    ) -> None:
        self.cells.append(
            Cell(
                place.dataset,
                place.target,
                place.level,
                arm.name,
                arm.method,
                tuple(trained),
                source=origin.network if origin else None,
                found_on=origin.dataset if origin and origin.dataset != place.dataset else None,
                own=own,
                shared=shared,
                lines=lines,
            )
        )

    def _imp(self, place: Place) -> list[str]:
        """IMP's tickets of a network: found once, whoever needs them."""
        body = {"architecture": place.target, "method": "imp", "parameters": {"level": place.level}}
        label = f"{place}/{IMP_NAME}/find"
        return [self._add(label, "find", place.dataset, seeds, body) for seeds in self._groups]

    def _carried(self, place: Place, origin: Origin, arm: Arm | None = None) -> list[str]:
        """A source's tickets on a target; on the same network for the same images they are what they are."""
        found = self._imp(Place(origin.dataset, origin.network, place.level))
        asked = arm.parameters if arm else {}
        source = self.spec.network(origin.network, origin.dataset)
        target = self.spec.network(place.target, place.dataset)
        if source == target and not asked:
            return found
        label = f"{place}/{origin.said(place.dataset)}" + (f" as {arm.name}" if arm and asked else "")
        refit = (source.input, source.classes) != (target.input, target.classes)
        body = {"architecture": place.target} | ({"dataset": place.dataset} if refit else {}) | asked
        keys = []
        for key, seeds in zip(found, self._groups, strict=True):
            named = key_of(f"{label}/transform", seeds)
            keys.append(self._node(named, "transform", {"tickets": {"tickets_of": [key]}, **body}))
            self.stretched[named] = source
        return keys

    def _found(self, arm: Arm, place: Place) -> Iterator[str]:
        """A rival's tickets. Where they follow the stretched ones, every seed has a budget of its own."""
        label, body = f"{place}/{arm.name}/find", {"architecture": place.target, "method": arm.method}
        for seeds, budget in self._budgets(arm, place):
            yield self._add(label, "find", place.dataset, seeds, body | {"parameters": arm.given | budget})

    def _dynamic(self, arm: Arm, place: Place) -> Iterator[str]:
        label = f"{place}/{arm.name}/train"
        for seeds, budget in self._budgets(arm, place):
            body = {"architecture": place.target, "sparsity_schedule": arm.given | budget}
            yield self._add(label, "train", place.dataset, seeds, body)

    def _budgets(self, arm: Arm, place: Place) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
        """The groups of seeds that are one job, and what each keeps if the arm does not say."""
        if not arm.follows:
            yield from ((seeds, {}) for seeds in self._groups)
            return
        found_on = self.spec.found_on or [place.dataset]
        followed = place.dataset if place.dataset in found_on else found_on[0]
        carried = self._carried(place, Origin(self.spec.sources[0], followed))
        for key, seeds in zip(carried, self._groups, strict=True):
            for n, seed in enumerate(seeds):
                yield (seed,), {"survivors": {"survivors_of": [key, n]}}

    def _train(self, label: str, dataset: str, found: Sequence[str]) -> list[str]:
        """Train tickets, found in groups of seeds or one by one, in groups of seeds."""
        one_by_one = len(found) == len(self.spec.seeds)
        remaining = iter(found)
        twice = {"order_seeds": list(DATA_ORDERS)} if self.spec.connect else {}
        keys = []
        for seeds in self._groups:
            of = [next(remaining) for _ in seeds] if one_by_one else [next(remaining)]
            body = {"tickets": {"tickets_of": of}, **twice}
            keys.append(self._add(f"{label}/train", "train", dataset, seeds, body))
        return keys

    def _lines(self, label: str, dataset: str, trained: Sequence[str]) -> Iterator[str]:
        """Connect the trainings of each ticket: its runs follow each other, one per data order."""
        for key, seeds in zip(trained, self._groups, strict=True):
            for n, seed in enumerate(seeds):
                runs = [n * len(DATA_ORDERS) + order for order in range(len(DATA_ORDERS))]
                ends = [{"job": {"job_of": key}, "run": run} for run in runs]
                yield self._node(
                    key_of(f"{label}/connect", [seed]), "connect", {"trainings": ends, "dataset": dataset}
                )

    def _add(self, label: str, kind: Kind, dataset: str, seeds: Sequence[int], body: Body) -> str:
        """A job that trains, or scores a network's weights."""
        common = {
            "dataset": dataset,
            "seeds": list(seeds),
            "recipe": self.spec.recipe_on(dataset).model_dump(mode="json", exclude_none=True),
            "exact": self.spec.exact,
        }
        return self._node(key_of(label, seeds), kind, {**body, **common})

    def _node(self, key: str, kind: Kind, body: Body) -> str:
        self.nodes.setdefault(key, Node(key, kind, body))
        return key


@dataclass(frozen=True)
class Place:
    """Where a ticket is trained: the part of the table that a cell stands in."""

    dataset: str
    target: str
    level: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.target}/{self.level}"


@dataclass(frozen=True)
class Origin:
    """Where a ticket that is stretched was found."""

    network: str
    dataset: str

    def said(self, dataset: str) -> str:
        """In the key of a job on a dataset."""
        return f"from {self.network}" + ("" if self.dataset == dataset else f" on {self.dataset}")


def _fits(order: Order, source: Anatomy, target: Anatomy) -> bool:
    try:
        named_map(order, source, target)
    except Refused:
        return False
    return True
