"""What jobs need, where they run, and the workers that offer it"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NOW = {
    "sqlite": "(unixepoch('subsec'))",
    "postgresql": "(extract(epoch from clock_timestamp())::double precision)",
}
BATCH = 1000
RUNS = sa.text("pool IS NOT NULL")

jobs = sa.table(
    "jobs",
    sa.column("id", sa.String),
    sa.column("kind", sa.String),
    sa.column("state", sa.String),
    sa.column("spec", JSON),
    sa.column("need", sa.String),
)


def upgrade() -> None:
    now = sa.text(NOW[op.get_context().dialect.name])
    for column in (
        sa.Column("need", sa.String(length=32), server_default="any", nullable=False),
        sa.Column("pool", sa.String(length=255), nullable=True),
        sa.Column("gpus", JSON, nullable=True),
        sa.Column("gave_way", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("gives_way", sa.Text(), nullable=True),
    ):
        op.add_column("jobs", column)
    _say_needs()
    op.create_index(
        "ix_jobs_placement",
        "jobs",
        ["state", "need", sa.text("priority DESC"), "project", "created_at", "id"],
    )
    op.create_index("ix_jobs_pool", "jobs", ["pool"], sqlite_where=RUNS, postgresql_where=RUNS)
    op.create_table(
        "pools",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("memory", sa.BigInteger(), nullable=False),
        sa.Column("gpus", sa.BigInteger(), nullable=False),
        sa.Column("gpu_memory", sa.BigInteger(), nullable=False),
        sa.Column("takes", sa.String(length=32), nullable=False),
        sa.Column("drain", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("kept_for", sa.String(length=32), nullable=True),
        sa.Column("started_at", sa.Double(), server_default=now, nullable=False),
        sa.Column("seen_at", sa.Double(), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_pools"),
    )


def downgrade() -> None:
    op.drop_table("pools")
    op.drop_index("ix_jobs_pool", "jobs")
    op.drop_index("ix_jobs_placement", "jobs")
    for column in ("gives_way", "gave_way", "gpus", "pool", "need"):
        op.drop_column("jobs", column)


def _say_needs() -> None:
    """Of the jobs that have not ended; what the others needed is of no use to anyone."""
    connection = op.get_bind()
    computes = jobs.c.kind.in_(("find", "train", "evaluate", "connect"))
    open_ = jobs.c.state.in_(("waiting", "queued", "running", "cancelling"))
    connection.execute(sa.update(jobs).where(open_, ~computes).values(need="cpu"))
    trains = sa.select(jobs.c.id, jobs.c.spec).where(open_, jobs.c.kind.in_(("find", "train")))
    last = ""
    while rows := connection.execute(trains.where(jobs.c.id > last).order_by(jobs.c.id).limit(BATCH)).all():
        last = rows[-1].id
        several = [{"job": row.id, "text": f"any-{n}"} for row in rows if (n := _devices(row.spec)) > 1]
        if several:
            connection.execute(
                sa.update(jobs).where(jobs.c.id == sa.bindparam("job")).values(need=sa.bindparam("text")),
                several,
            )


def _devices(spec: dict[str, Any]) -> int:
    return int(spec.get("devices") or 1)
