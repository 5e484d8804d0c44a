"""What goes with a ticket, a job or a study that is deleted, what stays, and what keeps them from being deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from core.catalog import (
    attempts,
    claims,
    deletion,
    history,
    jobs,
    needs,
    references,
    reuse,
    studies,
    ticket_lists,
    tickets,
)
from core.catalog.attempts import ProducedFile, Report
from core.catalog.database import Database
from core.catalog.deletion import Needed, NotOver
from core.catalog.jobs import JobEvent
from core.catalog.tables import Base, Job, Provenance, Study, Ticket
from core.jobs.outcome import Outcome, ResultRecord, RunRecord
from core.jobs.specs import EvaluateSpec, FindSpec, TrainSpec, parse_spec

RUN = RunRecord("mlp_1", "digits", None, 0, 0, None, 0.0, 0, 12, 0.1, [], {}, "aa" * 32)
RESULT = ResultRecord("digits", "last", 90, 100, 0.1, run=0, seed=0)


@pytest.fixture
def found(database: Database, crew: Any) -> tuple[str, str]:
    """A find job that has succeeded, and its ticket, which is tagged and has a copy."""
    spec = FindSpec(architecture="mlp_1", dataset="digits", seeds=[0]).complete("mlp")
    with database.write() as session:
        job = jobs.create(session, spec, 3, digest=reuse.digest(session, spec)).id
    crew.work()
    with database.write() as session:
        ticket = session.scalars(select(Ticket.id)).one()
        tickets.tag(session, ticket, ["mine"])
        tickets.add_copy(session, ticket, "onnx", "bb" * 32)
    return job, ticket


@pytest.fixture
def trained(database: Database, queued: Callable[..., str]) -> str:
    """A train job that has succeeded, with a row of everything."""
    job = queued()
    with database.write() as session:
        claims.claim(session, job, "w", 60)
        attempts.heartbeat(session, job, 1, 60, Report([JobEvent("log", {"text": "…"})]))
        attempts.succeed(session, job, 1, Outcome(runs=[RUN], results=[RESULT]), [])
    return job


def asked(database: Database, **spec: Any) -> str:
    with database.write() as session:
        return jobs.create(session, EvaluateSpec(dataset="digits", **spec), 3).id


def digests(database: Database) -> set[str]:
    return {one.digest for one in references.references(database)}


def broken(database: Database) -> list[Any]:
    with database.read() as session:
        return list(history.violations(session))


def rows_of(database: Database, column: str, value: str) -> set[str]:
    """The tables with a row that has this in a column."""
    held = set()
    with database.everywhere().read() as session:
        for mapper in Base.registry.mappers:
            table = mapper.local_table
            if column in table.columns:
                query = select(func.count()).select_from(table).where(table.columns[column] == value)
                if session.scalar(query):
                    held.add(table.name)
    return held


class TestTicket:
    def test_its_files_tags_and_layers_go_and_its_place_in_the_lineage_stays(
        self, database: Database, found: tuple[str, str]
    ) -> None:
        job, ticket = found
        assert {"0" * 64, "bb" * 32} <= digests(database)
        with database.write() as session:
            assert deletion.delete_ticket(session, ticket)
        assert digests(database) == set()
        assert rows_of(database, "ticket_id", ticket) == {"provenance"}
        with database.read() as session:
            assert tickets.get(session, ticket) is None
            assert ticket_lists.page(session, 10).rows == []
            assert tickets.missing(session, [ticket]) == [ticket]
            left = deletion.tombstone(session, ticket)
            assert left is not None
            assert (left.architecture, left.provenance[0].job_id) == ("mlp_1", job)
        assert broken(database) == []

    def test_one_made_of_it_still_tells_where_it_came_from(
        self, database: Database, found: tuple[str, str], crew: Any
    ) -> None:
        _, parent = found
        produced = crew._ticket("mlp_2", 0, 50)
        with database.write() as session:
            tickets.register(session, produced.identity, produced.file, "cc" * 32)
            session.query(Provenance).filter(Provenance.ticket_id == produced.identity).update(
                {"parent_id": parent}
            )
        with database.write() as session:
            deletion.delete_ticket(session, parent)
        with database.read() as session:
            (above,) = tickets.ancestors(session, produced.identity)
            assert (above.id, above.deleted_at is None) == (parent, False)
            # It was read in this session, and is no ticket all the same.
            assert tickets.get(session, parent) is None

    def test_the_same_content_is_the_same_ticket_again(
        self, database: Database, found: tuple[str, str], crew: Any
    ) -> None:
        _, ticket = found
        with database.write() as session:
            deletion.delete_ticket(session, ticket)
        produced: ProducedFile = crew._ticket("mlp_1", 0, 1)
        assert produced.identity == ticket
        for new in (True, False):
            with database.write() as session:
                assert tickets.register(session, ticket, produced.file, "dd" * 32) is new
        with database.read() as session:
            again = tickets.get(session, ticket)
            assert again is not None
            assert (again.file_digest, len(again.layers) > 0, again.tags) == ("dd" * 32, True, [])
        assert digests(database) == {"dd" * 32}

    def test_the_job_that_made_it_answers_no_more(self, database: Database, found: tuple[str, str]) -> None:
        job, ticket = found
        with database.read() as session:
            digest = session.get_one(Job, job).digest
            assert digest is not None
            assert reuse.finished(session, digest) is not None
        with database.write() as session:
            deletion.delete_ticket(session, ticket)
        with database.read() as session:
            assert reuse.finished(session, digest) is None

    def test_it_is_refused_while_a_job_that_is_not_over_was_given_it(
        self, database: Database, found: tuple[str, str]
    ) -> None:
        _, ticket = found
        job = asked(database, tickets=[ticket])
        with pytest.raises(Needed) as refusal, database.write() as session:
            deletion.delete_ticket(session, ticket)
        assert (refusal.value.jobs, refusal.value.studies) == ((job,), ())
        with database.write() as session:
            jobs.cancel(session, job)
            assert deletion.delete_ticket(session, ticket)

    def test_it_is_refused_while_a_study_has_it(
        self, database: Database, enter: Callable[..., str], crew: Any
    ) -> None:
        study = enter()
        with database.write() as session:
            studies.advance(session, study, 3)
        crew.work()
        with database.read() as session:
            made = session.scalars(select(Ticket.id)).first()
        assert made is not None
        with pytest.raises(Needed) as refusal, database.write() as session:
            deletion.delete_ticket(session, made)
        assert refusal.value.studies == (study,)

    def test_what_is_not_there_or_was_deleted_is_not_deleted(
        self, database: Database, found: tuple[str, str]
    ) -> None:
        with database.write() as session:
            assert [deletion.delete_ticket(session, one) for one in (found[1], found[1], "f" * 64)] == [
                True,
                False,
                False,
            ]

    def test_another_projects_is_not_there(self, database: Database, found: tuple[str, str]) -> None:
        with database.of("theirs").write() as session:
            assert not deletion.delete_ticket(session, found[1])
            assert deletion.deleted_at(session, Ticket, found[1]) is None


class TestJob:
    def test_all_that_is_known_of_it_goes_and_a_row_stays(self, database: Database, trained: str) -> None:
        assert digests(database) == {"aa" * 32}
        with database.write() as session:
            assert deletion.delete_job(session, trained)
        assert digests(database) == set()
        assert rows_of(database, "job_id", trained) == set()
        with database.read() as session:
            assert jobs.get(session, trained) is None
            assert session.scalars(select(Job.id)).all() == []
            assert deletion.deleted_at(session, Job, trained) is not None
            assert list(history.acknowledged(session, [trained])) == []
            assert attempts.has_ended(session, trained)
        assert broken(database) == []

    def test_its_tickets_stay(self, database: Database, found: tuple[str, str]) -> None:
        job, ticket = found
        with database.write() as session:
            assert deletion.delete_job(session, job)
        with database.read() as session:
            kept = tickets.get(session, ticket)
            assert kept is not None
            assert kept.provenance[0].job_id == job

    @pytest.mark.parametrize("state", ["queued", "running"])
    def test_one_that_is_not_over_is_refused(
        self, database: Database, queued: Callable[..., str], state: str
    ) -> None:
        job = queued()
        if state == "running":
            with database.write() as session:
                claims.claim(session, job, "w", 60)
        with pytest.raises(NotOver, match=state), database.write() as session:
            deletion.delete_job(session, job)

    def test_one_whose_weights_are_to_be_measured_is_refused(self, database: Database, trained: str) -> None:
        job = asked(database, job=trained)
        with pytest.raises(Needed) as refusal, database.write() as session:
            deletion.delete_job(session, trained)
        assert refusal.value.jobs == (job,)

    def test_one_of_a_study_is_refused_until_that_is_deleted(
        self, database: Database, enter: Callable[..., str], crew: Any
    ) -> None:
        study = enter(arms=[{"name": "dense", "method": "dense"}], seeds=[0])
        self.finish(database, study, crew)
        with database.read() as session:
            (job,) = session.scalars(select(Job.id))
        with pytest.raises(Needed) as refusal, database.write() as session:
            deletion.delete_job(session, job)
        assert refusal.value.studies == (study,)
        with database.write() as session:
            assert deletion.delete_study(session, study)
            assert deletion.delete_job(session, job)
        assert broken(database) == []

    def finish(self, database: Database, study: str, crew: Any) -> None:
        while True:
            with database.write() as session:
                studies.advance(session, study, 3)
            if not crew.work():
                return


class TestStudy:
    def test_only_one_that_is_over_is_deleted(self, database: Database, enter: Callable[..., str]) -> None:
        study = enter()
        with pytest.raises(NotOver), database.write() as session:
            deletion.delete_study(session, study)

    def test_its_rows_go_and_its_jobs_stay(
        self, database: Database, enter: Callable[..., str], crew: Any
    ) -> None:
        study = enter(arms=[{"name": "dense", "method": "dense"}], seeds=[0])
        TestJob().finish(database, study, crew)
        with database.write() as session:
            assert deletion.delete_study(session, study)
        assert rows_of(database, "study_id", study) == set()
        with database.read() as session:
            assert studies.get(session, study) is None
            assert studies.page(session, 10).rows == []
            assert deletion.deleted_at(session, Study, study) is not None
            assert len(session.scalars(select(Job.id)).all()) == 1
        assert broken(database) == []


class TestHolding:
    def test_what_is_gone_is_named(self, database: Database, found: tuple[str, str], trained: str) -> None:
        _, ticket = found
        specs = [
            EvaluateSpec(dataset="digits", tickets=[ticket, "f" * 64]),
            EvaluateSpec(dataset="digits", job=trained),
            TrainSpec(architecture="mlp_1", dataset="digits"),
        ]
        with database.write() as session:
            assert [needs.hold(session, spec) for spec in specs] == [["f" * 64], [], []]
        with database.write() as session:
            session.get_one(Job, trained).weights_dropped_at = 1.0
            deletion.delete_ticket(session, ticket)
        with database.write() as session:
            assert [needs.hold(session, spec) for spec in specs] == [[ticket, "f" * 64], [trained], []]

    @pytest.mark.parametrize("first", ["delete", "ask"])
    def test_of_two_at_once_one_sees_the_other(
        self, database: Database, found: tuple[str, str], first: str
    ) -> None:
        """A job is asked for while its ticket is deleted: never are both done."""
        _, ticket = found
        began, done = threading.Event(), {}

        def delete() -> None:
            try:
                with database.write() as session:
                    done["deleted"] = deletion.delete_ticket(session, ticket)
                    self.wait(began, first == "delete")
            except Needed:
                done["deleted"] = False

        def ask() -> None:
            spec = EvaluateSpec(dataset="digits", tickets=[ticket])
            with database.write() as session:
                done["asked"] = not needs.hold(session, spec)
                if done["asked"]:
                    jobs.create(session, spec, 3)
                self.wait(began, first == "ask")

        order: Sequence[Callable[[], None]] = (delete, ask) if first == "delete" else (ask, delete)
        threads = [threading.Thread(target=act) for act in order]
        threads[0].start()
        assert began.wait(5)
        threads[1].start()
        for thread in threads:
            thread.join()
        assert done == {"deleted": first == "delete", "asked": first == "ask"}

    def wait(self, began: threading.Event, mine: bool) -> None:
        """Hold what was locked for a moment, so that the other one comes to it."""
        if mine:
            began.set()
            threading.Event().wait(0.05)


class TestSpecs:
    @pytest.mark.parametrize(
        ("spec", "given"),
        [
            ({"kind": "train", "dataset": "digits", "tickets": ["1" * 64]}, (["1" * 64], [])),
            ({"kind": "evaluate", "dataset": "digits", "job": "2" * 32}, ([], ["2" * 32])),
            ({"kind": "transform", "tickets": ["1" * 64], "architecture": "mlp_2"}, (["1" * 64], [])),
            ({"kind": "export", "ticket": "1" * 64, "format": "onnx"}, (["1" * 64], [])),
            (
                {
                    "kind": "connect",
                    "trainings": [{"job": "2" * 32, "run": 0}, {"job": "2" * 32, "run": 1}],
                    "dataset": "digits",
                },
                ([], ["2" * 32]),
            ),
        ],
    )
    def test_what_a_job_is_given_is_what_it_names(
        self, spec: dict[str, Any], given: tuple[list[str], list[str]]
    ) -> None:
        parsed = parse_spec(spec)
        assert (list(needs.tickets_of(parsed)), list(needs.jobs_of(parsed))) == given
