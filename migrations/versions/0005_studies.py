"""Studies, and the jobs that they are made of"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
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
        "studies",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("spec", JSON, nullable=False),
        sa.Column("created_at", sa.Double(), server_default=now, nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
    )
    op.create_index("ix_studies_created_at_id", "studies", ["created_at", "id"])
    op.create_index("ix_studies_finished_at", "studies", ["finished_at"])
    op.create_table(
        "study_jobs",
        sa.Column("study_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("error", JSON, nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_jobs_study_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_study_jobs_job_id"),
        sa.PrimaryKeyConstraint("study_id", "key", name="pk_study_jobs"),
    )
    op.create_index("ix_study_jobs_job_id", "study_jobs", ["job_id"])


def downgrade() -> None:
    op.drop_table("study_jobs")
    op.drop_table("studies")
