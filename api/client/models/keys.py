"""What routes of keys answer with. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from api.client.answer import Answer


class NewKey(Answer):
    """A key as it is told once, in the answer to the request that made it."""

    id: str
    project: str
    name: str
    scope: Literal["read", "write", "admin"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """to the minute"""
    key: str | None
    """send it as `Authorization: Bearer`; null where the request was repeated: it is not kept"""


class Key(Answer):
    """A key, without its secret, which nothing keeps."""

    id: str
    project: str
    name: str
    scope: Literal["read", "write", "admin"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """to the minute"""


class Audit(Answer):
    """One thing that was done, or a key that was refused. Of requests neither bodies nor queries are kept."""

    id: str
    at: datetime
    by: str
    """what let them in: a key, the cookie of a browser, an installation that asks anyone for none, a shell on
    the machine (operator); retention is nobody's doing
    """
    key: str | None = None
    """the key's id"""
    method: str
    route: str
    """as the API's document has it; of a shell the command"""
    resource: str | None = None
    """what it was done to, or what it made"""
    outcome: str
    """done, forbidden (its scope is too small), or unauthenticated"""
    request_id: str | None = None
    """the answer's X-Request-Id"""
    address: str | None = None
