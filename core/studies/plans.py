"""What sparse networks would cost by each method: E-LTH (appendix B) for any members of a family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from core.jobs.datasets import DATASETS
from core.jobs.methods import METHODS, OneShotParameters
from core.jobs.recipes import RecipeChoice, steps, steps_per_epoch
from core.studies.arms import DENSE, ETT, IMP, Arm
from core.studies.estimate import Paces
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec
from core.studies.work import EARLY_BIRD, Unit, looks_at_gradients, once, units

HOUR = 3600
LONGER = 5
"""How many times longer a dynamically sparse network is trained in the paper (appendix B)."""
ELTH = "elth"
"""The way of stretched tickets."""
WAYS = (ELTH, DENSE, *METHODS)


@dataclass(frozen=True)
class Asked:
    """What is to be planned: a sparse network for each target, by each method, per seed as often as there are seeds.

    `hours`: of one whole training of a network, on the device group; `price`: of one device for an hour.
    """

    targets: tuple[str, ...]
    dataset: str
    level: int
    methods: tuple[str, ...]
    sources: tuple[str, ...]
    seeds: int
    recipe: RecipeChoice
    hours: Mapping[str, Fraction]
    devices: int
    multiplier: int
    price: Fraction | None


@dataclass(frozen=True)
class Share:
    """What a plan asks of one network."""

    network: str
    trainings: Fraction
    steps: int
    hours: Fraction | None
    rewound_hours: Fraction | None


@dataclass(frozen=True)
class Plan:
    """One method's way. `hours`: every training counted whole, as the paper does; `rewound_hours`: steps before the
    rewind point are taken once; both of the whole device group, and None where nothing tells how long a training lasts.
    """

    method: str
    source: str | None
    networks: tuple[Share, ...]
    devices: int
    price: Fraction | None

    @property
    def name(self) -> str:
        """For tables."""
        return self.method if self.source is None else f"{self.method} from {self.source}"

    @property
    def trainings(self) -> Fraction:
        """Of all networks."""
        return sum((share.trainings for share in self.networks), Fraction(0))

    @property
    def steps(self) -> int:
        """Optimiser steps that are taken."""
        return sum(share.steps for share in self.networks)

    @property
    def hours(self) -> Fraction | None:
        """Counted whole."""
        return _sum([share.hours for share in self.networks])

    @property
    def rewound_hours(self) -> Fraction | None:
        """As taken."""
        return _sum([share.rewound_hours for share in self.networks])

    @property
    def device_hours(self) -> Fraction | None:
        """`hours` times devices."""
        return None if self.hours is None else self.hours * self.devices

    @property
    def money(self) -> Fraction | None:
        """What they cost."""
        return None if self.device_hours is None or self.price is None else self.device_hours * self.price


@dataclass(frozen=True)
class Plans:
    """Every way, the cheapest of them, and what was assumed."""

    plans: tuple[Plan, ...]
    assumptions: tuple[str, ...]

    @property
    def cheapest(self) -> Plan | None:
        """Of those that end in sparse networks: the least hours, else the least steps; of equals the first."""
        return _cheapest([plan for plan in self.plans if plan.method != DENSE])

    @property
    def cheapest_source(self) -> str | None:
        """Whose ticket makes the cheapest plan by E-LTH."""
        carried = _cheapest([plan for plan in self.plans if plan.method == ELTH])
        return carried.source if carried else None


def plans(asked: Asked, paces: Paces) -> Plans:
    """Every method's plan; E-LTH's once for every source. Raises `ValueError` as a study of these would."""
    ways = [
        (method, source)
        for method in asked.methods
        for source in (asked.sources if method == ELTH else (None,))
    ]
    book = _Book(asked, paces)
    return Plans(
        tuple(
            Plan(method, source, book.shares(_work(asked, method, source)), asked.devices, asked.price)
            for method, source in ways
        ),
        tuple(_assumptions(asked, book)),
    )


def _work(asked: Asked, method: str, source: str | None) -> list[Unit]:
    """The trainings of the study that would do it, each once.

    A source that is itself a target is trained from its own ticket: that is one level more of its IMP.
    """
    if method != ELTH:
        return _of_study(asked, Arm(name=method, method=method, parameters=_parameters(asked, method)))
    assert source is not None
    others = [target for target in asked.targets if target != source]
    found = _of_study(asked, Arm(name=IMP, method=IMP), [source]) if source in asked.targets else []
    carried = _of_study(asked, Arm(name=ETT, method=ETT), others, source) if others else []
    return list({unit.key: unit for unit in (*found, *carried)}.values())


def _of_study(
    asked: Asked, arm: Arm, targets: Sequence[str] | None = None, source: str | None = None
) -> list[Unit]:
    targets = list(asked.targets) if targets is None else targets
    spec = StudySpec(
        datasets=[asked.dataset],
        sources=[source or targets[0]],
        targets=list(targets),
        levels=[asked.level],
        arms=[arm],
        seeds=list(range(asked.seeds)),
        recipe=asked.recipe,
    )
    return [unit for several in once(units(Expansion(spec).nodes)).values() for unit in several]


def _parameters(asked: Asked, method: str) -> dict[str, Any]:
    """Any budget takes as much work as another: the level's own is stated."""
    if method in (IMP, DENSE):
        return {}
    budget = {"sparsity": round(1 - 0.8**asked.level, 6)}
    if METHODS[method].request == "train":
        return budget | {"multiplier": asked.multiplier}
    return budget if issubclass(METHODS[method].parameters, OneShotParameters) else {}


class _Book:
    """How long a training of each network lasts, and what that was taken from."""

    def __init__(self, asked: Asked, paces: Paces) -> None:
        self._asked, self._paces = asked, paces
        self.told: dict[str, None] = {}
        facts = DATASETS[asked.dataset]
        family = StudySpec.network(asked.targets[0], asked.dataset).family
        recipe = asked.recipe.resolve(family)
        per_epoch = steps_per_epoch(facts.train, recipe.batch)
        self.length = steps(recipe.length, per_epoch)
        self.rewind = steps(recipe.rewind, per_epoch)

    def shares(self, work: Sequence[Unit]) -> tuple[Share, ...]:
        """The work by network, in the order in which it begins."""
        networks = dict.fromkeys(unit.network for unit in work)
        return tuple(
            self._share(network, [unit for unit in work if unit.network == network]) for network in networks
        )

    def _share(self, network: str, work: Sequence[Unit]) -> Share:
        trainings = sum((Fraction(unit.whole) for unit in work), Fraction(0))
        taken = sum(unit.steps for unit in work)
        hours = self._hours(next((unit for unit in work if unit.whole), work[0]))
        return Share(
            network,
            trainings,
            taken,
            None if hours is None else hours * trainings,
            None if hours is None else hours * taken / self.length,
        )

    def _hours(self, unit: Unit) -> Fraction | None:
        """Of one whole training."""
        given = self._asked.hours.get(unit.network)
        if given is not None:
            return given
        pace = self._paces.of(unit)
        self.told[pace.told] = None
        if pace.seconds is None:
            return None
        return Fraction(pace.seconds) * self.length / (HOUR * self._asked.devices)


def _assumptions(asked: Asked, book: _Book) -> list[str]:
    told = [
        "these are costs alone, and say nothing of how accurate the networks become",
        "a training counts whole, also where it restarts at the rewind point",
    ]
    if book.rewind:
        told.append(
            f"beside it stands what restarting there takes: the first {book.rewind:,} of {book.length:,} steps of a"
            " network are taken once, and every later training takes the rest"
        )
    else:
        told.append("tickets restart at step 0, so nothing is saved by rewinding")
    told.append(
        f"a ticket of level {asked.level} takes {asked.level} trainings to find and one to train;"
        " E-LTH finds one in the source, and trains it once in every target"
    )
    if ELTH in asked.methods and not set(asked.sources) <= set(asked.targets):
        told.append("a source that is no target is not trained from its own ticket")
    dynamic = [name for name in asked.methods if name in METHODS and METHODS[name].request == "train"]
    if dynamic:
        told.append(
            f"trained {asked.multiplier} times as long as the recipe says, as in the paper's comparison:"
            f" {', '.join(dynamic)}"
        )
    if "early_bird" in asked.methods:
        told.append(EARLY_BIRD)
    if looks := [name for name in asked.methods if looks_at_gradients(name)]:
        told.append(f"looks at gradients count as steps, not as trainings: {', '.join(looks)}")
    if asked.hours:
        told.append("hours of one training as given, on the whole device group")
    told += list(book.told)
    if book.told and asked.devices > 1:
        told.append(f"{asked.devices} devices are taken to be {asked.devices} times as fast as one")
    if asked.seeds > 1:
        told.append(f"everything is done for {asked.seeds} seeds")
    return told


def _cheapest(several: Sequence[Plan]) -> Plan | None:
    known = all(plan.hours is not None for plan in several)
    return min(several, key=lambda plan: (plan.hours or 0) if known else plan.steps, default=None)


def _sum(hours: Sequence[Fraction | None]) -> Fraction | None:
    known = [each for each in hours if each is not None]
    return sum(known, Fraction(0)) if len(known) == len(hours) else None
