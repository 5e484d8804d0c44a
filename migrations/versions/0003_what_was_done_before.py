"""Jobs are found by what they ask for, and trainings that another job did are marked"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("digest", sa.String(length=64), nullable=True))
    op.create_index("ix_jobs_digest", "jobs", ["digest"])
    op.add_column("runs", sa.Column("shared", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("runs", "shared")
    op.drop_index("ix_jobs_digest", "jobs")
    op.drop_column("jobs", "digest")
