"""Tickets with a tag are listed in the order of their time, however many there are"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_serves_0014"
down_revision = "0014"
branch_labels = None
depends_on = None

NOW = {
    "sqlite": "(unixepoch('subsec'))",
    "postgresql": "(extract(epoch from clock_timestamp())::double precision)",
}
FORMER = ["project", "tag", "ticket_id"]
LISTED = ["project", "tag", "created_at", "ticket_id"]


def upgrade() -> None:
    # A tag that an older version puts on a ticket has a time too: its own, which is the ticket's or a later one.
    now = sa.text(NOW[op.get_context().dialect.name])
    with op.batch_alter_table("ticket_tags") as batch:
        batch.add_column(sa.Column("created_at", sa.Double(), server_default=now, nullable=False))
    op.execute(
        "UPDATE ticket_tags SET created_at = (SELECT tickets.created_at FROM tickets"
        " WHERE tickets.project = ticket_tags.project AND tickets.id = ticket_tags.ticket_id)"
    )
    _replace(FORMER, LISTED)


def downgrade() -> None:
    _replace(LISTED, FORMER)
    op.drop_column("ticket_tags", "created_at")


def _replace(old: list[str], new: list[str]) -> None:
    op.drop_index("_".join(["ix_ticket_tags", *old]), "ticket_tags")
    op.create_index("_".join(["ix_ticket_tags", *new]), "ticket_tags", new)
