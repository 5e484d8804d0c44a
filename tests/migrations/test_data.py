"""Rows in every table, brought up from every revision there is and back down again. Revisions to come are included."""

from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Column, MetaData, Table, inspect, text
from sqlalchemy.types import Boolean, Float, Integer, Numeric

from cli.operate import migrate
from core.catalog import jobs, ticket_lists
from core.catalog.database import Database
from core.catalog.migrate import NewerDatabase, alembic_config, is_current, upgrade
from core.settings import settings as environment

REVISIONS = [
    script.revision for script in ScriptDirectory.from_config(alembic_config("sqlite://")).walk_revisions()
][::-1]
REWRITTEN = {("studies", "spec"), ("study_jobs", "key"), ("study_jobs", "body")}
"""What a migration says in new words; the test of its own looks at those."""

Rows = dict[str, dict[str, Any]]


def value(table: Table, column: Column[Any]) -> Any:
    """Something that a column can hold; of a foreign key, what the row it points to has there."""
    for key in column.foreign_keys:
        return value(key.column.table, key.column)
    if (table.name, column.name) == ("projects", "name"):
        return "default"  # the others' rows go, on the way back
    if (table.name, column.name) == ("studies", "spec"):
        newer = "archive" in table.columns
        return {"datasets": ["digits"], "orders": []} if newer else {"dataset": "digits", "order": None}
    if table.name == "study_jobs" and column.name == "key":
        return "digits/find" if "archive" in table.metadata.tables["studies"].columns else "find"
    match column.type:
        case JSON():
            return {"of": [table.name, 1, 0.5, None]}
        case Boolean():
            return True
        case Integer():
            return 7
        case Float() | Numeric():
            return 1.5
    return f"{table.name}.{column.name}"[: getattr(column.type, "length", None) or 64]


def reflected(database: Database) -> MetaData:
    metadata = MetaData()
    metadata.reflect(database.engine)
    metadata.remove(metadata.tables["alembic_version"])
    return metadata


def fill(database: Database) -> None:
    """One row in every table, with a value in every column."""
    metadata = reflected(database)
    with database.write() as session:
        for table in metadata.sorted_tables:
            if table.name == "projects":
                continue  # the migration enters it
            session.execute(table.insert().values({c.name: value(table, c) for c in table.columns}))


def read(database: Database) -> Rows:
    """The row of every table."""
    found: Rows = {}
    for table in reflected(database).sorted_tables:
        with database.read() as session:
            (row,) = session.execute(table.select()).mappings()
            found[table.name] = dict(row)
    return found


@pytest.fixture
def at(database_url: str) -> Any:
    """Makes the test's database one of a revision, with a row in every table."""
    opened: list[Database] = []

    def make(revision: str) -> Database:
        command.downgrade(alembic_config(database_url), "base")
        command.upgrade(alembic_config(database_url), revision)
        opened.append(Database(database_url))
        fill(opened[-1])
        opened[-1].engine.dispose()
        return opened[-1]

    yield make
    for database in opened:
        database.close()


class TestEveryRevision:
    @pytest.mark.parametrize(
        "revision",
        [
            pytest.param(name, marks=[] if name in (REVISIONS[0], REVISIONS[-2]) else pytest.mark.nightly)
            for name in REVISIONS
        ],
    )
    def test_its_rows_come_up_to_this_version_and_back_as_they_were(
        self, at: Any, database_url: str, revision: str
    ) -> None:
        database = at(revision)
        before = read(database)
        database.engine.dispose()
        upgrade(database_url)
        after = read_old_tables(database, before)
        assert is_current(database, database_url)
        for table, row in before.items():
            for column, was in row.items():
                if (table, column) not in REWRITTEN and column in after[table]:
                    assert after[table][column] == was, (table, column)
        database.engine.dispose()
        command.downgrade(alembic_config(database_url), revision)
        assert read(database) == before

    def test_this_version_s_rows_go_down_through_every_revision_and_up_again(
        self, at: Any, database_url: str
    ) -> None:
        database = at(REVISIONS[-1])
        for revision in [*REVISIONS[-2::-1], "base"]:
            database.engine.dispose()
            command.downgrade(alembic_config(database_url), revision)
            names = set(inspect(database.engine).get_table_names()) - {"alembic_version"}
            with database.read() as session:
                for name in names:
                    assert session.scalar(text(f'SELECT count(*) FROM "{name}"')) == 1, (revision, name)
        assert not names
        database.engine.dispose()
        upgrade(database_url)
        assert is_current(database, database_url)


def read_old_tables(database: Database, before: Rows) -> Rows:
    """The rows of the tables that were there before."""
    found: Rows = {}
    metadata = reflected(database)
    for name in before.keys() & metadata.tables.keys():
        with database.read() as session:
            (row,) = session.execute(metadata.tables[name].select()).mappings()
            found[name] = dict(row)
    return found


class TestAnOlderDatabase:
    @pytest.mark.parametrize("revision", REVISIONS[:1])
    def test_what_the_oldest_version_knew_is_found_by_this_one(
        self, at: Any, database_url: str, revision: str
    ) -> None:
        database = at(revision)
        upgrade(database_url)
        with database.read() as session:
            job = jobs.get(session, "jobs.id")
            assert job is not None
            assert (job.state, job.attempts[0].worker) == ("jobs.state", "attempts.worker")
            (ticket,) = ticket_lists.page(session, 10).rows
            assert (ticket.id, [tag.tag for tag in ticket.tags]) == ("tickets.id", ["ticket_tags.tag"])


class TestANewerDatabase:
    @pytest.fixture
    def newer(self, database_url: str) -> Database:
        database = Database(database_url)
        with database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        database.close()
        return database

    def test_it_is_refused_with_both_versions_and_left_as_it_is(
        self, newer: Database, database_url: str
    ) -> None:
        with pytest.raises(NewerDatabase, match=rf"schema 9999, .* none after {REVISIONS[-1]}: .* newer"):
            upgrade(database_url)
        with newer.read() as session:
            assert session.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
        newer.close()

    def test_the_command_says_so_and_ends_with_status_1(
        self,
        newer: Database,
        database_url: str,
        tmp_path: Any,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("ELASTICKET_DATABASE_URL", database_url)
        monkeypatch.setenv("ELASTICKET_HOME", str(tmp_path))
        environment.cache_clear()
        with pytest.raises(Exception) as ended:  # noqa: PT011 - typer's Exit differs between its versions
            migrate()
        environment.cache_clear()
        assert getattr(ended.value, "exit_code", None) == 1
        assert "used by a newer Elasticket" in capsys.readouterr().err
