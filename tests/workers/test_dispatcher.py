"""What a dispatcher does to studies, ten times a second. Nothing is announced: no broker is needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, select

from core.catalog import attempts, studies
from core.catalog.database import Database
from core.catalog.tables import Job, Study
from core.jobs.outcome import Outcome
from core.settings import Settings
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec
from workers.dispatcher import Dispatcher

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
            attempts.claim(session, job.id, "w", 60)
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
