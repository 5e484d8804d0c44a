"""Where the next page of a list starts, in its address."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from fastapi import HTTPException
from starlette.datastructures import QueryParams

from core.catalog.paging import Cursor


def link(query: QueryParams, path: str, **changes: str | None) -> str:
    """The address of the same list with some of its parameters changed, and from its first page."""
    kept = {name: value for name, value in query.items() if value and name != "after"} | changes
    encoded = urlencode({name: value for name, value in kept.items() if value is not None})
    return f"{path}?{encoded}" if encoded else path


def same_list(query: str, path: str) -> str:
    """The address of a list from the query that a form was sent along with."""
    return link(QueryParams(parse_qsl(query)), path, after=dict(parse_qsl(query)).get("after"))


def cursor(after: str | None) -> Cursor | None:
    """The cursor of a page's address; 400 where it is not one."""
    try:
        return Cursor.decode(after) if after else None
    except ValueError as error:
        raise HTTPException(400, "This page's address has an `after` that no list gave out.") from error
