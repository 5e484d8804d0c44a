"""How much a project may have: bytes of artifacts, and jobs that wait.

Bytes are counted every minute, for who asks the store about a million files is not done in a request; so a project may
exceed its quota by what comes in meanwhile, and by what its jobs that have begun make.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from core.catalog.artifacts import ArtifactMissing, ArtifactStore
from core.catalog.database import Database
from core.catalog.queue import NOT_BEGUN
from core.catalog.references import Reference, named
from core.catalog.scope import project_of
from core.catalog.tables import Job, Project, Study, StudyJob
from core.jobs.states import LIVE


@dataclass(frozen=True)
class Quota:
    """What a project may have; None: any number."""

    bytes: int | None = None
    waiting: int | None = None


class QuotaExceeded(RuntimeError):
    """A project would have more than it may: `most` is its quota, `found` what there would be."""

    def __init__(self, most: int, found: int, told: str) -> None:
        super().__init__(told)
        self.most, self.found = most, found


class TooManyWaiting(QuotaExceeded):
    """Of jobs that wait."""


class ProjectFull(QuotaExceeded):
    """Of bytes that are stored."""


def quota(session: Session) -> Quota:
    """That of the session's project."""
    columns = (Project.most_bytes, Project.most_waiting)
    return Quota(*session.execute(select(*columns).where(Project.name == project_of(session))).one())


def stored(session: Session) -> int:
    """Bytes of the artifacts of the session's project, when they were last counted."""
    return session.scalars(select(Project.stored_bytes).where(Project.name == project_of(session))).one()


def set_quota(session: Session, project: str, given: Quota) -> bool:
    """Let a project have so much; False where there is no such project. What it has already stays."""
    values = dict(most_bytes=given.bytes, most_waiting=given.waiting)
    changed = update(Project).where(Project.name == project).values(values).returning(Project.name)
    return session.scalar(changed) is not None


def waiting(session: Session) -> int:
    """The jobs of the session's project that have not begun, those included that open studies are yet to ask for."""
    queued = select(func.count()).select_from(Job).where(Job.state.in_(NOT_BEGUN))
    to_come = (
        select(func.count())
        .select_from(StudyJob)
        .join(Study, Study.id == StudyJob.study_id)
        .where(StudyJob.job_id.is_(None), StudyJob.error.is_(None), Study.finished_at.is_(None))
    )
    return (session.scalar(queued) or 0) + (session.scalar(to_come) or 0)


_MINE = Project.name == bindparam("project")
_QUOTA = select(Project.most_bytes, Project.stored_bytes, Project.most_waiting).where(_MINE)
# Not the lock that conflicts with those of rows that refer to the project: two could wait for each other.
_MOST_WAITING = select(Project.most_waiting).where(_MINE).with_for_update(key_share=True)


def check(session: Session) -> None:
    """Raise `ProjectFull` or `TooManyWaiting` after jobs were asked for, in the same transaction, as that ends it.

    Where jobs are counted, a project's requests pass one by one from here on: together they could exceed the quota.
    """
    mine = {"project": project_of(session)}
    row = session.execute(_QUOTA, mine).one()
    check_room(row.most_bytes, row.stored_bytes)
    if row.most_waiting is None:
        return
    most = session.scalar(_MOST_WAITING, mine)
    if most is not None and (found := waiting(session)) > most:
        raise TooManyWaiting(most, found, f"{found} jobs of the project would wait then, of {most} that may.")


def check_room(most: int | None, found: int, more: int = 1) -> None:
    """Raise `ProjectFull` where so many bytes more cannot be stored."""
    if most is not None and found + more > most:
        told = f"The project stores {found} bytes, of {most} that it may: {more} more are too many."
        raise ProjectFull(most, found, told)


def grew(session: Session, size: int) -> None:
    """Note that a project with a quota stores so many bytes more, or raise `ProjectFull`; `count` corrects it."""
    mine = (Project.name == project_of(session), Project.most_bytes.is_not(None))
    more = update(Project).where(*mine).values(stored_bytes=Project.stored_bytes + size)
    columns = (Project.most_bytes, Project.stored_bytes - size)
    grown = session.execute(
        more.returning(*columns), execution_options={"synchronize_session": False}
    ).first()
    if grown is not None:
        check_room(*grown, size)


def count(database: Database, sizes: Sizes) -> None:
    """Count what each project with a quota stores."""
    with database.everywhere().read() as session:
        limited = session.scalars(select(Project.name).where(Project.most_bytes.is_not(None))).all()
    for project in limited:
        with database.of(project).read() as session:
            found = sizes.stored(session)
        with database.of(project).write("count") as session:
            session.execute(update(Project).where(Project.name == project).values(stored_bytes=found))


class Sizes:
    """How many bytes artifacts have. A digest names the same bytes for ever: no store is asked twice."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._known: dict[str, int] = {}

    def stored(self, session: Session) -> int:
        """Bytes of the artifacts that a session's project refers to, each counted once, and of files to be imported."""
        return self._total(named(session)) + _to_import(session)

    def _total(self, references: Iterable[Reference]) -> int:
        sizes = {}
        for one in references:
            if one.size:
                self._known[one.digest] = one.size
            sizes[one.digest] = self._size(one.digest)
        return sum(sizes.values())

    def _size(self, digest: str) -> int:
        if digest not in self._known:
            try:
                self._known[digest] = self._store.measure(digest)
            except ArtifactMissing:
                return 0
        return self._known[digest]


def _to_import(session: Session) -> int:
    """Bytes that wait, or are on the way, to become tickets."""
    waiting = select(Job.spec).where(Job.kind == "import", Job.state.in_(LIVE))
    return sum(spec["size"] for spec in session.scalars(waiting))
