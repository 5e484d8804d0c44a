"""The latency of tickets that evaluate jobs have timed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("results", sa.Column("latency", JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("results", "latency")
