"""The queue's order, what jobs are searched by, and the device of an attempt"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BATCH = 1000

jobs = sa.table("jobs", sa.column("id", sa.String), sa.column("spec", JSON), sa.column("about", sa.Text))
tickets = sa.table("tickets", sa.column("id", sa.String), sa.column("architecture", sa.String))


def upgrade() -> None:
    op.add_column("jobs", sa.Column("priority", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("about", sa.Text(), server_default="", nullable=False))
    op.add_column("studies", sa.Column("priority", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("attempts", sa.Column("device", sa.String(length=255), nullable=True))
    _describe()
    op.create_index("ix_jobs_queue", "jobs", ["state", sa.text("priority DESC"), "created_at", "id"])
    op.create_index("ix_jobs_state_created_at_id", "jobs", ["state", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_jobs_state_created_at_id", "jobs")
    op.drop_index("ix_jobs_queue", "jobs")
    op.drop_column("attempts", "device")
    op.drop_column("studies", "priority")
    op.drop_column("jobs", "about")
    op.drop_column("jobs", "priority")


def _describe() -> None:
    """Say of every job what it is about, a batch at a time: there may be a million."""
    connection = op.get_bind()
    networks = {row.id: row.architecture for row in connection.execute(sa.select(tickets))}
    last = ""
    while True:
        page = sa.select(jobs.c.id, jobs.c.spec).where(jobs.c.id > last).order_by(jobs.c.id).limit(BATCH)
        rows = connection.execute(page).all()
        if not rows:
            return
        last = rows[-1].id
        connection.execute(
            sa.update(jobs).where(jobs.c.id == sa.bindparam("job")).values(about=sa.bindparam("text")),
            [{"job": row.id, "text": _about(row.spec, networks)} for row in rows],
        )


def _about(spec: Mapping[str, Any], networks: Mapping[str, str]) -> str:
    words = dict.fromkeys(f"{name}:{value}" for name, value in _said(spec, networks) if value)
    return f" {' '.join(words)} ".lower()


def _said(spec: Mapping[str, Any], networks: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    yield "kind", spec.get("kind")
    given = [*(spec.get("tickets") or ()), spec.get("ticket")]
    for ticket in given:
        yield "architecture", networks.get(ticket)
    for hop in (*(spec.get("via") or ()), spec):
        yield "architecture", hop.get("architecture")
    for name in ("dataset", "method", "format"):
        yield name, spec.get(name)
    yield "method", (spec.get("sparsity_schedule") or {}).get("method")
    if isinstance(spec.get("order"), str):
        yield "order", spec["order"]
    yield "job", spec.get("job")
    for end in spec.get("trainings") or ():
        yield "job", end["job"]
    for ticket in given:
        yield "ticket", ticket
