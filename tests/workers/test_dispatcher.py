"""What a dispatcher does to studies, outbox and store, in this process; of the broker there is a list of hints."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from kombu import pools
from sqlalchemy import event, func, select

from core.catalog import attempts, claims, dispatch, jobs, quotas, retention, studies
from core.catalog.artifacts import LocalStore
from core.catalog.database import Database
from core.catalog.quotas import Quota
from core.catalog.tables import Job, Outbox, Study
from core.jobs.outcome import Outcome
from core.jobs.placement import Need
from core.jobs.specs import NoopSpec, TrainSpec
from core.settings import Settings
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec
from tests.workers.conftest import Fleet
from workers.app import app
from workers.dispatcher import SETTLE_SECONDS, Dispatcher

CPU = Need("cpu").queue
ONE = {"study": "rivals", "scale": "small", "arms": [{"name": "dense", "method": "dense"}], "seeds": [0]}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database)
    yield opened
    opened.close()


@pytest.fixture
def enter(database: Database) -> Callable[[], str]:
    def create() -> str:
        spec = StudySpec.model_validate(ONE)
        with database.write() as session:
            return studies.create(session, spec, list(Expansion(spec).nodes.values())).id

    return create


@contextmanager
def queries(dispatcher: Dispatcher) -> Iterator[list[str]]:
    """What a dispatcher asks its database meanwhile."""
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("SELECT"):
            sent.append(statement)

    engine = dispatcher._database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


class TestAdvance:
    def test_a_study_is_looked_at_once_unless_one_of_its_jobs_ended(
        self, settings: Settings, database: Database, enter: Callable[[], str]
    ) -> None:
        dispatcher, study = Dispatcher(settings), enter()
        dispatcher.advance()
        with queries(dispatcher) as sent:
            dispatcher.advance()
        assert len(sent) == 1
        with database.write() as session:
            job = session.scalars(select(Job)).one()
            claims.claim(session, job.id, "w", 60)
            attempts.succeed(session, job.id, 1, Outcome(), [])
        dispatcher.advance()
        with database.read() as session:
            assert session.get_one(Study, study).finished_at is not None

    def test_one_that_could_not_be_advanced_is_looked_at_again(
        self, settings: Settings, database: Database, enter: Callable[[], str]
    ) -> None:
        dispatcher, _ = Dispatcher(settings), enter()

        def fail(_: object, __: object, statement: str, *___: object) -> None:
            if statement.startswith("INSERT INTO jobs"):
                raise OSError("the disk is full")

        event.listen(dispatcher._database.engine, "before_cursor_execute", fail)
        with pytest.raises(OSError, match="full"):
            dispatcher.advance()
        event.remove(dispatcher._database.engine, "before_cursor_execute", fail)
        dispatcher.advance()
        with database.read() as session:
            assert session.scalars(select(Job.state)).all() == ["queued"]

    def test_one_that_is_open_again_is_looked_at(
        self, settings: Settings, database: Database, enter: Callable[[], str]
    ) -> None:
        dispatcher, study = Dispatcher(settings), enter()
        dispatcher.advance()
        with database.write() as session:
            session.get_one(Study, study).finished_at = 1.0
        dispatcher.advance()
        with database.write() as session:
            session.get_one(Study, study).finished_at = None
        with queries(dispatcher) as sent:
            dispatcher.advance()
        assert len(sent) == 2


@pytest.fixture
def broker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A Valkey that this process publishes to."""
    with tempfile.TemporaryDirectory(prefix="elasticket-") as directory:
        processes = Fleet(settings, Path(directory), {})
        processes.start("valkey")
        monkeypatch.setattr(app.conf, "broker_url", processes.environment["ELASTICKET_BROKER_URL"])
        forget_connections()
        with redis.Redis(unix_socket_path=str(Path(directory) / "valkey.sock")) as client:
            yield client
        forget_connections()
        processes.stop()


def forget_connections() -> None:
    pools.reset()
    app._pool = app.amqp._producer_pool = None


class TestRelay:
    def queue(self, database: Database, number: int) -> list[str]:
        with database.write() as session:
            return [jobs.create(session, NoopSpec(), 2).id for _ in range(number)]

    def unannounced(self, database: Database) -> int:
        with database.read() as session:
            return session.scalars(select(func.count()).select_from(Outbox)).one()

    def test_publishes_once_and_strikes_out_after_a_moment(
        self, settings: Settings, database: Database, broker: redis.Redis
    ) -> None:
        dispatcher = Dispatcher(settings)
        self.queue(database, 3)
        dispatcher.relay()
        assert (broker.llen(CPU), self.unannounced(database)) == (3, 3)
        time.sleep(SETTLE_SECONDS)
        dispatcher.relay()
        assert (broker.llen(CPU), self.unannounced(database)) == (3, 0)

    def test_what_the_bell_told_is_published_without_a_question(
        self, settings: Settings, database: Database, broker: redis.Redis
    ) -> None:
        dispatcher = Dispatcher(settings)
        (job,) = self.queue(database, 1)
        dispatcher._told = [dispatch.Announcement(1, job, "cpu")]
        with queries(dispatcher) as sent:
            dispatcher.answer()
        assert (sent, broker.llen(CPU)) == ([], 1)

    def test_a_job_that_was_taken_meanwhile_needs_no_hint(
        self, settings: Settings, database: Database, broker: redis.Redis
    ) -> None:
        (job,) = self.queue(database, 1)
        with database.write() as session:
            claims.claim(session, job, "w", 60)
        Dispatcher(settings).relay()
        assert (broker.llen(CPU), self.unannounced(database)) == (0, 0)

    def test_a_long_queue_in_the_broker_is_not_made_longer(
        self, settings: Settings, database: Database, broker: redis.Redis
    ) -> None:
        dispatcher = Dispatcher(settings)
        self.queue(database, dispatch.MOST_HINTS + 10)
        dispatcher.relay()
        time.sleep(SETTLE_SECONDS)
        dispatcher.relay()
        assert (broker.llen(CPU), self.unannounced(database)) == (dispatch.MOST_HINTS, 0)
        broker.ltrim(CPU, 3, -1)
        self.queue(database, 5)
        dispatcher.relay()
        assert broker.llen(CPU) == dispatch.MOST_HINTS


class TestSweep:
    def test_what_nothing_names_goes_where_that_was_asked_for(self, settings: Settings) -> None:
        store = LocalStore(settings.artifact_directory)
        with store.stage() as staged:
            staged.write(b"orphan")
            digest = staged.commit()
        old = time.time() - 7200
        os.utime(store.path(digest), (old, old))
        for grace, there in ((None, True), (10_000, True), (3600, False)):
            Dispatcher(settings.model_copy(update={"collect_after_seconds": grace})).sweep()
            assert store.has_intact(digest) == there, grace


class TestProjects:
    @pytest.fixture
    def over(self, database: Database) -> str:
        """A job that is over."""
        with database.write() as session:
            spec = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")
            job = jobs.create(session, spec, 3).id
            jobs.cancel(session, job)
        return job

    def test_what_one_stores_is_counted(self, settings: Settings, database: Database) -> None:
        with database.write() as session:
            quotas.set_quota(session, "default", Quota(bytes=1000))
            quotas.grew(session, 7)
        Dispatcher(settings).count()
        with database.read() as session:
            assert quotas.stored(session) == 0

    def test_what_one_keeps_no_longer_is_dropped(
        self, settings: Settings, database: Database, over: str
    ) -> None:
        dispatcher = Dispatcher(settings)
        dispatcher.sweep()
        with database.write() as session:
            assert jobs.get(session, over) is not None
            retention.keep(session, "jobs", 0)
        dispatcher.sweep()
        with database.read() as session:
            assert jobs.get(session, over) is None
