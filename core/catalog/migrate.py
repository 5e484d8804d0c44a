"""Bring a database to the newest schema with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url

import migrations
from core.catalog.database import Database


class NewerDatabase(RuntimeError):
    """The database was brought to a schema that this version has never heard of."""


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Create or upgrade the schema; does nothing where it is current. Raises NewerDatabase and changes nothing."""
    refuse_newer(url)
    command.upgrade(alembic_config(url), revision)


def refuse_newer(url: str) -> None:
    """Raise NewerDatabase where another, later version has upgraded the database."""
    known = ScriptDirectory.from_config(alembic_config(url))
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        database.close()
    if found is not None and found not in {script.revision for script in known.walk_revisions()}:
        shown = make_url(url).render_as_string(hide_password=True)
        raise NewerDatabase(
            f"{shown} has schema {found}, and this version knows none after {known.get_current_head()}: it was used by"
            " a newer Elasticket. Install that one, or restore the backup made before the upgrade; nothing was changed"
        )


def is_current(database: Database, url: str) -> bool:
    """Whether the schema is the one this version was written for."""
    head = ScriptDirectory.from_config(alembic_config(url)).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head
