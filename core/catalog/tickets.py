"""Tickets in the catalog: register one from its file, lineage, results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, exists, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from core.catalog import architectures
from core.catalog.database import dialect_insert, now
from core.catalog.scope import WITH_DELETED, project_of
from core.catalog.tables import (
    Job,
    Provenance,
    Result,
    Run,
    Ticket,
    TicketCopy,
    TicketLayer,
    TicketTag,
    TicketWeights,
)
from core.catalog.ticket_lists import Listed
from core.families.architecture import Architecture
from core.tickets import LayerFigures, Metadata, TicketFile

MOST_TAGS = 32
MOST_UPLOADS = 32
"""How many origins of one ticket may come from uploads, whose files may state anything."""


class TooManyTags(ValueError):
    """A ticket would have more than `MOST_TAGS` tags."""


@dataclass(frozen=True)
class Figures:
    """What the catalog keeps of a ticket's file: no tensors, so that the file need not stay open."""

    architecture: Architecture
    rewind_step: int
    layers: tuple[LayerFigures, ...]
    metadata: Metadata
    header_bytes: int
    payload_bytes: int

    @classmethod
    def of(cls, file: TicketFile) -> Figures:
        """Those of a file."""
        ticket = file.ticket
        return cls(
            ticket.architecture,
            ticket.rewind_step,
            ticket.layers(),
            file.metadata,
            file.header_bytes,
            file.payload_bytes,
        )


def register(
    session: Session,
    identity: str,
    file: TicketFile,
    file_digest: str,
    *,
    job_id: str | None = None,
    weights: Mapping[str, str] | None = None,
    lost: str | None = None,
) -> bool:
    """Enter a ticket, whose id is `identity`, and where it came from; whether it is new.

    `weights` are artifacts of the dense weights that its mask was laid over, by step; the first that are known of a
    step stay. A posted architecture that the file brings along is entered too. `lost` is the digest of a file of this
    ticket that is no longer in the store: where it is still the ticket's, this one takes its place.

    The same content again adds only a provenance row, and only one that says something new. Past `MOST_UPLOADS` of
    them an upload adds none.
    """
    return enter(session, identity, Figures.of(file), file_digest, job_id=job_id, weights=weights, lost=lost)


def enter(
    session: Session,
    identity: str,
    figures: Figures,
    file_digest: str,
    *,
    job_id: str | None = None,
    weights: Mapping[str, str] | None = None,
    lost: str | None = None,
) -> bool:
    """`register` for a file that was read before."""
    network, metadata = figures.architecture, figures.metadata
    prunable, survivors = network.prunable_weights, sum(layer.survivors for layer in figures.layers)
    insert, project = dialect_insert(session), project_of(session)
    row = dict(
        project=project,
        id=identity,
        architecture=network.name,
        family=network.family,
        input=list(network.input),
        classes=network.classes,
        rewind_step=figures.rewind_step,
        prunable=prunable,
        survivors=survivors,
        sparsity=(prunable - survivors) / prunable,
        file_digest=file_digest,
        header_bytes=figures.header_bytes,
        payload_bytes=figures.payload_bytes,
    )
    # One that was deleted is there again, as if it had never been.
    again = {"file_digest", "header_bytes", "payload_bytes"}
    entered = insert(Ticket).values(row)
    entered = entered.on_conflict_do_update(
        index_elements=[Ticket.project, Ticket.id],
        set_={name: row[name] for name in again} | {"created_at": now(), "deleted_at": None},
        where=Ticket.deleted_at.is_not(None),
    )
    new = session.execute(entered.returning(Ticket.id)).first() is not None
    if new:
        session.add_all(
            TicketLayer(
                ticket_id=identity,
                position=position,
                name=layer.name,
                shape=list(layer.shape),
                size=layer.size,
                survivors=layer.survivors,
            )
            for position, layer in enumerate(figures.layers)
        )
    elif lost is not None:
        _replace_file(session, identity, lost, figures, file_digest)
    architectures.ensure(session, network)
    for step, digest in (weights or {}).items():
        row = dict(project=project, ticket_id=identity, step=int(step), digest=digest)
        session.execute(insert(TicketWeights).values(row).on_conflict_do_nothing())
    provenance = Provenance(
        ticket_id=identity,
        method=metadata.method or "upload",
        dataset=metadata.dataset,
        seed=metadata.seed,
        level=metadata.level,
        parent_id=metadata.parent,
        job_id=job_id,
        details=dict(metadata.details),
    )
    if not new and job_id is None:
        # Uploads of one ticket wait for each other, so that together they stay within what one may have.
        session.execute(select(Ticket.id).where(Ticket.id == identity).with_for_update())
    if not _known(session, provenance) and (job_id is not None or _uploads(session, identity) < MOST_UPLOADS):
        session.add(provenance)
    session.flush()
    return new


def _replace_file(session: Session, identity: str, lost: str, figures: Figures, file_digest: str) -> None:
    """Let another file hold a ticket: the same tensors, perhaps with another header."""
    values = dict(
        file_digest=file_digest, header_bytes=figures.header_bytes, payload_bytes=figures.payload_bytes
    )
    same = (Ticket.id == identity, Ticket.file_digest == lost)
    session.execute(update(Ticket).where(*same).values(values))


def _known(session: Session, provenance: Provenance) -> bool:
    columns = ("ticket_id", "method", "dataset", "seed", "level", "parent_id", "job_id")
    same = [
        getattr(Provenance, column).is_not_distinct_from(getattr(provenance, column)) for column in columns
    ]
    return session.scalar(select(Provenance.id).where(*same).limit(1)) is not None


def _uploads(session: Session, identity: str) -> int:
    uploaded = (Provenance.ticket_id == identity, Provenance.job_id.is_(None))
    return session.scalar(select(func.count()).select_from(Provenance).where(*uploaded)) or 0


def get(session: Session, identity: str) -> Ticket | None:
    """One ticket."""
    ticket = session.get(Ticket, (project_of(session), identity))
    return None if ticket is None or ticket.deleted_at is not None else ticket


def file_digest(session: Session, identity: str) -> str:
    """The artifact that holds the file of a ticket that is here."""
    return session.get_one(Ticket, (project_of(session), identity)).file_digest


def copy(session: Session, identity: str, format: str) -> str | None:  # noqa: A002
    """The artifact that holds a ticket in another format."""
    found = session.get(TicketCopy, (project_of(session), identity, format))
    return found.digest if found else None


def forget_copy(session: Session, identity: str, format: str, digest: str) -> None:  # noqa: A002
    """Drop a ticket's file in another format, which is no longer in the store: it is made again when asked for."""
    same = (TicketCopy.ticket_id == identity, TicketCopy.format == format, TicketCopy.digest == digest)
    session.execute(delete(TicketCopy).where(*same))


def add_copy(session: Session, identity: str, format: str, digest: str) -> None:  # noqa: A002
    """Enter a ticket's file in another format; the first one stays."""
    row = dict(project=project_of(session), ticket_id=identity, format=format, digest=digest)
    session.execute(dialect_insert(session)(TicketCopy).values(row).on_conflict_do_nothing())


def origin(ticket: Ticket | Listed) -> Provenance | Row[Any]:
    """Where a ticket comes from, where that must be one thing: its first provenance that names a dataset.

    A ticket uploaded without one and found here later is the found one.
    """
    return next((row for row in ticket.provenance if row.dataset is not None), ticket.provenance[0])


def load_origins(session: Session, tickets: Iterable[Ticket]) -> None:
    """Read the provenance and the tags of many tickets at once."""
    by_id = {ticket.id: ticket for ticket in tickets}
    # By the id alone, within the session's project: SQLite reads all rows for a list of pairs.
    origins = select(Provenance).where(Provenance.ticket_id.in_(by_id))
    tags = select(TicketTag).where(TicketTag.ticket_id.in_(by_id))
    _give(by_id, "provenance", session.scalars(origins.order_by(Provenance.ticket_id, Provenance.id)))
    _give(by_id, "tags", session.scalars(tags.order_by(TicketTag.ticket_id, TicketTag.tag)))


def _give(tickets: Mapping[str, Ticket], name: str, rows: Iterable[Provenance | TicketTag]) -> None:
    of: dict[str, list[Provenance | TicketTag]] = {identity: [] for identity in tickets}
    for row in rows:
        of[row.ticket_id].append(row)
    for identity, ticket in tickets.items():
        set_committed_value(ticket, name, of[identity])


def missing(session: Session, identities: Iterable[str]) -> list[str]:
    """Those of `identities` that are no ticket here, in order."""
    wanted = list(identities)
    known = set(session.scalars(select(Ticket.id).where(Ticket.id.in_(wanted))))
    return [identity for identity in wanted if identity not in known]


def architecture_names(session: Session, identities: Iterable[str]) -> dict[str, str]:
    """The architectures, by id, of those of `identities` that are tickets here."""
    wanted = set(identities)
    if not wanted:
        return {}
    rows = session.execute(select(Ticket.id, Ticket.architecture).where(Ticket.id.in_(wanted)))
    return {row.id: row.architecture for row in rows}


def tag(session: Session, identity: str, tags: Iterable[str]) -> None:
    """Put words on a ticket; those it has already stay. Raises `TooManyTags`."""
    present = set(session.scalars(select(TicketTag.tag).where(TicketTag.ticket_id == identity)))
    new = set(tags) - present
    if new and len(present) + len(new) > MOST_TAGS:
        raise TooManyTags(
            f"the ticket would have {len(present) + len(new)} tags; accepted: at most {MOST_TAGS}"
        )
    insert, project = dialect_insert(session), project_of(session)
    came = select(Ticket.created_at).where(Ticket.project == project, Ticket.id == identity)
    for word in new:
        row = dict(project=project, ticket_id=identity, tag=word, created_at=came.scalar_subquery())
        session.execute(insert(TicketTag).values(row).on_conflict_do_nothing())


def ancestors(session: Session, identity: str) -> list[Ticket]:
    """The tickets it was transformed from, nearest first, as far as they are here or were."""
    found: dict[str, Ticket] = {}
    frontier = [identity]
    while frontier:
        query = (
            select(Ticket)
            .join(Provenance, Provenance.parent_id == Ticket.id)
            .where(Provenance.ticket_id.in_(frontier))
            .order_by(Ticket.created_at, Ticket.id)
        )
        # What an uploaded file says of its parent is only a claim: two files may claim each other.
        new = {
            ticket.id: ticket
            for ticket in session.scalars(query, execution_options=WITH_DELETED)
            if ticket.id not in {*found, identity}
        }
        found |= new
        frontier = list(new)
    return list(found.values())


def children(session: Session, identity: str) -> Sequence[Ticket]:
    """The tickets transformed from it, those that were deleted since included."""
    same = (Provenance.project == Ticket.project, Provenance.ticket_id == Ticket.id)
    made_from = exists().where(*same, Provenance.parent_id == identity)
    query = select(Ticket).where(made_from).order_by(Ticket.created_at, Ticket.id)
    return session.scalars(query, execution_options=WITH_DELETED).all()


def results(session: Session, identity: str) -> Sequence[tuple[Result, Run | None, Job]]:
    """Every measured accuracy of a ticket, with its training and its job, newest first."""
    query = (
        select(Result, Run, Job)
        .join(Job, Job.id == Result.job_id)
        .outerjoin(Run, (Run.job_id == Result.job_id) & (Run.ordinal == Result.run))
        .where(Result.ticket_id == identity)
        .order_by(Job.created_at.desc(), Result.ordinal)
    )
    return [(result, run, job) for result, run, job in session.execute(query)]
