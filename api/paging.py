"""Keyset pagination over HTTP: `limit` and `after` in, a `Link` header and `next` out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, get_args

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.problems import INVALID_REQUEST, Flaw, Rejected
from core.catalog.paging import Cursor

Item = TypeVar("Item")


def _example(schema: dict[str, Any], model: type[BaseModel]) -> None:
    (item,) = get_args(model.model_fields["items"].annotation)
    examples = getattr(item, "model_config", {}).get("json_schema_extra", {}).get("examples", [])
    schema["examples"] = [{"items": examples[:1], "next": None}]


class Listing(BaseModel, Generic[Item]):
    """A page of a list."""

    model_config = ConfigDict(json_schema_extra=_example)

    items: list[Item]
    next: str | None = Field(default=None, description="where the next page is; null on the last one")


@dataclass(frozen=True)
class Paging:
    """The page a request asks for."""

    limit: int
    after: Cursor | None
    request: Request
    response: Response

    def listing(self, items: Sequence[Item], following: Cursor | None) -> Listing[Item]:
        """The page's body; sets the `Link` header."""
        if following is None:
            return Listing(items=list(items))
        url = self.request.url.include_query_params(after=following.encode())
        address = f"{url.path}?{url.query}"
        self.response.headers["Link"] = f'<{address}>; rel="next"'
        return Listing(items=list(items), next=address)


async def _page(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=500, description="items per page")] = 50,
    after: Annotated[
        str | None, Query(max_length=512, description="where the page starts: take `next`")
    ] = None,
) -> Paging:
    return Paging(limit, None if after is None else _cursor(after), request, response)


def _cursor(token: str) -> Cursor:
    try:
        cursor = Cursor.decode(token)
        if not re.fullmatch(r"[0-9a-f]{1,64}", cursor.id):
            raise ValueError("not a cursor")
    except ValueError as error:
        flaw = Flaw(location="query", where="after", what=str(error), accepted="the `next` of a page")
        raise Rejected(INVALID_REQUEST, "after: not a cursor", flaw) from None
    return cursor


PagingDep = Annotated[Paging, Depends(_page)]
