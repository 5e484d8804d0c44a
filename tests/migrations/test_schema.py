from alembic import command
from sqlalchemy import inspect

from core.catalog.database import Database
from core.catalog.migrate import alembic_config, is_current, upgrade


class TestSchema:
    def test_the_migrations_build_exactly_the_tables_of_the_code(self, database_url: str) -> None:
        command.check(alembic_config(database_url))

    def test_upgrading_twice_changes_nothing(self, database_url: str) -> None:
        upgrade(database_url)
        database = Database(database_url)
        assert is_current(database, database_url)
        database.close()

    def test_downgrading_removes_every_table(self, database_url: str) -> None:
        command.downgrade(alembic_config(database_url), "base")
        database = Database(database_url)
        assert inspect(database.engine).get_table_names() == ["alembic_version"]
        assert not is_current(database, database_url)
        database.close()
        upgrade(database_url)
