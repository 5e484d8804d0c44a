"""Alembic's entry point: one connection of the catalog's own engine, one transaction for everything."""

from alembic import context

from core.catalog.database import Database
from core.catalog.tables import Base

database = Database(context.config.attributes["url"])
writer = database.engine.execution_options(writes=True)
with writer.connect() as connection:
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # Copying a table drops the one that others refer to, and within a transaction this cannot be said.
        connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
    if connection.dialect.name == "postgresql":
        # Changing a large table takes longer than any request may.
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SET lock_timeout = 0")
        connection.connection.driver_connection.answer_seconds = None
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite alters a table by copying it.
        render_as_batch=sqlite,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()
        if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise RuntimeError(f"the migration would leave rows that refer to nothing: {broken[:3]}")
    connection.commit()
database.close()
