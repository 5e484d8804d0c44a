"""What must hold before a job is queued, so that what cannot be done is refused at once and not by a worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from api.problems import UNSUITABLE, Flaw, Rejected
from core.catalog import jobs, tickets
from core.catalog.tables import Ticket
from core.families import UnknownArchitecture, architecture
from core.families.architecture import Architecture
from core.jobs.datasets import DATASETS, DatasetFacts
from core.jobs.methods import ImpParameters, RandomParameters
from core.jobs.recipes import Recipe, steps, steps_per_epoch
from core.jobs.specs import EvaluateSpec, FindSpec, JobSpec, TrainSpec, TransformSpec
from core.jobs.states import State
from core.jobs.transforms import plan
from core.pruning.levels import quota


def admit(session: Session, spec: JobSpec) -> JobSpec:
    """The spec with its recipe completed; raises `Rejected`, or `Refused` for a transformation."""
    match spec:
        case FindSpec():
            return _find(spec)
        case TransformSpec():
            return _transform(session, spec)
        case TrainSpec():
            return _train(session, spec)
        case EvaluateSpec():
            return _evaluate(session, spec)


def _find(spec: FindSpec) -> FindSpec:
    facts = DATASETS[spec.dataset]
    network = architecture(spec.architecture, facts.input, facts.classes)
    complete = spec.complete(network.family)
    recipe = complete.full_recipe
    _check_dense(recipe, [network])
    match spec.parameters:
        case ImpParameters() as parameters:
            _check_depth(parameters, network, recipe)
            k, end = _steps(recipe.rewind, recipe, facts), _steps(recipe.length, recipe, facts)
            if k >= end:
                what = f"the rewind point, step {k}, is not before the end, step {end}"
                raise _unsuitable(_flaw("/recipe/rewind", what, f"at most {end - 1}it"))
        case RandomParameters(survivors=survivors):
            least = _kept_dense(network, recipe)
            if not least <= survivors <= network.prunable_weights:
                accepted = f"{least} to {network.prunable_weights}"
                what = f"{network.name} cannot have {survivors} survivors"
                raise _unsuitable(_flaw("/parameters/survivors", what, accepted))
    return complete


def _transform(session: Session, spec: TransformSpec) -> TransformSpec:
    found = _tickets(session, spec.tickets)
    one_each = {(ticket.architecture, *ticket.input, ticket.classes): ticket for ticket in found}
    try:
        for ticket in one_each.values():
            plan(spec, _architecture(ticket))
    except UnknownArchitecture as error:
        raise _unsuitable(_flaw("/architecture", str(error))) from None
    return spec


def _train(session: Session, spec: TrainSpec) -> TrainSpec:
    facts = DATASETS[spec.dataset]
    if spec.architecture is not None:
        networks = [architecture(spec.architecture, facts.input, facts.classes)]
        found: Sequence[Ticket] = []
    else:
        found = _tickets(session, spec.tickets or ())
        _check_fit(found, facts)
        networks = [_architecture(ticket) for ticket in found]
    families = sorted({network.family for network in networks})
    if len(families) > 1 and spec.recipe.preset is None:
        what = f"the tickets are of several families ({', '.join(families)}): say which preset trains them"
        raise _unsuitable(_flaw("/recipe/preset", what, ", ".join(families)))
    complete = spec.complete(families[0])
    recipe = complete.full_recipe
    _check_dense(recipe, networks)
    _check_start(found, recipe, facts)
    return complete


def _evaluate(session: Session, spec: EvaluateSpec) -> EvaluateSpec:
    facts = DATASETS[spec.dataset]
    if spec.job is None:
        _check_fit(_tickets(session, spec.tickets or ()), facts)
        return spec
    job = jobs.get(session, spec.job)
    if job is None:
        raise _unsuitable(_flaw("/job", f"there is no job {spec.job}"))
    if job.kind != "train" or job.state != State.SUCCEEDED:
        raise _unsuitable(
            _flaw("/job", f"is a {job.kind} job that is {job.state}", "a train job that succeeded")
        )
    trained_on = DATASETS[job.spec["dataset"]]
    if (trained_on.input, trained_on.classes) != (facts.input, facts.classes):
        what = f"trained networks for {_shape(trained_on.input, trained_on.classes)}"
        raise _unsuitable(_flaw("/job", what, _shape(facts.input, facts.classes)))
    return spec


def _tickets(session: Session, identities: Sequence[str]) -> list[Ticket]:
    missing = set(tickets.missing(session, identities))
    if missing:
        raise _unsuitable(
            *(
                _flaw(f"/tickets/{i}", f"there is no ticket {identity}")
                for i, identity in enumerate(identities)
                if identity in missing
            )
        )
    found = [tickets.get(session, identity) for identity in identities]
    return [ticket for ticket in found if ticket is not None]


def _architecture(ticket: Ticket) -> Architecture:
    return architecture(ticket.architecture, ticket.input, ticket.classes)


def _check_fit(found: Iterable[Ticket], facts: DatasetFacts) -> None:
    accepted = _shape(facts.input, facts.classes)
    flaws = [
        _flaw(
            f"/tickets/{i}",
            f"takes {_shape(ticket.input, ticket.classes)}: transform it to {facts.name} first",
            accepted,
        )
        for i, ticket in enumerate(found)
        if (tuple(ticket.input), ticket.classes) != (facts.input, facts.classes)
    ]
    if flaws:
        raise _unsuitable(*flaws)


def _check_dense(recipe: Recipe, networks: Iterable[Architecture]) -> None:
    for network in networks:
        prunable = [tensor.name for tensor in network.prunable]
        unknown = [name for name in recipe.dense if name not in prunable]
        if unknown:
            what = f"{network.name} has no prunable tensor {unknown[0]!a}"
            raise _unsuitable(_flaw("/recipe/dense", what, ", ".join(prunable[:20])))


def _check_depth(parameters: ImpParameters, network: Architecture, recipe: Recipe) -> None:
    """What must stay dense cannot be pruned: the others run out of weights at some level."""
    dense = _kept_dense(network, recipe)
    survivors = network.prunable_weights
    for level in range(1, parameters.level + 1):
        survivors -= quota(survivors, parameters.fraction)
        if survivors <= dense:
            what = f"at level {level} {survivors} of {network.name}'s weights would be left, and {dense} stay dense"
            raise _unsuitable(_flaw("/parameters/level", what, f"at most {level - 1}"))


def _kept_dense(network: Architecture, recipe: Recipe) -> int:
    return sum(spec.size for spec in network.prunable if spec.name in recipe.dense)


def _check_start(found: Iterable[Ticket], recipe: Recipe, facts: DatasetFacts) -> None:
    end = _steps(recipe.length, recipe, facts)
    for i, ticket in enumerate(found):
        continues = tickets.origin(ticket).dataset == facts.name
        if continues and ticket.rewind_step >= end:
            what = f"restarts at step {ticket.rewind_step}, and the recipe ends at step {end}"
            raise _unsuitable(_flaw(f"/tickets/{i}", what, "a longer recipe"))


def _steps(duration: str, recipe: Recipe, facts: DatasetFacts) -> int:
    return steps(duration, steps_per_epoch(facts.train, recipe.batch))


def _shape(taken: Sequence[int], classes: int) -> str:
    return f"input {list(taken)} and {classes} classes"


def _flaw(where: str, what: str, accepted: str | None = None) -> Flaw:
    return Flaw(location="body", where=where, what=what, accepted=accepted)


def _unsuitable(*flaws: Flaw) -> Rejected:
    return Rejected(UNSUITABLE, "; ".join(f"{flaw.where}: {flaw.what}" for flaw in flaws), *flaws)
