"""A project's session sees and makes rows of that project alone, whatever it is asked: nothing has to remember it.

Every table belongs to a project by a column of its own (`OfProject`), or by that of its job or study (`OfJob`,
`OfStudy`). What a session reads, changes or deletes of them is narrowed to its project, relationships and subqueries
included, and what it makes is stamped with it. A session of no project, a dispatcher's, sees every row and must say
of what it makes whose it is.

A row that was deleted (`Deletable`) is not there for any session, unless a statement says `WITH_DELETED`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import ForeignKey, String, event, select
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption

DEFAULT = "default"
"""The project of an installation that needs no keys, and of all that was there before there were projects."""
Name = String(63)
RandomId = String(32)

Criteria = tuple[ExecutableOption, ...]


class OtherProject(RuntimeError):
    """A row was made for no project, or for another than its session's."""


class OfProject:
    """A table whose rows say which project's they are."""

    project: Mapped[str] = mapped_column(Name, ForeignKey("projects.name"))


class OfJob:
    """A table whose rows are those of their job's project."""

    job_id: Mapped[str] = mapped_column(RandomId, ForeignKey("jobs.id"), primary_key=True, sort_order=-1)


class OfStudy:
    """A table whose rows are those of their study's project."""

    study_id: Mapped[str] = mapped_column(RandomId, ForeignKey("studies.id"), primary_key=True, sort_order=-1)


class Deletable:
    """A table whose rows stay, emptied, when what they stand for is deleted: what refers to them can be told so."""

    deleted_at: Mapped[float | None] = mapped_column(sort_order=999)


WITH_DELETED: dict[str, Any] = {"with_deleted": True}
"""The execution options of a statement that finds deleted rows too."""
_NOT_DELETED = with_loader_criteria(
    Deletable, lambda cls: cls.deleted_at.is_(None), include_aliases=True, propagate_to_loaders=False
)


class ProjectSession(Session):
    """A session whose `info` names its project; None: every project's."""


def session(bind: Any, project: str | None, criteria: Criteria) -> ProjectSession:
    """A session of a project, whose `criteria` were made once."""
    return ProjectSession(bind, expire_on_commit=False, info={"project": project, "criteria": criteria})


def project_of(session: Session) -> str:
    """The project whose rows a session makes; raises `OtherProject` for a session of none."""
    project = session.info.get("project")
    if project is None:
        raise OtherProject("this session is of no project: what it makes would be nobody's")
    return str(project)


@lru_cache(maxsize=1024)
def criteria(project: str | None) -> Criteria:
    """What narrows every statement to one project."""
    if project is None:
        return ()
    from core.catalog.tables import Job, Study

    # By other names, lest they be taken for tables of the statement itself.
    jobs, studies = Job.__table__.alias("its_job"), Study.__table__.alias("its_study")
    options = {"include_aliases": True, "propagate_to_loaders": False}
    return (
        with_loader_criteria(OfProject, lambda cls: cls.project == project, **options),
        with_loader_criteria(
            OfJob,
            lambda cls: select(jobs.c.id).where(jobs.c.id == cls.job_id, jobs.c.project == project).exists(),
            **options,
        ),
        with_loader_criteria(
            OfStudy,
            lambda cls: (
                select(studies.c.id)
                .where(studies.c.id == cls.study_id, studies.c.project == project)
                .exists()
            ),
            **options,
        ),
    )


@event.listens_for(ProjectSession, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    # A column of a row that the session has already is no other row.
    # A statement of tables, not of classes, is narrowed by nothing: whoever writes one says whose rows it means.
    if not state.is_orm_statement:
        return
    if (state.is_select or state.is_update or state.is_delete) and not state.is_column_load:
        criteria = state.session.info["criteria"]
        if not state.execution_options.get("with_deleted"):
            criteria = (*criteria, _NOT_DELETED)
        state.statement = state.statement.options(*criteria)


@event.listens_for(ProjectSession, "before_flush")
def _stamp(session: Session, *_: object) -> None:
    for row in session.new:
        if isinstance(row, OfProject):
            if row.project is None:
                row.project = project_of(session)
            elif session.info["project"] not in (None, row.project):
                raise OtherProject(
                    f"a row of project {row.project} in a session of {session.info['project']}"
                )
