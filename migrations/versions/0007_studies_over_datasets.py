"""Studies over several datasets and orders, and what an imported one came to before"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

studies = sa.table("studies", sa.column("id", sa.String), sa.column("spec", JSON))
rows = sa.table(
    "study_jobs", sa.column("study_id", sa.String), sa.column("key", sa.String), sa.column("body", JSON)
)


def upgrade() -> None:
    op.add_column("studies", sa.Column("archive", JSON, nullable=True))
    for identity, spec in _all(studies.c.id, studies.c.spec):
        dataset, order = spec.pop("dataset"), spec.pop("order", None)
        new = {"datasets": [dataset], "orders": [order] if order else []}
        _rewrite(identity, spec | new, lambda key, dataset=dataset: f"{dataset}/{key}")


def downgrade() -> None:
    for identity, spec in _all(studies.c.id, studies.c.spec):
        datasets, orders = spec.pop("datasets"), spec.pop("orders", [])
        kept = {name: value for name, value in spec.items() if name not in _NEW}
        old = {"dataset": datasets[0], "order": orders[0] if orders else None}
        _rewrite(identity, kept | old, lambda key: key.partition("/")[2])
    op.drop_column("studies", "archive")


_NEW = {"scale", "found_on", "recipes", "connect"}


def _all(*columns: sa.ColumnClause[Any]) -> list[Any]:
    return list(op.get_bind().execute(sa.select(*columns)))


def _rewrite(study: str, spec: dict[str, Any], renamed: Callable[[str], str]) -> None:
    op.get_bind().execute(sa.update(studies).where(studies.c.id == study).values(spec=spec))
    mine = rows.c.study_id == study
    for key, body in op.get_bind().execute(sa.select(rows.c.key, rows.c.body).where(mine)).all():
        op.get_bind().execute(
            sa.update(rows)
            .where(mine, rows.c.key == key)
            .values(key=renamed(key), body=_referring(body, renamed))
        )


def _referring(given: Any, renamed: Callable[[str], str]) -> Any:
    """A body whose references name keys by their other names."""
    match given:
        case {"tickets_of": keys}:
            return {"tickets_of": [renamed(key) for key in keys]}
        case {"survivors_of": [key, n]}:
            return {"survivors_of": [renamed(key), n]}
        case dict():
            return {name: _referring(value, renamed) for name, value in given.items()}
    return given
