"""Two projects in one database: each statement of one's session leaves the other's rows alone."""

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import aliased

from core.catalog import audit, jobs, keys, retention
from core.catalog.audit import Act
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.catalog.scope import OfJob, OfProject, OfStudy, OtherProject
from core.catalog.tables import (
    Attempt,
    Base,
    Checkpoint,
    Event,
    Job,
    Outbox,
    Pool,
    PostedArchitecture,
    Project,
    Provenance,
    Result,
    Run,
    SignIn,
    Study,
    StudyJob,
    Ticket,
    TicketCopy,
    TicketLayer,
    TicketTag,
    TicketWeights,
)
from core.jobs.specs import TrainSpec

TICKET = "ab" * 32
SHARED = {Project, SignIn, Pool}
"""Tables of no project: projects themselves, workers, and sign-ins, which only their keys lead to."""


@pytest.fixture
def others(database: Database) -> str:
    """A job of another project, with a row in every table; the catalog's default project has none."""
    spec = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")
    with database.everywhere().write() as session:
        keys.ensure_project(session, "theirs")
    with database.of("theirs").write() as session:
        job = jobs.create(session, spec, 3)
        jobs.record(session, job.id, 1, 2, [JobEvent("log", {"text": "secret"})])
        session.add(Attempt(job_id=job.id, attempt=1, worker="w"))
        session.add(Checkpoint(job_id=job.id, training="t", step=1, attempt=1, complete=False, digest="d"))
        run = dict(
            architecture="mlp_1", dataset="digits", seed=0, order_seed=0, sparsity=0, start_step=0, steps=1
        )
        session.add(
            Run(job_id=job.id, ordinal=0, **run, seconds=1, history=[], fingerprint={}, weights_digest="d")
        )
        session.flush()
        session.add(
            Result(job_id=job.id, ordinal=0, dataset="digits", point="last", correct=1, total=2, loss=0)
        )
        counts = dict(prunable=1, survivors=1, sparsity=0.0, header_bytes=1, payload_bytes=1)
        shape = dict(architecture="mlp_1", family="mlp", input=[1, 8, 8], classes=10, rewind_step=0)
        session.add(Ticket(id=TICKET, file_digest="cd" * 32, **shape, **counts))
        session.flush()
        session.add(TicketLayer(ticket_id=TICKET, position=0, name="a", shape=[1], size=1, survivors=1))
        session.add(TicketWeights(ticket_id=TICKET, step=0, digest="d"))
        session.add(TicketCopy(ticket_id=TICKET, format="onnx", digest="d"))
        session.add(TicketTag(ticket_id=TICKET, tag="secret"))
        session.add(Provenance(ticket_id=TICKET, method="imp", details={}))
        session.add(PostedArchitecture(name="net", shape="1x8x8", classes=1, definition={}))
        session.add(Study(id="5" * 32, spec={}))
        session.flush()
        session.add(StudyJob(study_id="5" * 32, key="k", position=0, kind="train", body={}, job_id=job.id))
        keys.create(session, "theirs", "read")
        retention.keep(session, "logs", 30)
        audit.enter(session, Act("operator", "ADMIN", "key"))
        return job.id


def tables() -> list[type[Base]]:
    return [mapper.class_ for mapper in Base.registry.mappers]


class TestTables:
    def test_every_one_is_of_a_project_or_known_to_be_of_none(self) -> None:
        ours = {table for table in tables() if issubclass(table, (OfProject, OfJob, OfStudy))}
        assert set(tables()) - ours == SHARED


class TestReading:
    def test_nothing_of_others_is_seen_in_any_table(self, database: Database, others: str) -> None:
        for table in set(tables()) - SHARED:
            counted = select(func.count()).select_from(table)
            with database.of("theirs").read() as session:
                there = session.scalar(counted)
            with database.read() as session:
                assert session.scalar(counted) == 0, table
                assert session.scalars(select(table)).all() == []
                assert session.scalars(select(aliased(table))).all() == []
            # What no test enters would prove nothing.
            assert there or table.__tablename__ == "idempotency_keys", table

    def test_a_row_is_not_got_by_its_key(self, database: Database, others: str) -> None:
        with database.read() as session:
            assert session.get(Job, others) is None
            assert session.get(Run, (others, 0)) is None
            assert session.get(Ticket, ("theirs", TICKET)) is None

    def test_nor_by_a_subquery(self, database: Database, others: str) -> None:
        with database.read() as session:
            inner = select(Job.id).where(Job.id == others)
            assert session.scalar(select(func.count()).select_from(inner.subquery())) == 0
            assert session.scalar(select(inner.exists())) is False

    def test_who_serves_all_sees_all(self, database: Database, others: str) -> None:
        with database.everywhere().read() as session:
            assert session.get(Job, others) is not None
            assert session.scalar(select(func.count()).select_from(Outbox)) == 1


class TestWriting:
    def test_nothing_of_others_is_changed_or_deleted(self, database: Database, others: str) -> None:
        with database.write() as session:
            session.execute(update(Job).values(state="cancelled"))
            session.execute(update(Attempt).values(worker="mine"))
            for table in (Event, Checkpoint, TicketTag, StudyJob):
                session.execute(delete(table))
        with database.of("theirs").read() as session:
            job = session.get_one(Job, others)
            assert (job.state, job.attempts[0].worker) == ("queued", "w")
            for table in (Event, Checkpoint, TicketTag, StudyJob):
                assert session.scalars(select(table)).first() is not None

    def test_what_is_made_is_the_sessions(self, database: Database) -> None:
        with database.write() as session:
            session.add(Study(id="6" * 32, spec={}))
        with database.everywhere().read() as session:
            assert session.get_one(Study, "6" * 32).project == "default"

    def test_what_nobody_makes_is_refused(self, database: Database) -> None:
        with pytest.raises(OtherProject, match="nobody's"), database.everywhere().write() as session:
            session.add(Study(id="6" * 32, spec={}))

    def test_what_is_made_for_others_is_refused(self, database: Database, others: str) -> None:
        with pytest.raises(OtherProject, match="of project theirs"), database.write() as session:
            session.add(Study(id="6" * 32, spec={}, project="theirs"))
