"""Turn a claimed job into a request: find its inputs in the catalog and the stores."""

from __future__ import annotations

from sqlalchemy.orm import Session

from core.catalog import attempts, tickets
from core.catalog.artifacts import ArtifactMissing, LocalStore
from core.catalog.tables import Job, Run
from core.jobs.datasets import DATASETS
from core.jobs.outcome import InputTicket, TrainedNetwork
from core.jobs.specs import EvaluateSpec, TrainSpec, TransformSpec, parse_spec
from core.settings import Settings
from workers.protocol import Request, SavedState


class InputGone(LookupError):
    """Something the job needs is no longer here."""


def request_for(session: Session, job: Job, store: LocalStore, settings: Settings) -> Request:
    """The request a trainer gets for this attempt; raises InputGone."""
    spec = parse_spec(job.spec)
    wanted = spec.tickets or [] if isinstance(spec, TransformSpec | TrainSpec | EvaluateSpec) else []
    return Request(
        spec=job.spec,
        artifacts=str(settings.artifact_directory),
        scratch=str(settings.scratch_directory / job.id),
        datasets=str(settings.dataset_directory),
        threads=settings.trainer_threads,
        checkpoint_seconds=settings.checkpoint_seconds,
        memory_bytes=settings.trainer_memory_bytes,
        tickets={identity: _ticket(session, identity, store) for identity in wanted},
        weights=_weights(session, spec.job, store) if isinstance(spec, EvaluateSpec) and spec.job else [],
        states=[SavedState(saved.training, saved.digest) for saved in attempts.checkpoints(session, job.id)],
    )


def _ticket(session: Session, identity: str, store: LocalStore) -> InputTicket:
    ticket = tickets.get(session, identity)
    if ticket is None:
        raise InputGone(f"no ticket {identity}")
    origin = tickets.origin(ticket)
    return InputTicket(_file(store, ticket.file_digest), origin.dataset, origin.seed, origin.level)


def _weights(session: Session, job_id: str, store: LocalStore) -> list[TrainedNetwork]:
    trained = session.get(Job, job_id)
    if trained is None:
        raise InputGone(f"no job {job_id}")
    return [_trained(run, store) for run in trained.runs]


def _trained(run: Run, store: LocalStore) -> TrainedNetwork:
    facts = DATASETS[run.dataset]
    return TrainedNetwork(
        path=_file(store, run.weights_digest),
        architecture=run.architecture,
        input=facts.input,
        classes=facts.classes,
        ticket_id=run.ticket_id,
        seed=run.seed,
    )


def _file(store: LocalStore, digest: str) -> str:
    try:
        return str(store.path(digest))
    except ArtifactMissing as error:
        raise InputGone(str(error)) from error
