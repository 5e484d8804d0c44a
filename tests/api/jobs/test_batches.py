"""Requests for jobs that come in at once: what they make, and that none is the worse for another."""

import asyncio
from functools import partial

from sqlalchemy import event, func, select

from api.idempotency import Once
from api.jobs.batches import MOST, Batches
from api.jobs.queueing import FOUND, Answer, Queued, Wanted
from api.problems import Rejected
from core.catalog import audit, idempotency, keys, quotas
from core.catalog.audit import Act
from core.catalog.database import Database
from core.catalog.tables import AuditEntry, Event, Job, Outbox
from core.jobs.specs import EvaluateSpec, FindSpec, TrainSpec
from core.settings import Settings
from tests.api.conftest import Worker


def wanted(database: Database, number: int = 0, key: str | None = None, **more: object) -> Wanted:
    """A request for a training, each number for another."""
    act = Act(by="anyone", method="POST", route="/train", request_id=f"request-{number}")
    spec = TrainSpec(architecture="mlp_1", dataset="digits", seeds=(number,), **more)
    witnessed = database.witnessed(partial(audit.enter, act=act))
    return Wanted(witnessed, act, Once("POST /train", key), spec, trace=f"trace-{number}")


def ask(settings: Settings, requests: list[Wanted]) -> list[Answer | BaseException]:
    """What answers each; the first is alone, and the others come in meanwhile."""

    async def together() -> list[Answer | BaseException]:
        batches = Batches(settings)
        first = asyncio.create_task(batches.submit(requests[0]))
        for _ in range(2):
            await asyncio.sleep(0)  # until it is being written
        return await asyncio.gather(first, *map(batches.submit, requests[1:]), return_exceptions=True)

    return asyncio.run(together())


def made(answer: Answer | BaseException) -> Job:
    assert isinstance(answer, tuple), answer
    assert isinstance(answer[0], Queued)
    return answer[0].job


class TestSubmit:
    def test_what_comes_in_meanwhile_is_one_transaction_of_so_many_at_most(self, settings, database):
        commits = []
        event.listen(database.engine, "commit", commits.append)
        answers = ask(settings, [wanted(database, number) for number in range(1 + MOST + 5)])
        assert len({made(answer).id for answer in answers}) == 1 + MOST + 5
        assert len(commits) == 3

    def test_each_job_is_as_one_that_was_asked_for_alone(self, settings, database):
        answers = ask(settings, [wanted(database, number) for number in range(5)])
        alone, *others = (made(answer) for answer in answers)
        with database.read() as session:
            rows = [session.get_one(Job, job.id) for job in (alone, *others)]
            columns = {column.name for column in Job.__table__.columns}
            for row, job in zip(rows, (alone, *others), strict=True):
                assert {name: getattr(row, name) for name in columns} == {
                    name: getattr(job, name) for name in columns
                }
            for number, row in enumerate(rows):
                assert (row.spec["seeds"], row.trace) == ([number], f"trace-{number}")
                own = {"id", "spec", "digest", "trace", "created_at"}
                assert {name: getattr(row, name) for name in columns - own} == {
                    name: getattr(rows[0], name) for name in columns - own
                }
            ids = {row.id for row in rows}
            assert set(session.scalars(select(Outbox.job_id))) == ids
            told = session.execute(select(Event.job_id, Event.seq, Event.kind, Event.data)).all()
            assert {tuple(row[:3]) for row in told} == {(job_id, 1, "state") for job_id in ids}
            assert all(row.data == {"state": "queued"} for row in told)
            entries = session.execute(select(AuditEntry.resource, AuditEntry.request_id, AuditEntry.route))
            assert {tuple(row) for row in entries} == {
                (row.id, f"request-{number}", "/train") for number, row in enumerate(rows)
            }

    def test_what_cannot_be_done_is_refused_by_itself(self, settings, database):
        requests = [wanted(database, number) for number in range(4)]
        absent = EvaluateSpec(tickets=("0" * 64,), dataset="digits")
        requests[2] = Wanted(requests[2].database, requests[2].act, requests[2].once, absent)
        answers = ask(settings, requests)
        refusal = answers.pop(2)
        assert isinstance(refusal, Rejected)
        assert "there is no ticket" in str(refusal)
        ids = {made(answer).id for answer in answers}
        with database.read() as session:
            assert set(session.scalars(select(Job.id))) == ids

    def test_a_quota_lets_in_as_many_as_it_has_room_for(self, settings, database):
        with database.write() as session:
            quotas.set_quota(session, "default", quotas.Quota(waiting=3))
        answers = ask(settings, [wanted(database, number) for number in range(6)])
        refused = [answer for answer in answers if isinstance(answer, Rejected)]
        assert [refusal.kind.slug for refusal in refused] == ["too-many-waiting"] * 3
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 3

    def test_the_same_key_makes_one_job(self, settings, database):
        requests = [wanted(database), *(wanted(database, 1, key="mine") for _ in range(3))]
        _, *same = ask(settings, requests)
        answers = [answer for answer in same if isinstance(answer, tuple)]
        assert [replayed for _, replayed in answers].count(False) == 1
        assert len({found.resource for found, _ in answers}) == 1
        _, again, other = ask(
            settings, [wanted(database, 2), wanted(database, 1, "mine"), wanted(database, 3, "mine")]
        )
        assert isinstance(again, tuple)
        assert (again[0].resource, again[1]) == (answers[0][0].resource, True)
        assert isinstance(other, idempotency.KeyReused)

    def test_a_finished_job_answers_and_none_is_made_anew_unless_it_must_be(
        self, settings, database, worker: Worker
    ):
        (first,) = ask(settings, [wanted(database, 7)])
        done = made(first).id
        worker.succeed(done, worker.claim(done))
        requests = [
            wanted(database),
            wanted(database, 7),
            wanted(database, 7, fresh=True),
            wanted(database, 8),
        ]
        _, found, fresh, other = ask(settings, requests)
        assert isinstance(found, tuple)
        assert (found[0].status, found[0].resource) == (FOUND, done)
        assert len({done, made(fresh).id, made(other).id}) == 3

    def test_each_project_has_its_own_jobs(self, settings, database):
        with database.write() as session:
            keys.ensure_project(session, "other")
        requests = [wanted(database if number % 2 else database.of("other"), number) for number in range(7)]
        answers = ask(settings, requests)
        for number, answer in enumerate(answers):
            assert made(answer).project == ("default" if number % 2 else "other")

    def test_what_another_project_has_finished_answers_nobody(self, settings, database, worker: Worker):
        (first,) = ask(settings, [wanted(database, 7)])
        worker.succeed(made(first).id, worker.claim(made(first).id))
        with database.write() as session:
            keys.ensure_project(session, "other")
        other = database.of("other")
        _, same, more = ask(settings, [wanted(other), wanted(other, 7), wanted(other, 8)])
        assert (made(same).project, made(more).project) == ("other", "other")

    def test_a_database_that_is_away_is_every_ones_trouble(self, tmp_path, settings):
        away = Database(f"sqlite:///{tmp_path}/there/is/none.db")
        answers = ask(settings, [wanted(away, number) for number in range(3)])
        assert len(answers) == 3
        assert all(isinstance(answer, Exception) for answer in answers)

    def test_who_has_gone_is_not_waited_for(self, settings, database):
        async def leave() -> list[Answer | BaseException]:
            batches = Batches(settings)
            asking = [asyncio.create_task(batches.submit(wanted(database, number))) for number in range(3)]
            await asyncio.sleep(0)
            asking[1].cancel()
            return await asyncio.gather(*asking, return_exceptions=True)

        first, gone, last = asyncio.run(leave())
        assert isinstance(gone, asyncio.CancelledError)
        assert made(first).id != made(last).id


def test_a_find_is_taken_too(settings, database):
    spec = FindSpec(architecture="mlp_1", dataset="digits")
    one = wanted(database)
    (answer,) = ask(settings, [Wanted(one.database, one.act, one.once, spec, 5)])
    assert (made(answer).kind, made(answer).priority) == ("find", 5)


def test_when_the_service_ends_nobody_waits_for_ever(settings, database):
    async def end() -> list[Answer | BaseException]:
        batches = Batches(settings)
        asking = [asyncio.create_task(batches.submit(wanted(database, number))) for number in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.append(asyncio.create_task(batches.submit(wanted(database, 3))))
        await asyncio.sleep(0)
        assert batches._writing is not None
        batches._writing.cancel()
        return await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 10)

    assert all(isinstance(answer, asyncio.CancelledError) for answer in asyncio.run(end()))
