import random

import pytest
from sqlalchemy.orm import Session

from core.catalog import architectures, jobs, reuse, tickets
from core.catalog.database import Database
from core.catalog.tables import Provenance, Ticket
from core.families.definition import Definition, made_definition
from core.jobs.specs import (
    EvaluateSpec,
    ExportSpec,
    ImportSpec,
    JobSpec,
    NoopSpec,
    TrainSpec,
    TransformSpec,
)
from core.jobs.states import State

TICKET = "ab" * 32


def chain(classes: int) -> Definition:
    return made_definition(
        {
            "name": "chain",
            "input": [1, 8, 8],
            "classes": classes,
            "prunable": ["*"],
            "stages": [{"name": "b", "pattern": "b.{unit}."}],
            "tensors": {"b.0.weight": [64, 64], "b.1.weight": [64, 64], "out.weight": [classes, 64]},
        }
    )


def enter(session: Session, dataset: str | None) -> None:
    """A ticket, or another origin of it."""
    if session.get(Ticket, ("default", TICKET)) is None:
        counts = dict(prunable=1, survivors=1, sparsity=0.0, header_bytes=1, payload_bytes=1)
        shape = dict(architecture="mlp_1", family="mlp", input=[1, 8, 8], classes=10, rewind_step=0)
        session.add(Ticket(id=TICKET, file_digest="cd" * 32, **shape, **counts))
        session.flush()
    session.add(Provenance(ticket_id=TICKET, method="imp", dataset=dataset, seed=3, details={}))
    session.flush()
    session.expire_all()


class TestDigest:
    @pytest.mark.parametrize(
        "spec",
        [
            TrainSpec(tickets=[TICKET], dataset="digits").complete("mlp"),
            EvaluateSpec(tickets=[TICKET], dataset="digits"),
            TransformSpec(tickets=[TICKET], architecture="mlp_3"),
        ],
    )
    def test_where_a_ticket_comes_from_counts(self, database: Database, spec: JobSpec) -> None:
        with database.write() as session:
            enter(session, None)
            unknown = reuse.digest(session, spec)
            enter(session, "digits")
            known = reuse.digest(session, spec)
            assert tickets.origin(session.get_one(Ticket, ("default", TICKET))).dataset == "digits"
            enter(session, "mnist")
            assert unknown != known == reuse.digest(session, spec)

    def test_what_a_posted_name_stands_for_counts(self, database: Database) -> None:
        spec = TransformSpec(tickets=[TICKET], architecture="chain:4", via=[{"architecture": "chain:3"}])
        digests = set()
        for classes in (10, 5):
            with database.write() as session:
                enter(session, "digits")
                digests.add(reuse.digest(session, spec))
                architectures.post(session, chain(classes))
                digests.add(reuse.digest(session, spec))
                session.rollback()
        assert len(digests) == 3

    def test_imports_and_exports_have_none(self, database: Database) -> None:
        with database.read() as session:
            assert reuse.digest(session, ImportSpec(sha256="ab" * 32, size=1)) is None
            assert reuse.digest(session, ExportSpec(ticket=TICKET, format="dense")) is None


class TestFinished:
    def test_among_several_each_is_what_it_would_be_alone(self, database: Database) -> None:
        draw = random.Random(5)
        digests = [f"{number:064x}" for number in range(6)]
        with database.write() as session:
            for number in range(40):
                job = jobs.create(session, NoopSpec(), 1, digest=draw.choice(digests[:5]))
                job.state = draw.choice([State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.QUEUED])
                job.finished_at = float(draw.randrange(3)) if job.state == State.SUCCEEDED else None
                job.weights_dropped_at = 9.0 if number % 7 == 0 else None
        with database.read() as session:
            alone = {digest: reuse.finished(session, digest) for digest in digests}
            among = reuse.finished_among(session, digests)
            assert among == {digest: job.id for digest, job in alone.items() if job is not None}
            assert 0 < len(among) < len(digests)
            assert reuse.finished_among(session, []) == {}
        with database.of("other").read() as session:
            assert reuse.finished_among(session, digests) == {}
