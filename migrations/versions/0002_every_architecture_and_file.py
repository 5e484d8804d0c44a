"""Posted architectures, dense weights and converted copies of tickets, points between two trainings"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NOW = {
    "sqlite": "(unixepoch('subsec'))",
    "postgresql": "(extract(epoch from clock_timestamp())::double precision)",
}


def upgrade() -> None:
    now = sa.text(NOW[op.get_context().dialect.name])
    op.create_table(
        "posted_architectures",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("shape", sa.String(length=48), nullable=False),
        sa.Column("classes", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("created_at", sa.Double(), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("name", "shape", "classes", name="pk_posted_architectures"),
    )
    op.create_table(
        "ticket_weights",
        sa.Column("ticket_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_weights_ticket_id"),
        sa.PrimaryKeyConstraint("ticket_id", "step", name="pk_ticket_weights"),
    )
    op.create_table(
        "ticket_copies",
        sa.Column("ticket_id", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_copies_ticket_id"),
        sa.PrimaryKeyConstraint("ticket_id", "format", name="pk_ticket_copies"),
    )
    op.add_column("results", sa.Column("alpha", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("results", "alpha")
    for table in ("ticket_copies", "ticket_weights", "posted_architectures"):
        op.drop_table(table)
