"""Bring a database to the newest schema with Alembic, and tell which versions a schema serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url

import migrations
from core.catalog.database import Database

_SERVES = re.compile(r"\d{4}_serves_(\d{4})")
"""The name of a revision that versions as old as the one of that number can work on: what came since only adds."""


class NewerDatabase(RuntimeError):
    """The database was brought to a schema that this version has never heard of, and that does not serve it."""


class OlderDatabase(RuntimeError):
    """The database has yet to be brought to the schema that this version works on."""


@dataclass(frozen=True)
class Schema:
    """A database's schema, as this version sees it.

    `found`: its revision, None before the first; `own`: this version's; `known`: all that this version knows.
    """

    found: str | None
    own: str
    known: frozenset[str]

    @property
    def is_newer(self) -> bool:
        """Whether a later version made it."""
        return self.found is not None and self.found not in self.known

    @property
    def is_usable(self) -> bool:
        """Whether this version can work on it: it is its own, or a later one that serves it."""
        if not self.is_newer:
            return self.found == self.own
        added = _SERVES.fullmatch(self.found or "")
        return added is not None and added[1] <= self.own[:4]


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["url"] = url
    return config


def schema(database: Database, url: str) -> Schema:
    """What schema a database has."""
    scripts = ScriptDirectory.from_config(alembic_config(url))
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    own = scripts.get_current_head()
    assert own is not None
    return Schema(found, own, frozenset(script.revision for script in scripts.walk_revisions()))


def upgrade(url: str, revision: str = "head") -> None:
    """Create or upgrade the schema; does nothing where it is current, or a later one that serves this version.

    Raises `NewerDatabase` and changes nothing.
    """
    if not refuse_newer(url).is_newer:
        command.upgrade(alembic_config(url), revision)


def refuse_newer(url: str) -> Schema:
    """The database's schema; raises `NewerDatabase` where it is a later version's that does not serve this one."""
    database = Database(url)
    try:
        seen = schema(database, url)
    finally:
        database.close()
    if seen.is_newer and not seen.is_usable:
        shown = make_url(url).render_as_string(hide_password=True)
        raise NewerDatabase(
            f"{shown} has schema {seen.found}, and this version knows none after {seen.own}: it was used by"
            " a newer Elasticket. Install that one, or restore the backup made before the upgrade; nothing was changed"
        )
    return seen


def refuse_unusable(url: str) -> None:
    """Raise `NewerDatabase` or `OlderDatabase` where this version cannot work on the database's schema."""
    seen = refuse_newer(url)
    if not seen.is_usable:
        shown = make_url(url).render_as_string(hide_password=True)
        raise OlderDatabase(
            f"{shown} has schema {seen.found}, and this version needs {seen.own}: run elasticket migrate"
        )


def is_current(database: Database, url: str) -> bool:
    """Whether the schema is the one this version was written for."""
    seen = schema(database, url)
    return seen.found == seen.own
