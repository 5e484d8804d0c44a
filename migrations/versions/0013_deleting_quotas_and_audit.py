"""What is deleted leaves a row; quotas, rules of retention, the audit log"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NOW = {
    "sqlite": "(unixepoch('subsec'))",
    "postgresql": "(extract(epoch from clock_timestamp())::double precision)",
}
NAME = sa.String(length=63)
TIMES = {
    "tickets": ["deleted_at"],
    "jobs": ["deleted_at", "log_dropped_at", "weights_dropped_at"],
    "studies": ["deleted_at"],
}


def upgrade() -> None:
    now = sa.text(NOW[op.get_context().dialect.name])
    for table, names in TIMES.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Double(), nullable=True))
    op.add_column("projects", sa.Column("most_bytes", sa.BigInteger(), nullable=True))
    op.add_column("projects", sa.Column("most_waiting", sa.BigInteger(), nullable=True))
    op.add_column("projects", sa.Column("stored_bytes", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "retention",
        sa.Column("project", NAME, nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("days", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_retention_project"),
        sa.PrimaryKeyConstraint("project", "what", name="pk_retention"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("project", NAME, nullable=True),
        sa.Column("created_at", sa.Double(), server_default=now, nullable=False),
        sa.Column("by", sa.String(length=16), nullable=False),
        sa.Column("key_id", sa.String(length=12), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("route", sa.String(length=128), nullable=False),
        sa.Column("resource", sa.String(length=128), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_audit_project"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_project_created_at_id", "audit", ["project", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("retention")
    for name in ("stored_bytes", "most_waiting", "most_bytes"):
        op.drop_column("projects", name)
    for table, names in TIMES.items():
        for name in names:
            op.drop_column(table, name)
