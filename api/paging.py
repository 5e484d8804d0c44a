"""Keyset pagination over HTTP: `limit` and `after` in, a `Link` header and `next` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar, get_args

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

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


def _cursor(token: str) -> Cursor:
    try:
        return Cursor.decode(token)
    except ValueError as error:
        flaw = Flaw(location="query", where="after", what=str(error), accepted="the `next` of a page")
        raise Rejected(INVALID_REQUEST, "after: not a cursor", flaw) from None


class Paging(BaseModel):
    """The query of a list: the page a request asks for. A list's own filters are fields of a subclass."""

    limit: int = Field(20, ge=1, le=500, description="items per page")
    after: Annotated[Cursor | None, PlainValidator(_cursor), WithJsonSchema({"type": "string"})] = Field(
        None, description="where the page starts: take `next`"
    )


def listing(
    request: Request, response: Response, items: Sequence[Item], following: Cursor | None
) -> Listing[Item]:
    """A page's body; sets the `Link` header."""
    if following is None:
        return Listing(items=list(items))
    url = request.url.include_query_params(after=following.encode())
    address = f"{url.path}?{url.query}"
    response.headers["Link"] = f'<{address}>; rel="next"'
    return Listing(items=list(items), next=address)
