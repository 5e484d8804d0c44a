"""A change of one row, and the changes that follow from it, as one question.

A job's every step writes several tables, and most of what a statement takes is the way to the database and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult, FromClause, Row, bindparam, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import ReturningUpdate, UpdateBase

Following = Callable[[FromClause], UpdateBase]


class Chain:
    """A `change` that returns its row or nothing, and what reads that row as a table: made once, done often.

    On PostgreSQL it is one statement, whose parts all see what was there before it. SQLite, which has no such
    statement and is no way away, is asked one part after the other. Raises `ValueError` where a part does not read it.
    """

    def __init__(self, change: ReturningUpdate[Any], *following: Following) -> None:
        changed = change.cte("changed")
        made = [make(changed) for make in following]
        for statement in made:
            # PostgreSQL does each part, whether or not there was a row to change.
            if not any(getattr(part, "table", None) is changed for part in visitors.iterate(statement)):
                raise ValueError(f"this does not depend on the changed row: {statement}")
        parts = [statement.cte(f"then_{i}") for i, statement in enumerate(made)]
        self._at_once = select(changed).add_cte(*parts)
        handed = select(*(bindparam(f"its_{c.name}", None, c.type).label(c.name) for c in changed.c))
        self._parts = [_Part(change), *(_Part(make(handed.subquery("changed"))) for make in following)]

    def do(self, session: Session, values: Mapping[str, Any]) -> Row[Any] | None:
        """The row as it is now; None where there was nothing to change, and then nothing is changed."""
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            return connection.execute(self._at_once, values).first()
        change, *following = self._parts
        row = change.do(connection, values).first()
        if row is not None:
            handed = {f"its_{name}": value for name, value in row._mapping.items()}
            for part in following:
                part.do(connection, {**values, **handed})
        return row


class _Part:
    """A statement that is given no more than what it names: for SQLAlchemy the rest would be columns."""

    def __init__(self, statement: UpdateBase) -> None:
        self._statement = statement
        self._names = frozenset(statement.compile(dialect=sqlite.dialect()).params)

    def do(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        named = {name: value for name, value in values.items() if name in self._names}
        return connection.execute(self._statement, named)
