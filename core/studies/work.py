"""The trainings that jobs ask for, each of them once: what another job of the same study does is known by its key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.families import architecture
from core.jobs.datasets import DATASETS
from core.jobs.methods import METHODS, EarlyBirdParameters, GraspParameters, ImpParameters, OneShotParameters
from core.jobs.recipes import Recipe, RecipeChoice, steps, steps_per_epoch
from core.jobs.replicates import at_once
from core.jobs.specs import FindSpec
from core.studies.nodes import Node

EARLY_BIRD = (
    "early_bird is counted at the most that it can take: one training until its channels settle, one after"
)


@dataclass(frozen=True)
class Unit:
    """One training, or one look at a network's gradients.

    `key`: equal for the same one; `steps`: optimiser steps that are taken, those before the rewind point not again;
    `whole`: trainings as the literature counts them: 1 for one that goes to the recipe's end, more for one that is
    prolonged, 0 for the way to the rewind point and for a look; `together`: replicates that are one computation.
    """

    key: tuple[Any, ...]
    network: str
    dataset: str
    batch: int
    steps: int
    whole: float
    together: int


@dataclass(frozen=True)
class _Ticket:
    """A ticket that is yet to be found: what its mask and weights come from, and where its training goes on."""

    origin: tuple[Any, ...]
    network: str
    dataset: str
    step: int


def units(nodes: Mapping[str, Node]) -> dict[str, tuple[Unit, ...]]:
    """By the key of each job, what it must train; units with one key in several jobs are done by the first."""
    found: dict[str, tuple[Unit, ...]] = {}
    tickets: dict[str, list[_Ticket]] = {}
    for key, node in nodes.items():
        work: list[Unit] = []
        match node.kind:
            case "find":
                tickets[key] = list(_find(node.body, work))
            case "transform":
                tickets[key] = [_carried(ticket, node.body) for ticket in _named(node.body, tickets)]
            case "train":
                _train(node.body, tickets, work)
        found[key] = tuple(work)
    return found


def once(work: Mapping[str, Sequence[Unit]]) -> dict[str, tuple[Unit, ...]]:
    """What each job does itself: units that no job before it has done."""
    seen: set[tuple[Any, ...]] = set()
    left: dict[str, tuple[Unit, ...]] = {}
    for key, several in work.items():
        own = {unit.key: unit for unit in several if unit.key not in seen}
        seen |= own.keys()
        left[key] = tuple(own.values())
    return left


class _Course:
    """The trainings of one job: its network, dataset and recipe, and how many of them are one computation."""

    def __init__(self, body: Mapping[str, Any], network: str) -> None:
        self.network, self.dataset = network, body["dataset"]
        self.recipe: Recipe = RecipeChoice.model_validate(body["recipe"]).resolve(None)
        self.evolving = "sparsity_schedule" in body
        facts = DATASETS[self.dataset]
        self.per_epoch = steps_per_epoch(facts.train, self.recipe.batch)
        self.end, self.rewind = self.at(self.recipe.length), self.at(self.recipe.rewind)
        family = architecture(network, facts.input, facts.classes).family
        self._most = at_once(family, alone=bool(body.get("exact")) or self.evolving)

    def at(self, duration: str) -> int:
        """A duration in steps."""
        return steps(duration, self.per_epoch)

    def unit(
        self, origin: tuple[Any, ...], order: int, start: int, end: int, whole: float, number: int, of: int
    ) -> Unit:
        """A training under a data order from one step to another, the `number`-th of so many alike in its job."""
        trained = self.recipe.model_dump_json(exclude={"rewind", "dense"})
        together = min(self._most, of - number // self._most * self._most)
        key = (self.network, self.dataset, trained, order, start, end, origin)
        return Unit(key, self.network, self.dataset, self.recipe.batch, end - start, whole, together)


def _find(body: Mapping[str, Any], work: list[Unit]) -> Iterator[_Ticket]:
    network, given = body["architecture"], dict(body.get("parameters", {}))
    # How many survive may not be known yet, and makes no difference to the work.
    known = given | ({"survivors": 1} if isinstance(given.get("survivors"), Mapping) else {})
    spec = FindSpec.model_validate({**_without_references(body), "parameters": known})
    course, seeds = _Course(body, network), spec.seeds
    for number, seed in enumerate(seeds):
        place = (number, len(seeds))
        recipe = course.recipe.model_dump_json()
        origin: tuple[Any, ...] = (spec.method, network, spec.dataset, recipe, _text(given), seed)
        match spec.parameters:
            case ImpParameters() as parameters:
                k = 0 if parameters.rewind == "init" else course.rewind
                yield _imp(course, parameters, seed, k, place, work)
                continue
            case OneShotParameters() as parameters:
                k = 0 if parameters.at == "init" else course.rewind
                if k:
                    work.append(course.unit(("dense", seed), seed, 0, k, 0, *place))
                if looks := _looks(spec):
                    work.append(course.unit(("look", *origin), seed, 0, looks, 0, 0, 1))
            case EarlyBirdParameters():
                k = 0
                work.append(course.unit(("until it settles", *origin), seed, 0, course.end, 1, 0, 1))
            case other:
                raise AssertionError(f"no work is known for {type(other).__name__}")
        yield _Ticket(origin, network, spec.dataset, k)


def _imp(
    course: _Course, parameters: ImpParameters, seed: int, k: int, place: tuple[int, int], work: list[Unit]
) -> _Ticket:
    """The way to the rewind point, and a training per level: that of level 0 is dense."""
    told = parameters.model_dump_json(exclude={"level"})
    recipe = course.recipe.model_dump_json()

    def origin(level: int) -> tuple[Any, ...]:
        if level == 0:
            return ("dense", seed)
        return ("imp", course.network, course.dataset, recipe, told, seed, level)

    if k:
        work.append(course.unit(origin(0), seed, 0, k, 0, *place))
    work += [course.unit(origin(level), seed, k, course.end, 1, *place) for level in range(parameters.level)]
    return _Ticket(origin(parameters.level), course.network, course.dataset, k)


def _carried(ticket: _Ticket, body: Mapping[str, Any]) -> _Ticket:
    """Its weights are of the step that they were, and of the dataset: only there does a training continue."""
    how = _text({name: value for name, value in body.items() if name != "tickets"})
    at_0 = body.get("start") == "zero" or body.get("weights") == "reinit"
    step = 0 if at_0 else ticket.step
    return _Ticket(("carried", how, ticket.origin), body["architecture"], ticket.dataset, step)


def _train(body: Mapping[str, Any], tickets: Mapping[str, list[_Ticket]], work: list[Unit]) -> None:
    starts = _named(body, tickets)
    if starts:
        seeds = body.get("seeds") or range(len(starts))
        plan = [
            (ticket, order)
            for ticket, seed in zip(starts, seeds, strict=True)
            for order in body.get("order_seeds") or [seed]
        ]
        for number, (ticket, order) in enumerate(plan):
            course = _Course(body, ticket.network)
            step = ticket.step if ticket.dataset == course.dataset else 0
            work.append(course.unit(ticket.origin, order, step, course.end, 1, number, len(plan)))
        return
    course, schedule, seeds = (
        _Course(body, body["architecture"]),
        body.get("sparsity_schedule"),
        body["seeds"],
    )
    times = (schedule or {}).get("multiplier", 1)
    for number, seed in enumerate(seeds):
        origin = (_text(schedule), seed) if schedule else ("dense", seed)
        work.append(course.unit(origin, seed, 0, times * course.end, times, number, len(seeds)))


def _named(body: Mapping[str, Any], tickets: Mapping[str, list[_Ticket]]) -> list[_Ticket]:
    keys = (body.get("tickets") or {}).get("tickets_of", ())
    return [ticket for key in keys for ticket in tickets[key]]


def looks_at_gradients(method: str) -> bool:
    """Whether a method scores weights by the gradients at the network's start."""
    one_shot = method in METHODS and issubclass(METHODS[method].parameters, OneShotParameters)
    return one_shot and method not in ("random", "one_shot_magnitude")


def _looks(spec: FindSpec) -> int:
    """How often it looks at them."""
    if not looks_at_gradients(spec.method):
        return 0
    return 3 if isinstance(spec.parameters, GraspParameters) else int(getattr(spec.parameters, "rounds", 1))


def _without_references(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "parameters"}


def _text(given: Any) -> str:
    return json.dumps(given, sort_keys=True)
