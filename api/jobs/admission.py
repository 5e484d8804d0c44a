"""What must hold before a job is queued, so that what cannot be done is refused at once and not by a worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.deletion import moment
from api.flaws import flaws as flaws_of
from api.problems import UNSUITABLE, Flaw, Rejected
from core.catalog import jobs, tickets
from core.catalog.architectures import describer
from core.catalog.tables import Job, Run, Ticket
from core.families import FAMILIES, UnknownArchitecture, architecture
from core.families.architecture import Architecture, Role
from core.families.definition import TIMM
from core.families.posted import has_network
from core.jobs.datasets import DATASETS, DatasetFacts
from core.jobs.methods import (
    Budget,
    DynamicParameters,
    EarlyBirdParameters,
    ImpParameters,
    OneShotParameters,
    Parameters,
)
from core.jobs.recipes import PRESETS, Recipe, steps, steps_per_epoch
from core.jobs.specs import (
    ConnectSpec,
    EvaluateSpec,
    FindSpec,
    ReusableSpec,
    Trained,
    TrainingRef,
    TrainSpec,
    TransformSpec,
)
from core.jobs.states import State
from core.jobs.transforms import needed_weights, plan, weights_missing
from core.pruning.levels import quota

TrainedSpec = TypeVar("TrainedSpec", bound=Trained)


def admit(session: Session, spec: ReusableSpec) -> ReusableSpec:
    """The spec, completed; raises `Rejected`, or `Refused` for a transformation."""
    match spec:
        case FindSpec():
            return _find(spec)
        case TransformSpec():
            return _transform(session, spec)
        case TrainSpec():
            return _train(session, spec)
        case EvaluateSpec():
            return _evaluate(session, spec)
        case ConnectSpec():
            return _connect(session, spec)


def _find(spec: FindSpec) -> FindSpec:
    facts = DATASETS[spec.dataset]
    network = _built_in(spec.architecture, facts)
    complete = _complete(spec, network.family if network else None)
    recipe = complete.full_recipe
    if _rewinds(spec.parameters):
        k, end = _steps(recipe.rewind, recipe, facts), _steps(recipe.length, recipe, facts)
        if k >= end:
            what = f"the rewind point, step {k}, is not before the end, step {end}"
            raise _unsuitable(_flaw("/recipe/rewind", what, f"at most {end - 1}it"))
    if network is None:
        return complete
    _check_dense(recipe, [network])
    match spec.parameters:
        case ImpParameters(scope="global") as parameters:
            _check_depth(parameters, network, recipe)
        case OneShotParameters(has_budget=True) as parameters:
            _check_budget(parameters, "/parameters", network, recipe)
        case EarlyBirdParameters() if not any(tensor.role is Role.SCALE for tensor in network.tensors):
            what = f"{network.name} has no batch normalisation, whose scales early_bird prunes by"
            raise _unsuitable(_flaw("/method", what, "a network with batch normalisation"))
    return complete


def _rewinds(parameters: Parameters) -> bool:
    match parameters:
        case ImpParameters(rewind=rewind):
            return rewind != "init"
        case OneShotParameters(at=at):
            return at == "rewind"
    return False


def _transform(session: Session, spec: TransformSpec) -> TransformSpec:
    found, describe = _tickets(session, spec.tickets), describer(session)
    one_each = {(ticket.architecture, *ticket.input, ticket.classes): ticket for ticket in found}
    try:
        for ticket in one_each.values():
            plan(spec, describe(ticket.architecture, shape_of(ticket), ticket.classes), describe)
    except UnknownArchitecture as error:
        raise _unsuitable(_flaw("/architecture", str(error))) from None
    for ticket in found:
        _check_weights(ticket, spec)
    return spec


def _train(session: Session, spec: TrainSpec) -> TrainSpec:
    facts = DATASETS[spec.dataset]
    if spec.architecture is not None:
        network = _built_in(spec.architecture, facts)
        complete = _complete(spec, network.family if network else None)
        _check_dense(complete.full_recipe, [network] if network else [])
        if complete.sparsity_schedule is not None:
            _check_schedule(complete.sparsity_schedule, network, complete.full_recipe, facts)
        return complete
    found, describe = _tickets(session, spec.tickets or ()), describer(session)
    _check_fit(found, facts)
    _check_trainable(found)
    families = sorted({ticket.family for ticket in found})
    if len(families) > 1 and spec.recipe.preset is None:
        what = f"the tickets are of several families ({', '.join(families)}): say which preset trains them"
        raise _unsuitable(_flaw("/recipe/preset", what, ", ".join(families)))
    complete = _complete(spec, families[0] if families[0] in FAMILIES else None)
    recipe = complete.full_recipe
    _check_dense(recipe, (describe(row.architecture, shape_of(row), row.classes) for row in found))
    _check_start(found, recipe, facts)
    return complete


def _evaluate(session: Session, spec: EvaluateSpec) -> EvaluateSpec:
    facts = DATASETS[spec.dataset]
    if spec.job is None:
        found = _tickets(session, spec.tickets or ())
        _check_fit(found, facts)
        _check_trainable(found)
        return spec
    job = _train_job(session, spec.job, "/job")
    trained_on = DATASETS[job.spec["dataset"]]
    if (trained_on.input, trained_on.classes) != (facts.input, facts.classes):
        what = f"trained networks for {_shape(trained_on.input, trained_on.classes)}"
        raise _unsuitable(_flaw("/job", what, _shape(facts.input, facts.classes)))
    return spec


def _connect(session: Session, spec: ConnectSpec) -> ConnectSpec:
    first, second = (_run(session, ref, f"/trainings/{i}") for i, ref in enumerate(spec.trainings))
    alike = {"architecture": (first.architecture, second.architecture)}
    if first.ticket_id is None and second.ticket_id is None:
        # Dense trainings have in common what a ticket stands for where they share their initialisation.
        alike["seed"] = (str(first.seed), str(second.seed))
    else:
        alike["ticket"] = (first.ticket_id or "none", second.ticket_id or "none")
    for name, (one, other) in alike.items():
        if one != other:
            what = f"its {name} is {other}, and that of the first is {one}"
            raise _unsuitable(_flaw("/trainings/1", what, f"a training of the same {name}"))
    if spec.dataset is None and first.dataset != second.dataset:
        what = f"they were trained on {first.dataset} and on {second.dataset}: say what to measure on"
        raise _unsuitable(_flaw("/dataset", what, f"{first.dataset}, {second.dataset}"))
    wanted = DATASETS[spec.dataset or first.dataset]
    for i, run in enumerate((first, second)):
        facts = DATASETS[run.dataset]
        if (facts.input, facts.classes) != (wanted.input, wanted.classes):
            taken, accepted = _shape(facts.input, facts.classes), _shape(wanted.input, wanted.classes)
            raise _unsuitable(_flaw(f"/trainings/{i}", f"trained a network for {taken}", accepted))
    return spec.model_copy(update={"dataset": wanted.name})


def _train_job(session: Session, job_id: str, where: str) -> Job:
    job = jobs.get(session, job_id)
    if job is None:
        raise _unsuitable(_flaw(where, f"there is no job {job_id}"))
    if job.kind != "train" or job.state != State.SUCCEEDED:
        what = f"is a {job.kind} job that is {job.state}"
        raise _unsuitable(_flaw(where, what, "a train job that succeeded"))
    if job.weights_dropped_at is not None:
        what = f"its weights were kept until {moment(job.weights_dropped_at)}"
        raise _unsuitable(_flaw(where, what, "a job whose weights are still here"))
    return job


def _run(session: Session, ref: TrainingRef, where: str) -> Run:
    job = _train_job(session, ref.job, f"{where}/job")
    if ref.run >= len(job.runs):
        what = f"job {ref.job} has no training {ref.run}"
        raise _unsuitable(_flaw(f"{where}/run", what, f"0 to {len(job.runs) - 1}"))
    return job.runs[ref.run]


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


def shape_of(ticket: Ticket) -> tuple[int, int, int]:
    """A ticket's input, [C, H, W]."""
    channels, height, width = ticket.input
    return channels, height, width


def _built_in(name: str, facts: DatasetFacts) -> Architecture | None:
    """The network, which its spec has found to be built in; None for one of timm's, which a worker must judge."""
    return None if name.startswith(TIMM) else architecture(name, facts.input, facts.classes)


def _complete(spec: TrainedSpec, family: str | None) -> TrainedSpec:
    """The spec with every field of its recipe written out; only the built-in families have presets."""
    try:
        return spec.complete(family)
    except ValidationError as error:
        wrong = error.errors()
        if all(found["type"] != "missing" for found in wrong):
            located = [{**found, "loc": ("body", "recipe", *found["loc"])} for found in wrong]
            raise _unsuitable(*flaws_of(located)) from None
        what = "this architecture's family has no preset: name one, or give every field"
        raise _unsuitable(_flaw("/recipe/preset", what, ", ".join(PRESETS))) from None


def _check_trainable(found: Iterable[Ticket]) -> None:
    """A posted architecture is names and shapes: nobody here knows what it computes."""
    flaws = [
        _flaw(
            f"/tickets/{i}",
            f"is of {ticket.architecture}, a posted architecture whose network is not known here",
            f"tickets of {', '.join(FAMILIES)} and {TIMM} models",
        )
        for i, ticket in enumerate(found)
        if not has_network(ticket.family)
    ]
    if flaws:
        raise _unsuitable(*flaws)


def _check_weights(ticket: Ticket, spec: TransformSpec) -> None:
    """What lays a mask over other weights needs the dense ones."""
    step = needed_weights(spec, ticket.rewind_step)
    if step is not None and step not in [kept.step for kept in ticket.weights]:
        raise weights_missing(step, f"the mask of ticket {ticket.id}")


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


def _check_budget(budget: Budget, where: str, network: Architecture, recipe: Recipe) -> None:
    """As many weights survive as there are, and at least those that must stay dense."""
    least, most = _kept_dense(network, recipe), network.prunable_weights
    survivors = budget.survivors_of(most)
    if not least <= survivors <= most:
        field = "sparsity" if budget.survivors is None else "survivors"
        what = (
            f"{network.name} cannot have {survivors} survivors, for {least} of its {most} weights stay dense"
        )
        # Rounded down: the share that is named must itself be accepted.
        share = f"at most {10**6 * (most - least) // most / 10**6:g}"
        accepted = f"{least} to {most}" if field == "survivors" else share
        raise _unsuitable(_flaw(f"{where}/{field}", what, accepted))


def _check_schedule(
    schedule: DynamicParameters, network: Architecture | None, recipe: Recipe, facts: DatasetFacts
) -> None:
    last = schedule.last_update(_steps(recipe.length, recipe, facts))
    if schedule.method != "static" and schedule.begin > last:
        what = f"the first update, at step {schedule.begin}, would come after the last, at step {last}"
        raise _unsuitable(_flaw("/sparsity_schedule/begin", what, f"at most {last}"))
    if network is not None:
        _check_budget(schedule, "/sparsity_schedule", network, recipe)


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
