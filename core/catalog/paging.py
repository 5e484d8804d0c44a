"""Keyset pagination: a page starts after a row, so that rows which arrive meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session


class _Dated(Protocol):
    id: InstrumentedAttribute[str]
    created_at: InstrumentedAttribute[float]


Row = TypeVar("Row")


@dataclass(frozen=True)
class Cursor:
    """The last row of a page: where the next one starts."""

    created_at: float
    id: str

    def encode(self) -> str:
        """As an opaque token for a URL."""
        return base64.urlsafe_b64encode(json.dumps([self.created_at, self.id]).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Cursor:
        """The cursor of a token; raises ValueError on any other text."""
        try:
            created_at, identity = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except (binascii.Error, TypeError, ValueError, RecursionError) as error:
            raise ValueError("not a cursor") from error
        if (
            not isinstance(created_at, float)
            or not math.isfinite(created_at)
            or not isinstance(identity, str)
            or re.fullmatch("[0-9a-f]{12,64}", identity) is None
        ):
            raise ValueError("not a cursor")
        return cls(created_at, identity)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and where the next page starts (None on the last)."""

    rows: Sequence[Row]
    next: Cursor | None


def newest_first(
    session: Session, table: type[Row], limit: int, after: Cursor | None, *where: ColumnElement[bool]
) -> Page[Row]:
    """A page of a table with `id` and `created_at`, newest first."""
    dated: _Dated = table  # type: ignore[assignment]
    query = select(table).where(*where).order_by(dated.created_at.desc(), dated.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(dated.created_at, dated.id) < (after.created_at, after.id))
    rows = session.scalars(query).all()
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], Cursor(last.created_at, last.id))  # type: ignore[attr-defined]
