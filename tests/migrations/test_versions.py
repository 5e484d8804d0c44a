"""Which versions a schema serves: what a revision's name promises, and that every migration keeps its promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Index, MetaData, String, Table, create_engine, text

from core.catalog.database import Database
from core.catalog.migrate import (
    NewerDatabase,
    OlderDatabase,
    Schema,
    alembic_config,
    is_current,
    refuse_unusable,
    schema,
    upgrade,
)

REVISIONS = [
    script.revision for script in ScriptDirectory.from_config(alembic_config("sqlite://")).walk_revisions()
][::-1]
HEAD = REVISIONS[-1]
SERVING = [name for name in REVISIONS if "_serves_" in name]


def taken_away(before: MetaData, after: MetaData) -> set[str]:
    """What a program that was written for one schema would miss, or stumble over, in another."""
    found = set()
    for table in before.tables.values():
        if table.name not in after.tables:
            found.add(f"{table.name} is gone")
            continue
        later = after.tables[table.name]
        for column in table.columns:
            if column.name not in later.columns:
                found.add(f"{table.name}.{column.name} is gone")
            elif repr(later.columns[column.name].type) != repr(column.type):
                found.add(f"{table.name}.{column.name} is of another type")
            elif column.nullable and not later.columns[column.name].nullable:
                found.add(f"{table.name}.{column.name} must be given")
        for column in later.columns:
            needed = not column.nullable and column.server_default is None
            if column.name not in table.columns and needed:
                found.add(f"{table.name}.{column.name} must be given")
        if _unique(later) - _unique(table):
            found.add(f"{table.name} admits fewer rows")
    return found


def _unique(table: Table) -> set[tuple[str, ...]]:
    return {tuple(index.columns.keys()) for index in table.indexes if index.unique}


@pytest.fixture
def schema_of(tmp_path: Path) -> Callable[[str], MetaData]:
    """The tables of a revision."""

    def reflect(revision: str) -> MetaData:
        url = f"sqlite:///{tmp_path / revision}.db"
        command.upgrade(alembic_config(url), revision)
        engine, metadata = create_engine(url), MetaData()
        metadata.reflect(engine)
        engine.dispose()
        return metadata

    return reflect


class TestNames:
    @pytest.mark.parametrize("name", REVISIONS)
    def test_a_revision_is_a_number_or_says_which_it_serves(self, name: str) -> None:
        assert re.fullmatch(r"\d{4}(_serves_\d{4})?", name)
        assert len(name) <= 32
        if "_serves_" in name:
            number, _, served = name.split("_")
            assert served < number

    def test_a_migration_that_says_so_takes_nothing_from_the_versions_that_it_serves(
        self, schema_of: Callable[[str], MetaData]
    ) -> None:
        for name in SERVING:
            (oldest,) = (one for one in REVISIONS if one[:4] == name[-4:])
            assert taken_away(schema_of(oldest), schema_of(name)) == set(), name

    @pytest.mark.parametrize(
        ("later", "found"),
        [
            ([Column("a", String, nullable=True)], {"t.b is gone"}),
            ([Column("a", String), Column("b", String, nullable=False)], {"t.b must be given"}),
            ([Column("a", String), Column("b", String(7))], {"t.b is of another type"}),
            (
                [Column("a", String), Column("b", String), Column("c", String, nullable=False)],
                {"t.c must be given"},
            ),
            (
                [Column("a", String), Column("b", String), Index("u", "b", unique=True)],
                {"t admits fewer rows"},
            ),
            ([Column("a", String), Column("b", String), Column("c", String), Index("i", "c")], set()),
            (
                [
                    Column("a", String),
                    Column("b", String),
                    Column("c", String, nullable=False, server_default=text("'c'")),
                ],
                set(),
            ),
        ],
    )
    def test_the_check_itself_finds_what_is_not_an_addition(
        self, later: list[Column[str] | Index], found: set[str]
    ) -> None:
        before, after = MetaData(), MetaData()
        Table("t", before, Column("a", String), Column("b", String))
        Table("t", after, *later)
        Table("new", after, Column("a", String, nullable=False))
        assert taken_away(before, after) == found
        assert taken_away(after, MetaData()) == {"t is gone", "new is gone"}


class TestSchema:
    @pytest.mark.parametrize(
        ("found", "usable"),
        [
            (None, False),
            ("0001", False),
            ("0011_serves_0010", True),
            ("0012", False),
            ("0012_serves_0010", True),
            ("0013_serves_0011", True),
            ("0014_serves_0012", False),
            ("0012_serves_0010 ", False),
        ],
    )
    def test_is_usable_where_it_is_its_own_or_says_that_it_serves_it(
        self, found: str | None, usable: bool
    ) -> None:
        known = frozenset({"0001", "0010", "0011_serves_0010"})
        assert Schema(found, "0011_serves_0010", known).is_usable is usable


class TestALaterDatabaseThatServesThisVersion:
    @pytest.fixture
    def later(self, sqlite_url: str) -> str:
        database = Database(sqlite_url)
        with database.write() as session:
            session.execute(text("ALTER TABLE jobs ADD COLUMN more TEXT"))
            named = {"name": f"9999_serves_{HEAD[:4]}"}
            session.execute(text("UPDATE alembic_version SET version_num = :name"), named)
        database.close()
        return sqlite_url

    def test_is_used_and_left_as_it_is(self, later: str) -> None:
        upgrade(later)
        refuse_unusable(later)
        database = Database(later)
        found = schema(database, later)
        assert found.found == f"9999_serves_{HEAD[:4]}"
        assert found.is_usable
        assert found.is_newer
        assert not is_current(database, later)
        database.close()

    def test_one_that_serves_only_later_versions_is_refused(self, sqlite_url: str) -> None:
        database = Database(sqlite_url)
        with database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999_serves_9998'"))
        database.close()
        with pytest.raises(NewerDatabase, match="schema 9999_serves_9998"):
            upgrade(sqlite_url)


class TestADatabaseThatIsYetToBeMigrated:
    @pytest.mark.parametrize("revision", ["base", REVISIONS[-2]])
    def test_nothing_works_on_it(self, sqlite_url: str, revision: str) -> None:
        command.downgrade(alembic_config(sqlite_url), revision)
        with pytest.raises(OlderDatabase, match=rf"this version needs {HEAD}: run elasticket migrate"):
            refuse_unusable(sqlite_url)
