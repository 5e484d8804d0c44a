"""Was anything lost, done twice, or left behind? Asked of what the database says happened, and of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, or_, select, union
from sqlalchemy.orm import Session

from core.catalog.artifacts import ArtifactDamaged, ArtifactMissing, ArtifactStore
from core.catalog.scope import WITH_DELETED
from core.catalog.tables import (
    ApiKey,
    Attempt,
    Event,
    IdempotencyKey,
    Job,
    Outbox,
    PostedArchitecture,
    Provenance,
    Result,
    Run,
    Study,
    StudyJob,
    Ticket,
    TicketCopy,
    TicketWeights,
)
from core.jobs.states import HELD, STATES, TERMINAL, State

BATCH = 500


@dataclass(frozen=True)
class Violation:
    """A promise that was broken: which, by what, and how."""

    promise: str
    subject: str
    what: str


Found = Iterator[tuple[str, str]]
"""What breaks a promise, and how."""


def acknowledged(session: Session, resources: Iterable[str]) -> Iterator[Violation]:
    """Of the ids of jobs, tickets and studies that were answered with, those that are nowhere: not even deleted."""
    asked = list(dict.fromkeys(resources))
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        known = set(
            session.scalars(
                union(*(select(t.id).where(t.id.in_(some)) for t in (Job, Ticket, Study))),
                execution_options=WITH_DELETED,
            )
        )
        for resource in some:
            if resource not in known:
                yield Violation("what was acknowledged exists", resource, "it is nowhere")


def violations(session: Session, store: ArtifactStore | None = None) -> Iterator[Violation]:
    """All that contradicts itself, whatever is under way; with a store, also what that lacks or holds damaged.

    Every byte of every artifact that is referred to is read.
    """
    for promise, rule in PROMISES.items():
        for subject, what in rule(session):
            yield Violation(promise, subject, what)
    if store is not None:
        for digest, owner in _artifacts(session):
            try:
                store.verified(digest)
            except (ArtifactMissing, ArtifactDamaged) as error:
                yield Violation("every artifact is there, with its digest", owner, str(error))


def unsettled(session: Session) -> Iterator[Violation]:
    """What is left to do, where nothing should be: once all jobs have ended and the dispatcher had a moment."""
    for job_id in session.scalars(select(Outbox.job_id)):
        yield Violation("no announcement is stuck", job_id, "it is still in the outbox")
    for job_id, state in session.execute(select(Job.id, Job.state).where(Job.state.not_in(TERMINAL))):
        yield Violation("every job ends", job_id, f"it is {state}")
    for study in session.scalars(select(Study.id).where(Study.finished_at.is_(None))):
        yield Violation("every study ends", study, "it is open")


def _keys(session: Session) -> Found:
    kinds = [
        select(table.id).where(table.id == IdempotencyKey.resource).exists()
        for table in (Job, Ticket, Study, ApiKey)
    ]
    family = func.substr(IdempotencyKey.resource, 1, func.length(PostedArchitecture.name))
    kinds.append(exists().where(PostedArchitecture.name == family))
    lost = select(IdempotencyKey.key, IdempotencyKey.resource).where(~or_(*kinds))
    for key, resource in session.execute(lost, execution_options=WITH_DELETED):
        yield key, f"it stands for {resource}, which is nowhere"


def _results(session: Session) -> Found:
    successes = select(Event.job_id, func.count()).where(_state() == State.SUCCEEDED).group_by(Event.job_id)
    for job_id, count in session.execute(successes.having(func.count() > 1)):
        yield job_id, f"it succeeded {count} times"
    accepted = (
        select(Attempt.job_id, func.count()).where(Attempt.outcome == "succeeded").group_by(Attempt.job_id)
    )
    for job_id, count in session.execute(accepted.having(func.count() > 1)):
        yield job_id, f"{count} attempts succeeded"
    for table in (Run, Result, Provenance):
        owned: Select[Any] = select(table.job_id).join(Job, Job.id == table.job_id)
        for job_id in session.scalars(owned.where(Job.state != State.SUCCEEDED).distinct()):
            yield job_id, f"it did not succeed and has {table.__tablename__}"


def _tokens(session: Session) -> Found:
    counted = select(
        Attempt.job_id,
        func.count().label("attempts"),
        func.min(Attempt.attempt).label("first"),
        func.max(Attempt.attempt).label("last"),
    ).group_by(Attempt.job_id)
    each = counted.subquery()
    wrong = or_(each.c.first != 1, each.c.last != each.c.attempts, each.c.last != Job.attempt)
    none = and_(each.c.attempts.is_(None), Job.attempt != 0)
    query = select(Job.id, Job.attempt, each.c.attempts).outerjoin(each, each.c.job_id == Job.id)
    for job_id, token, attempts in session.execute(query.where(or_(wrong, none))):
        yield job_id, f"its token is {token}, of {attempts or 0} attempts"
    before = func.lag(Event.attempt).over(partition_by=Event.job_id, order_by=Event.seq)
    pairs = select(Event.job_id, Event.seq, Event.attempt, _state().label("state"), before.label("before"))
    steps = pairs.subquery()
    risen = case((steps.c.state == State.RUNNING, steps.c.before + 1), else_=steps.c.before)
    for job_id, seq, token, last in session.execute(
        select(steps.c.job_id, steps.c.seq, steps.c.attempt, steps.c.before).where(steps.c.attempt != risen)
    ):
        yield job_id, f"event {seq} is of attempt {token}, after one of {last}"


def _states(session: Session) -> Found:
    states = (
        select(
            Event.job_id,
            _state().label("state"),
            func.lag(_state()).over(partition_by=Event.job_id, order_by=Event.seq).label("before"),
            func.lead(_state()).over(partition_by=Event.job_id, order_by=Event.seq).label("after"),
        )
        .where(Event.kind == "state")
        .subquery()
    )
    first = states.c.state.not_in((State.WAITING, State.QUEUED))
    allowed = [and_(states.c.before == s, states.c.state.in_(facts.then)) for s, facts in STATES.items()]
    wrong = case((states.c.before.is_(None), first), else_=~or_(*allowed))
    for job_id, before, state in session.execute(
        select(states.c.job_id, states.c.before, states.c.state).where(wrong)
    ):
        yield job_id, f"it went from {before or 'nothing'} to {state}"
    last = select(Job.id, Job.state, states.c.state).outerjoin(
        states, and_(states.c.job_id == Job.id, states.c.after.is_(None))
    )
    for job_id, state, told in session.execute(
        last.where(or_(states.c.state.is_(None), states.c.state != Job.state))
    ):
        yield job_id, f"it is {state}, and the last that was told of it is {told}"
    late = (
        select(Event.job_id, Event.kind)
        .join(Job, Job.id == Event.job_id)
        .where(Job.state.in_(TERMINAL), Event.seq == Job.last_event, Event.kind != "state")
    )
    for job_id, kind in session.execute(late):
        yield job_id, f"a {kind} event came after its end"


def _events(session: Session) -> Found:
    counted = (
        select(
            Event.job_id,
            func.count().label("events"),
            func.min(Event.seq).label("first"),
            func.max(Event.seq).label("last"),
        )
        .group_by(Event.job_id)
        .subquery()
    )
    # Of a log that was dropped the numbers are missing.
    gap = and_(counted.c.last != counted.c.events, Job.log_dropped_at.is_(None))
    wrong = or_(counted.c.events.is_(None), counted.c.first != 1, gap, counted.c.last != Job.last_event)
    query = select(Job.id, Job.last_event, counted.c.events, counted.c.first, counted.c.last)
    for job_id, last_event, *found in session.execute(
        query.outerjoin(counted, counted.c.job_id == Job.id).where(wrong)
    ):
        yield job_id, f"its last event is {last_event}; those that are there (count, first, last): {found}"


def _leases(session: Session) -> Found:
    held = Job.state.in_(HELD)
    wrong = or_(and_(held, Job.lease_until.is_(None)), and_(~held, Job.lease_until.is_not(None)))
    for job_id, state, lease in session.execute(select(Job.id, Job.state, Job.lease_until).where(wrong)):
        yield job_id, f"it is {state} and " + ("has no lease" if lease is None else "has one")
    timeless = and_(Job.state.in_(TERMINAL), Job.finished_at.is_(None))
    for job_id in session.scalars(select(Job.id).where(timeless)):
        yield job_id, "it is over, and nobody knows since when"
    current = and_(held, Attempt.attempt == Job.attempt)
    open_ = select(Job.id, Attempt.attempt, Attempt.ended_at).join(Attempt, Attempt.job_id == Job.id)
    for job_id, attempt, ended in session.execute(open_.where(current != Attempt.ended_at.is_(None))):
        yield job_id, f"attempt {attempt} " + ("is open" if ended is None else "is over, and holds it")


def _places(session: Session) -> Found:
    query = select(Job.id, Job.state, Job.pool).where(Job.pool.is_not(None), Job.state.not_in(HELD))
    for job_id, state, pool in session.execute(query):
        yield job_id, f"it is {state} and on {pool}"


def _studies(session: Session) -> Found:
    begun = select(StudyJob.study_id, StudyJob.key).join(Study, Study.id == StudyJob.study_id)
    still = begun.join(Job, Job.id == StudyJob.job_id).where(Job.state.not_in(TERMINAL))
    for study, key in session.execute(still.where(Study.finished_at.is_not(None))):
        yield study, f"it is finished, and {key} is not over"


def _state() -> Any:
    """The state that an event tells, NULL of one that tells none."""
    return case((Event.kind == "state", Event.data["state"].as_string()))


def _artifacts(session: Session) -> Iterator[tuple[str, str]]:
    """Every artifact that is referred to, once, and who refers to it."""
    places = (
        (Ticket.file_digest, Ticket.id),
        (TicketWeights.digest, TicketWeights.ticket_id),
        (TicketCopy.digest, TicketCopy.ticket_id),
        (Run.weights_digest, Run.job_id),
    )
    for digest, owner in places:
        rows = select(digest, func.min(owner)).group_by(digest)
        if owner is Run.job_id:
            rows = rows.join(Job, Job.id == Run.job_id).where(Job.weights_dropped_at.is_(None))
        for found in session.execute(rows.execution_options(yield_per=BATCH)):
            yield found[0], found[1]


PROMISES: dict[str, Callable[[Session], Found]] = {
    "what was acknowledged exists": _keys,
    "a job has at most one accepted result": _results,
    "fencing tokens strictly increase": _tokens,
    "terminal states are final": _states,
    "events are numbered without a gap": _events,
    "only a job that is held has a lease": _leases,
    "only a job that is held is on a worker": _places,
    "a finished study has nothing under way": _studies,
}
"""What holds at every moment, between any two transactions."""
