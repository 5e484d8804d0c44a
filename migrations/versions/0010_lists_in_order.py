"""Tickets of a family or an architecture are listed in the order of their time, however many there are"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FORMER = (["project", "family", "sparsity"], ["project", "architecture"])
LISTED = (["project", "family", "created_at", "id"], ["project", "architecture", "created_at", "id"])


def upgrade() -> None:
    _replace(FORMER, LISTED)


def downgrade() -> None:
    _replace(LISTED, FORMER)


def _replace(old: tuple[list[str], ...], new: tuple[list[str], ...]) -> None:
    for columns in old:
        op.drop_index("_".join(["ix_tickets", *columns]), "tickets")
    for columns in new:
        op.create_index("_".join(["ix_tickets", *columns]), "tickets", columns)
