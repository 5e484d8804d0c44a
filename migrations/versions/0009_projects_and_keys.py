"""Projects, whose everything becomes; the keys that let into them, and the browsers signed in with these"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NOW = {
    "sqlite": "(unixepoch('subsec'))",
    "postgresql": "(extract(epoch from clock_timestamp())::double precision)",
}
DEFAULT = "default"
NAME = sa.String(length=63)

PARTS = {
    "ticket_layers": ["ticket_id", "position"],
    "ticket_weights": ["ticket_id", "step"],
    "ticket_copies": ["ticket_id", "format"],
    "ticket_tags": ["ticket_id", "tag"],
    "provenance": None,
}
"""What hangs at a ticket, with the primary keys that become the project's."""

WHOLE = {
    "tickets": ["id"],
    "posted_architectures": ["name", "shape", "classes"],
    "idempotency_keys": ["key", "scope"],
    "jobs": None,
    "studies": None,
}
"""What belongs to a project by itself, likewise."""

OLD = {
    "jobs": [["created_at", "id"], ["state", "created_at", "id"]],
    "studies": [["created_at", "id"]],
    "tickets": [["created_at", "id"], ["family", "sparsity"], ["architecture"]],
    "provenance": [["ticket_id"], ["dataset"], ["parent_id"]],
    "ticket_tags": [["tag"]],
}
"""Indices that now begin with the project."""


def upgrade() -> None:
    now = sa.text(NOW[op.get_context().dialect.name])
    op.create_table(
        "projects",
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", sa.Double(), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_projects"),
    )
    op.execute(f"INSERT INTO projects (name) VALUES ('{DEFAULT}')")
    _drop_indices([])
    op.drop_index("ix_jobs_queue", "jobs")
    _unhook()
    for table, key in (WHOLE | PARTS).items():
        column = sa.Column("project", NAME, server_default=DEFAULT, nullable=False)
        with op.batch_alter_table(table) as batch:
            batch.add_column(column)
            if key is not None:
                batch.drop_constraint(f"pk_{table}", type_="primary")
                batch.create_primary_key(f"pk_{table}", ["project", *key])
            if table in WHOLE:
                batch.create_foreign_key(f"fk_{table}_project", "projects", ["project"], ["name"])
        # Only what was there before is taken for the default project's.
        with op.batch_alter_table(table) as batch:
            batch.alter_column("project", server_default=None)
    for table in PARTS:
        with op.batch_alter_table(table) as batch:
            batch.create_foreign_key(
                f"fk_{table}_project_ticket_id", "tickets", ["project", "ticket_id"], ["project", "id"]
            )
    _create_indices(["project"])
    _create_queue()
    _create_keys(now)


def _create_keys(now: sa.TextClause) -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("project", NAME, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Double(), server_default=now, nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_api_keys_project"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_project_created_at_id", "api_keys", ["project", "created_at", "id"])
    op.create_table(
        "sign_ins",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=12), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_sign_ins_key_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_ins"),
    )
    op.create_index("ix_sign_ins_expires_at", "sign_ins", ["expires_at"])
    op.create_index("ix_sign_ins_key_id", "sign_ins", ["key_id"])


def downgrade() -> None:
    """Keeps the default project alone: what others have must not become its."""
    op.drop_table("sign_ins")
    op.drop_table("api_keys")
    _forget_others()
    _drop_indices(["project"])
    op.drop_index("ix_jobs_queue", "jobs")
    for table in PARTS:
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"fk_{table}_project_ticket_id", type_="foreignkey")
    for table, key in (PARTS | WHOLE).items():
        with op.batch_alter_table(table) as batch:
            if table in WHOLE:
                batch.drop_constraint(f"fk_{table}_project", type_="foreignkey")
            if key is not None:
                batch.drop_constraint(f"pk_{table}", type_="primary")
                batch.create_primary_key(f"pk_{table}", key)
            batch.drop_column("project")
    for table in PARTS:
        with op.batch_alter_table(table) as batch:
            batch.create_foreign_key(f"fk_{table}_ticket_id", "tickets", ["ticket_id"], ["id"])
    _create_indices([])
    _create_queue()
    op.drop_table("projects")


def _unhook() -> None:
    """Nothing may refer to a ticket by its id alone while that stops being its key."""
    for table in PARTS:
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"fk_{table}_ticket_id", type_="foreignkey")


def _drop_indices(first: Sequence[str]) -> None:
    for table, indices in OLD.items():
        for columns in indices:
            op.drop_index("_".join(["ix", table, *first, *columns]), table)


def _create_indices(first: Sequence[str]) -> None:
    for table, indices in OLD.items():
        for columns in indices:
            op.create_index("_".join(["ix", table, *first, *columns]), table, [*first, *columns])


def _create_queue() -> None:
    """Copying a table on SQLite forgets that an index descends."""
    op.create_index("ix_jobs_queue", "jobs", ["state", sa.text("priority DESC"), "created_at", "id"])


def _forget_others() -> None:
    others = f"project <> '{DEFAULT}'"
    jobs, studies = (f"SELECT id FROM {table} WHERE {others}" for table in ("jobs", "studies"))
    op.execute(f"DELETE FROM study_jobs WHERE study_id IN ({studies})")
    for table in PARTS:
        op.execute(f"DELETE FROM {table} WHERE {others}")
    for table in ("results", "runs", "checkpoints", "events", "attempts", "outbox"):
        op.execute(f"DELETE FROM {table} WHERE job_id IN ({jobs})")
    op.execute(f"UPDATE jobs SET retry_of = NULL WHERE {others}")
    for table in WHOLE:
        op.execute(f"DELETE FROM {table} WHERE {others}")
