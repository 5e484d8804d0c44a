"""Turn a claimed job into a request: find its inputs in the catalog and the stores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from core import tracing
from core.catalog import architectures, attempts, tickets
from core.catalog.artifacts import UPLOAD, ArtifactMissing, ArtifactStore
from core.catalog.claims import Claimed
from core.catalog.scratch import Scratch
from core.catalog.stores import Location
from core.catalog.tables import Job, Run
from core.jobs.datasets import DATASETS
from core.jobs.inputs import Inputs, InputTicket, TrainedNetwork
from core.jobs.placement import Need
from core.jobs.specs import (
    ConnectSpec,
    EvaluateSpec,
    ExportSpec,
    FindSpec,
    ImportSpec,
    JobSpec,
    NoopSpec,
    Trained,
    TrainSpec,
    TransformSpec,
    parse_spec,
)
from core.settings import Settings
from core.studies.table import spread
from workers.protocol import Confinement, Request, SavedState


class InputGone(LookupError):
    """Something the job needs is no longer here."""


def request_for(session: Session, job: Claimed, store: ArtifactStore, settings: Settings) -> Request:
    """The request a trainer gets for this attempt; raises InputGone."""
    scratch, spec, artifacts = Scratch(settings), parse_spec(job.spec), Location.of(settings)
    devices = spec.devices if isinstance(spec, Trained) else 1
    return Request(
        spec=job.spec,
        project=job.project,
        # Who opens a stranger's file reaches no network: its supervisor publishes what it makes.
        artifacts=artifacts.here if isinstance(spec, ImportSpec) else artifacts,
        scratch=scratch.location(job.id),
        tuning=str(settings.artifact_directory / "tuning"),
        datasets=str(settings.dataset_directory),
        threads=settings.trainer_threads,
        checkpoint_seconds=settings.checkpoint_seconds,
        memory_bytes=settings.trainer_memory_bytes,
        inputs=_inputs(session, spec, store, scratch.folder(job.id)),
        confinement=_confinement(settings) if isinstance(spec, ImportSpec) else None,
        states=_states(session, job),
        devices=devices,
        # Machines that train together each use all they have.
        gpus=job.gpus if settings.nodes == 1 or devices == 1 else None,
        gpu_memory_mib=Need.parse(job.need).memory,
        nodes=settings.nodes,
        rendezvous=settings.rendezvous,
        traced=tracing.sending(),
    )


def _states(session: Session, job: Claimed) -> list[SavedState]:
    """What earlier attempts have saved."""
    saved = attempts.checkpoints(session, job.id) if job.attempt > 1 else []
    return [SavedState(one.training, one.digest) for one in saved]


def _confinement(settings: Settings) -> Confinement:
    memory = settings.import_memory_bytes
    return Confinement(memory, settings.import_cpu_seconds, file_bytes=memory)


def _inputs(session: Session, spec: JobSpec, store: ArtifactStore, scratch: Path) -> Inputs:
    match spec:
        case TransformSpec():
            names = [hop.architecture for hop in spec.hops]
            return Inputs(
                tickets=_tickets(session, spec.tickets, store),
                definitions=architectures.definitions(session, names),
            )
        case EvaluateSpec(job=str(job)):
            return _trained(session, [(job, run) for run in _runs(session, job)], store)
        case ConnectSpec():
            return _trained(session, [(one.job, one.run) for one in spec.trainings], store)
        case TrainSpec(architecture=str(name)) | FindSpec(architecture=name):
            return Inputs(definitions=architectures.definitions(session, [name]))
        case TrainSpec() | EvaluateSpec():
            return Inputs(tickets=_tickets(session, spec.tickets or (), store))
        case ImportSpec():
            return Inputs(
                upload=str(scratch / UPLOAD),
                definitions=architectures.comparable(session, spec.architecture),
            )
        case ExportSpec():
            return Inputs(tickets=_tickets(session, [spec.ticket], store), about=_about(session, spec.ticket))
        case NoopSpec():
            return Inputs()


def _tickets(session: Session, identities: Iterable[str], store: ArtifactStore) -> dict[str, InputTicket]:
    return {identity: _ticket(session, identity, store) for identity in identities}


def _ticket(session: Session, identity: str, store: ArtifactStore) -> InputTicket:
    ticket = tickets.get(session, identity)
    if ticket is None:
        raise InputGone(f"no ticket {identity}")
    origin = tickets.origin(ticket)
    weights = {str(row.step): _file(store, row.digest) for row in ticket.weights}
    return InputTicket(_file(store, ticket.file_digest), origin.dataset, origin.seed, origin.level, weights)


def _runs(session: Session, job_id: str) -> list[int]:
    job = session.get(Job, job_id)
    if job is None:
        raise InputGone(f"no job {job_id}")
    return [run.ordinal for run in job.runs]


def _trained(session: Session, references: Iterable[tuple[str, int]], store: ArtifactStore) -> Inputs:
    networks = []
    for job_id, ordinal in references:
        run = session.get(Run, (job_id, ordinal))
        if run is None:
            raise InputGone(f"no training {ordinal} of job {job_id}")
        facts = DATASETS[run.dataset]
        networks.append(
            TrainedNetwork(
                path=_file(store, run.weights_digest),
                architecture=run.architecture,
                input=facts.input,
                classes=facts.classes,
                ticket_id=run.ticket_id,
                seed=run.seed,
            )
        )
    names = [network.architecture for network in networks]
    return Inputs(weights=networks, definitions=architectures.definitions(session, names))


def _about(session: Session, identity: str) -> dict[str, Any]:
    """What a model card says of a ticket: accuracies of trainings from it, and its ancestors."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for result, run, _ in tickets.results(session, identity):
        if run is not None:
            groups[result.dataset, result.point].append(result.correct / result.total)
    figures = [
        {"dataset": dataset, "point": point, "count": len(values), **asdict(spread(values))}
        for (dataset, point), values in sorted(groups.items())
    ]
    lineage = [
        {
            "identity": ancestor.id,
            "architecture": ancestor.architecture,
            "sparsity": ancestor.sparsity,
            "method": tickets.origin(ancestor).method,
        }
        for ancestor in tickets.ancestors(session, identity)
    ]
    return {"figures": figures, "lineage": lineage}


def _file(store: ArtifactStore, digest: str) -> str:
    try:
        return str(store.place(digest))
    except ArtifactMissing as error:
        raise InputGone(str(error)) from error
