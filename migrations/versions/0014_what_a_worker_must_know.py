"""Jobs and studies say which version of specs they are in, so that an older worker leaves newer ones alone"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = ("jobs", "studies")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("spec_version", sa.BigInteger(), server_default="1", nullable=False))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "spec_version")
