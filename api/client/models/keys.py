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
