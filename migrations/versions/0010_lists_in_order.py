"""Tickets of a family or an architecture are listed in the order of their time, however many there are"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

Indices = tuple[tuple[str, list[str]], ...]

FORMER: Indices = (
    ("tickets", ["project", "family", "sparsity"]),
    ("tickets", ["project", "architecture"]),
    ("ticket_tags", ["project", "tag"]),
    ("provenance", ["project", "dataset"]),
)
LISTED: Indices = (
    ("tickets", ["project", "family", "created_at", "id"]),
    ("tickets", ["project", "architecture", "created_at", "id"]),
    ("ticket_tags", ["project", "tag", "ticket_id"]),
    ("provenance", ["project", "dataset", "ticket_id"]),
    ("provenance", ["project", "method", "ticket_id"]),
)


def upgrade() -> None:
    _replace(FORMER, LISTED)


def downgrade() -> None:
    _replace(LISTED, FORMER)


def _replace(old: Indices, new: Indices) -> None:
    for table, columns in old:
        op.drop_index("_".join(["ix", table, *columns]), table)
    for table, columns in new:
        op.create_index("_".join(["ix", table, *columns]), table, columns)
