"""Attempts in the order of their end and what they use; the trace that a job or a study belongs to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
TRACED = ("jobs", "studies")
ENDED = sa.text("ended_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("attempts", sa.Column("usage", JSON, nullable=True))
    op.create_index(
        "ix_attempts_ended_at", "attempts", ["ended_at"], sqlite_where=ENDED, postgresql_where=ENDED
    )
    for table in TRACED:
        op.add_column(table, sa.Column("trace", sa.String(length=55), nullable=True))


def downgrade() -> None:
    for table in TRACED:
        op.drop_column(table, "trace")
    op.drop_index("ix_attempts_ended_at", "attempts")
    op.drop_column("attempts", "usage")
