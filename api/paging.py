"""Keyset pagination over HTTP: `limit` and `after` in, a `Link` header and `next` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar, get_args

from anyio import Semaphore, move_on_after
from anyio.to_thread import run_sync
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from api.problems import INVALID_REQUEST, Flaw, Rejected
from core.catalog.database import Database
from core.catalog.paging import Cursor

Item = TypeVar("Item")
Page = tuple[Sequence[BaseModel], Cursor | None]
AT_ONCE = 8
"""Lists that a process reads at a time from PostgreSQL."""
PATIENCE = 0.1
"""Seconds that a list waits for those before it."""


def turns(database: Database) -> Semaphore:
    """How many lists an API process reads at a time.

    From SQLite one: threads that read from it together take turns at each row, which costs more than the row, and all
    end as late as the last. PostgreSQL reads by itself meanwhile.
    """
    return Semaphore(1 if database.engine.dialect.name == "sqlite" else AT_ONCE, fast_acquire=True)


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


async def listing(request: Request, read: Callable[[], Page]) -> Response:
    """The answer that a page is, with its `Link` header. Its items are what the route documents: nothing looks again.

    Lists take turns (`turns`). Who has waited for `PATIENCE` reads all the same: a search through many rows is under
    way then, which leaves the others room.
    """
    taken: Semaphore = request.app.state.turns
    with move_on_after(PATIENCE) as waiting:
        await taken.acquire()
    try:
        return await run_sync(_answer, request, read)
    finally:
        if not waiting.cancelled_caught:
            taken.release()


def _answer(request: Request, read: Callable[[], Page]) -> Response:
    items, following = read()
    address, headers = None, {}
    if following is not None:
        url = request.url.include_query_params(after=following.encode())
        address = f"{url.path}?{url.query}"
        headers = {"Link": f'<{address}>; rel="next"'}
    body = Listing[Any](items=list(items), next=address)
    return Response(body.model_dump_json(by_alias=True), headers=headers, media_type="application/json")
