"""The dry run of a transformation: every ticket is carried, exactly as a worker would, and nothing is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from sqlalchemy.orm import Session

from api.jobs.admission import admit, shape_of
from api.jobs.plans import (
    Network,
    PlannedEntry,
    PlannedLayer,
    PlannedStage,
    TicketPlan,
    Totals,
    TransformPlan,
)
from core.catalog import tickets
from core.catalog.architectures import describer
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.elastic.transform import sources
from core.elastic.unit_map import format_map
from core.families.architecture import Architecture
from core.jobs.specs import TransformSpec
from core.jobs.transforms import Plan, carry, plan
from core.tickets import Ticket, read
from core.tickets.carry import replicas
from core.tickets.weights import read_weights


def preview(database: Database, store: ArtifactStore, spec: TransformSpec) -> TransformPlan:
    """What `spec` would do to each of its tickets; raises what submitting it would raise."""
    with database.read() as session:
        admit(session, spec)
        given = [_given(session, identity, spec) for identity in spec.tickets]
    return TransformPlan(tickets=[_carried(one, store) for one in given])


@dataclass(frozen=True)
class _Given:
    """One ticket of the catalog, and the way that it would go. `weights`: artifacts of its dense weights, by step."""

    identity: str
    digest: str
    seed: int
    level: int | None
    weights: dict[int, str]
    way: Plan


def _given(session: Session, identity: str, spec: TransformSpec) -> _Given:
    ticket, describe = tickets.get(session, identity), describer(session)
    assert ticket is not None, "it was admitted"
    origin = tickets.origin(ticket)
    source = describe(ticket.architecture, shape_of(ticket), ticket.classes)
    weights = {kept.step: kept.digest for kept in ticket.weights}
    # A worker draws from the ticket's seed, and from 0 where that is not known.
    return _Given(
        identity, ticket.file_digest, origin.seed or 0, origin.level, weights, plan(spec, source, describe)
    )


def _carried(given: _Given, store: ArtifactStore) -> TicketPlan:
    def dense(step: int) -> Mapping[str, NDArray[Any]] | None:
        return read_weights(store.intact(given.weights[step])) if step in given.weights else None

    before = read(store.intact(given.digest)).ticket
    after = carry(given.way, before, given.seed, dense)
    return _ticket_plan(given.identity, given.way, before, after, given.level)


def _ticket_plan(identity: str, way: Plan, before: Ticket, after: Ticket, level: int | None) -> TicketPlan:
    origins = sources(way.source.anatomy, way.deep.anatomy, way.unit_map)
    return TicketPlan(
        ticket=identity,
        source=_network(way.source),
        target=_network(way.target),
        hops=[hop.architecture for hop in way.spec.hops],
        unit_map=format_map(way.unit_map),
        stages=list(_stages(way)),
        fixed=[name for name in way.deep.anatomy.fixed if name not in way.fresh],
        fresh=sorted(way.fresh),
        layers=[
            PlannedLayer(
                tensor=layer.name,
                source=None if layer.name in way.fresh else origins[layer.name],
                size=layer.size,
                survivors=layer.survivors,
                sparsity=1 - layer.survivors / layer.size,
            )
            for layer in after.layers()
        ],
        before=_totals(before, level),
        after=_totals(after, level),
        rewind_step=after.rewind_step,
        warnings=list(_warnings(way, before, after, level)),
    )


def _network(network: Architecture) -> Network:
    return Network(architecture=network.name, input=list(network.input), classes=network.classes)


def _totals(ticket: Ticket, level: int | None) -> Totals:
    return Totals(
        prunable=ticket.prunable_weights, survivors=ticket.survivors, sparsity=ticket.sparsity, level=level
    )


def _stages(way: Plan) -> Iterator[PlannedStage]:
    for old, new, origins in zip(
        way.source.anatomy.stages, way.deep.anatomy.stages, way.unit_map, strict=True
    ):
        yield PlannedStage(
            name=new.name,
            entries=[
                PlannedEntry(
                    target=position,
                    source=origin,
                    fixed=new.entries[position].fixed,
                    copy=origin in origins[:position],
                )
                for position, origin in enumerate(origins)
            ],
            dropped=sorted(set(range(len(old.entries))) - set(origins)),
        )


def _warnings(way: Plan, before: Ticket, after: Ticket, level: int | None) -> Iterator[str]:
    spec = way.spec
    if after.sparsity != before.sparsity:
        nominal = "" if level is None else f"; the nominal level stays {level}"
        yield f"total sparsity moves from {before.sparsity:.2%} to {after.sparsity:.2%}{nominal}"
    emptied = [layer.name for layer in after.layers() if not layer.survivors]
    if emptied:
        yield f"no weight survives in {', '.join(emptied)}"
    if way.fresh:
        yield f"drawn afresh, and dense: {', '.join(sorted(way.fresh))}"
    if way.wide.prunable_weights > way.deep.prunable_weights and spec.noise == 0:
        yield "noise 0 makes replicated channels exact twins, which no training tells apart"
    if spec.start == "zero":
        yield "ablation: the mask is laid over the weights of step 0, and the new ticket restarts there"
    if spec.weights == "reinit":
        yield "ablation: only the mask is carried; the weights are drawn anew, and the new ticket restarts at step 0"
    copies = replicas(way.source.anatomy, way.deep.anatomy, way.unit_map)
    what = "the replicated copies" if copies else "nothing: no unit is replicated"
    if spec.permute is not None:
        yield f"ablation: permute changes {what}"
    if spec.norm == "fresh":
        yield f"ablation: norm: fresh changes {what}"
