"""A study as jobs: what each is asked, which tickets of which others it needs, and which cell of the table it fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.studies.arms import Arm
from core.studies.spec import StudySpec

Kind = Literal["find", "transform", "train"]
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """One job of a study. In its body `{"tickets_of": [keys]}` stands for the tickets that those jobs produced, and
    `{"survivors_of": [key, n]}` for the survivors of the n-th one.
    """

    key: str
    kind: Kind
    body: Body

    @property
    def needs(self) -> tuple[str, ...]:
        """The keys of the jobs that must have succeeded before this one can be asked for."""
        return tuple(dict.fromkeys(_named(self.body)))


@dataclass(frozen=True)
class Cell:
    """One arm on one target at one level; `trained`: the jobs whose runs are its replicates.

    `own`: the jobs done for it before; `shared`: those done once for several cells.
    """

    target: str
    level: int
    arm: str
    source: str | None
    trained: tuple[str, ...]
    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


@dataclass
class Expansion:
    """All jobs of a study, each after those that it needs, and the cells of its table."""

    spec: StudySpec
    nodes: dict[str, Node] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = self.spec
        # Seeds of a perceptron take their steps as one computation; other networks' are better spread over workers.
        together = spec.family == "mlp"
        self._groups = [tuple(spec.seeds)] if together else [(seed,) for seed in spec.seeds]
        for level in spec.levels:
            for target in spec.targets:
                for arm in spec.arms:
                    self._arm(arm, target, level)

    def _arm(self, arm: Arm, target: str, level: int) -> None:
        match arm.method:
            case "ett":
                for source in self.spec.sources:
                    if source != target:
                        found, shared = self._carried(source, target, level), self._imp(source, level)
                        self._tickets(arm, target, level, found, shared, source)
            case "imp":
                self._tickets(arm, target, level, self._imp(target, level))
            case "dense":
                body = {"architecture": target}
                label = f"{target}/{arm.name}/train"
                trained = [self._add(label, "train", seeds, body) for seeds in self._groups]
                self.cells.append(Cell(target, level, arm.name, None, tuple(trained)))
            case _ if arm.dynamic:
                trained = list(self._dynamic(arm, target, level))
                self.cells.append(Cell(target, level, arm.name, None, tuple(trained)))
            case _:
                self._tickets(arm, target, level, list(self._found(arm, target, level)))

    def _tickets(
        self,
        arm: Arm,
        target: str,
        level: int,
        found: Sequence[str],
        shared: Sequence[str] = (),
        source: str | None = None,
    ) -> None:
        """The cell of an arm that trains the tickets of other jobs."""
        label = f"{target}/{level}/{arm.name}" + (f" from {source}" if source else "")
        trained = self._train(label, found)
        self.cells.append(Cell(target, level, arm.name, source, tuple(trained), tuple(found), tuple(shared)))

    def _imp(self, network: str, level: int) -> list[str]:
        """IMP's tickets of a network: found once, whoever needs them."""
        body = {"architecture": network, "method": "imp", "parameters": {"level": level}}
        return [self._add(f"{network}/{level}/IMP/find", "find", seeds, body) for seeds in self._groups]

    def _carried(self, source: str, target: str, level: int) -> list[str]:
        """A source's tickets on a target; on the source itself they are what they are."""
        found = self._imp(source, level)
        if source == target:
            return found
        keys = []
        for key, seeds in zip(found, self._groups, strict=True):
            label = _key(f"{target}/{level}/from {source}/transform", seeds)
            body: Body = {"tickets": {"tickets_of": [key]}, "architecture": target, "order": self.spec.order}
            keys.append(self._node(label, "transform", body))
        return keys

    def _found(self, arm: Arm, target: str, level: int) -> Iterator[str]:
        """A rival's tickets. Where they follow the stretched ones, every seed has a budget of its own."""
        label, body = f"{target}/{level}/{arm.name}/find", {"architecture": target, "method": arm.method}
        if not arm.follows:
            for seeds in self._groups:
                yield self._add(label, "find", seeds, body | {"parameters": arm.given})
            return
        for seed, budget in self._budgets(target, level):
            yield self._add(label, "find", (seed,), body | {"parameters": arm.given | budget})

    def _dynamic(self, arm: Arm, target: str, level: int) -> Iterator[str]:
        label = f"{target}/{level}/{arm.name}/train"
        if not arm.follows:
            for seeds in self._groups:
                yield self._add(
                    label, "train", seeds, {"architecture": target, "sparsity_schedule": arm.given}
                )
            return
        for seed, budget in self._budgets(target, level):
            body = {"architecture": target, "sparsity_schedule": arm.given | budget}
            yield self._add(label, "train", (seed,), body)

    def _budgets(self, target: str, level: int) -> Iterator[tuple[int, dict[str, Any]]]:
        carried = self._carried(self.spec.sources[0], target, level)
        for key, seeds in zip(carried, self._groups, strict=True):
            for n, seed in enumerate(seeds):
                yield seed, {"survivors": {"survivors_of": [key, n]}}

    def _train(self, label: str, found: Sequence[str]) -> list[str]:
        """Train tickets, found in groups of seeds or one by one, in groups of seeds."""
        one_by_one = len(found) == len(self.spec.seeds)
        remaining = iter(found)
        keys = []
        for seeds in self._groups:
            of = [next(remaining) for _ in seeds] if one_by_one else [next(remaining)]
            keys.append(self._add(f"{label}/train", "train", seeds, {"tickets": {"tickets_of": of}}))
        return keys

    def _add(self, label: str, kind: Kind, seeds: Sequence[int], body: Body) -> str:
        """A job that trains, or scores a network's weights."""
        spec = self.spec
        common = {
            "dataset": spec.dataset,
            "seeds": list(seeds),
            "recipe": spec.recipe.model_dump(mode="json", exclude_none=True) | {"preset": self._preset},
            "exact": spec.exact,
        }
        return self._node(_key(label, seeds), kind, {**body, **common})

    @property
    def _preset(self) -> str:
        return self.spec.recipe.preset or self.spec.family

    def _node(self, key: str, kind: Kind, body: Body) -> str:
        self.nodes.setdefault(key, Node(key, kind, body))
        return key


def resolved(body: Body, tickets_of: Callable[[str], Sequence[tuple[str, int]]]) -> dict[str, Any]:
    """A body with tickets and numbers in place of references; `tickets_of` a key are (id, survivors), in order."""

    def value(given: Any) -> Any:
        match given:
            case {"tickets_of": keys}:
                return [identity for key in keys for identity, _ in tickets_of(key)]
            case {"survivors_of": [key, n]}:
                return tickets_of(key)[n][1]
            case Mapping():
                return {name: value(item) for name, item in given.items()}
        return given

    return {name: value(item) for name, item in body.items()}


def _named(given: Any) -> Iterator[str]:
    match given:
        case {"tickets_of": keys}:
            yield from keys
        case {"survivors_of": [key, _]}:
            yield key
        case Mapping():
            for item in given.values():
                yield from _named(item)


def _key(label: str, seeds: Sequence[int]) -> str:
    return f"{label}/{'seed' if len(seeds) == 1 else 'seeds'} {','.join(map(str, seeds))}"
