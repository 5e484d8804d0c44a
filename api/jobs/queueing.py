"""Queue jobs that are asked for: one, or several in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import rfc8785
from sqlalchemy.orm import Session

from api import limits
from api.idempotency import Once
from api.jobs.admission import admit
from api.problems import UNSUITABLE, Flaw, Rejected
from core import tracing
from core.catalog import audit, jobs, needs, reuse
from core.catalog.audit import Act
from core.catalog.database import UNREACHABLE, Database
from core.catalog.idempotency import Made
from core.catalog.tables import Job
from core.jobs.specs import JobSpec, ReusableSpec
from core.settings import Settings

FOUND = 200
"""The status of an answer for which no job was made."""


@dataclass(frozen=True)
class Queued(Made):
    """A job that was made just now, as it was then."""

    job: Job


Answer = tuple[Made, bool]
"""What answers a request, and whether it is that of an earlier one with the same key."""


@dataclass(frozen=True)
class Wanted:
    """A request for a job, `act`, in the trace of whoever makes this; `database` as its caller has it."""

    database: Database
    act: Act
    once: Once
    spec: ReusableSpec
    priority: int | None = None
    trace: str | None = field(default_factory=tracing.carrier)

    @cached_property
    def content(self) -> bytes:
        """What must be the same for it to be the same request."""
        return rfc8785.dumps(self.spec.model_dump(mode="json")) + asked(self.priority)

    def new(self, settings: Settings, spec: ReusableSpec, digest: str | None) -> jobs.New:
        """The job to be made of it, once its spec is complete."""
        most = settings.max_attempts
        return jobs.New(spec, most, digest=digest, priority=self.priority or 0, trace=self.trace)


def asked(priority: int | None) -> bytes:
    """What a priority adds to the content of a request: with another one it is another request."""
    return b"" if priority is None else f"\npriority {priority}".encode()


def submit(settings: Settings, asked: Wanted) -> Answer:
    """Check and complete a spec and queue its job, or find a finished one that is identical."""
    with asked.database.read() as session:
        admitted = admit(session, asked.spec)

    def create(session: Session) -> Made:
        (made,) = _made(session, settings, [(asked, admitted)])
        return made

    return asked.once.make(asked.database, "submit", asked.content, create)


def submit_all(settings: Settings, asked: Sequence[Wanted]) -> list[Answer | Exception]:
    """The same for requests of one project, in one transaction if that can be: for each its answer, or its error."""
    if len(asked) > 1:
        try:
            return [*_together(settings, asked)]
        except UNREACHABLE as error:
            return [error] * len(asked)
        except Exception:
            pass  # One of them cannot be done: tried by itself, each is told what is its own.
    return [_tried(settings, one) for one in asked]


def _tried(settings: Settings, asked: Wanted) -> Answer | Exception:
    try:
        return submit(settings, asked)
    except Exception as error:
        return error


def _together(settings: Settings, asked: Sequence[Wanted]) -> list[Answer]:
    entries: list[tuple[Act, str]] = []
    database = asked[0].database.witnessed(lambda session: audit.enter_all(session, entries))
    with database.read() as session:
        specs = [admit(session, one.spec) for one in asked]
    with database.write("submit") as session:
        answers = {
            i: (made, True)
            for i, one in enumerate(asked)
            if one.once.key is not None and (made := one.once.earlier(session, one.content)) is not None
        }
        left = [i for i in range(len(asked)) if i not in answers]
        for i, made in zip(left, _made(session, settings, [(asked[i], specs[i]) for i in left]), strict=True):
            if asked[i].once.key is not None:
                asked[i].once.remember(session, asked[i].content, made)
            entries.append((asked[i].act, made.resource))
            answers[i] = made, False
    return [answers[i] for i in range(len(asked))]


def _made(session: Session, settings: Settings, asked: Sequence[tuple[Wanted, ReusableSpec]]) -> list[Made]:
    """For each request with its complete spec the job that is found, or made; raises where one of them cannot be."""
    for _, spec in asked:
        hold(session, spec)
    digests = [reuse.digest(session, spec) for _, spec in asked]
    may_be_found = [None if spec.fresh else digest for digest, (_, spec) in zip(digests, asked, strict=True)]
    done = reuse.finished_among(session, [digest for digest in may_be_found if digest is not None])
    new = [
        one.new(settings, spec, digest)
        for (one, spec), digest, sought in zip(asked, digests, may_be_found, strict=True)
        if sought not in done
    ]
    queued = iter(jobs.create_all(session, new))
    if new:
        limits.check(session)
    return [Made(FOUND, done[sought]) if sought in done else _queued(next(queued)) for sought in may_be_found]


def _queued(job: Job) -> Queued:
    return Queued(202, job.id, job)


def hold(session: Session, spec: JobSpec) -> None:
    """Keep what a job needs until it is queued; raises `Rejected` where some of it was deleted or dropped meanwhile."""
    gone = needs.hold(session, spec)
    if gone:
        what = f"no longer here: {', '.join(gone)}"
        flaw = Flaw(location="body", where="", what=what)
        raise Rejected(UNSUITABLE, f"What the job needs is {what}.", flaw)
