"""What is said of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.paging import Paging
from core.catalog.keys import Scope
from core.catalog.tables import ApiKey, AuditEntry

LONGEST_DAYS = 3650
_KEY: dict[str, Any] = {
    "id": "4b1d4b1d4b1d",
    "project": "default",
    "name": "nightly runs",
    "scope": "write",
    "created_at": "2026-01-05T10:00:00Z",
    "expires_at": "2026-04-05T10:00:00Z",
    # Examples lose what is null on their way into the document.
    "revoked_at": "2026-02-01T08:00:00Z",
    "last_used_at": "2026-01-31T23:59:00Z",
}


_ENTRY: dict[str, Any] = {
    "id": "0d3f" * 8,
    "at": "2026-01-05T10:00:00Z",
    "by": "key",
    "key": "4b1d4b1d4b1d",
    "method": "DELETE",
    "route": "/jobs/{job}",
    "resource": "4b1d" * 8,
    "outcome": "done",
    "request_id": "77aa" * 8,
    "address": "192.0.2.7",
}


class KeyRequest(BaseModel):
    """A key to be made, to the project of the key that asks for it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "nightly runs", "scope": "write", "days": 90}]},
    )

    name: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="what it is for: shown in lists",
    )
    scope: Scope = Field(
        "read",
        description="read looks; write also uploads, asks for jobs and steers them; admin also makes keys",
    )
    days: int | None = Field(
        None, ge=1, le=LONGEST_DAYS, description="how long it is good; null: until it is revoked"
    )


class KeyBody(BaseModel):
    """A key, without its secret, which nothing keeps."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_KEY]})

    id: str
    project: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")

    @classmethod
    def of(cls, row: ApiKey) -> KeyBody:
        """That of a row."""
        return cls.model_validate(row)


class NewKeyBody(KeyBody):
    """A key as it is told once, in the answer to the request that made it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [_KEY | {"key": "elk_4b1d4b1d4b1d_" + "x" * 43 + "_000000"}]},
    )

    key: str | None = Field(
        description="send it as `Authorization: Bearer`; null where the request was repeated: it is not kept"
    )

    @classmethod
    def told(cls, row: ApiKey, key: str | None) -> NewKeyBody:
        """That of a row, with the key where it was made just now."""
        told: dict[str, Any] = {name: getattr(row, name) for name in KeyBody.model_fields}
        return cls.model_validate(told | {"key": key})


class AuditQuery(Paging):
    """Which entries to list."""

    resource: str | None = Field(
        None,
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="only what was done to this: a ticket, a job, a key …",
    )


class AuditBody(BaseModel):
    """One thing that was done, or a key that was refused. Of requests neither bodies nor queries are kept."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ENTRY]})

    id: str
    at: datetime = Field(validation_alias="created_at")
    by: str = Field(
        description="what let them in: a key, the cookie of a browser, an installation that asks anyone for none, a"
        " shell on the machine (operator); retention is nobody's doing"
    )
    key: str | None = Field(default=None, validation_alias="key_id", description="the key's id")
    method: str
    route: str = Field(description="as the API's document has it; of a shell the command")
    resource: str | None = Field(default=None, description="what it was done to, or what it made")
    outcome: str = Field(description="done, forbidden (its scope is too small), or unauthenticated")
    request_id: str | None = Field(default=None, description="the answer's X-Request-Id")
    address: str | None = None

    @classmethod
    def of(cls, row: AuditEntry) -> AuditBody:
        """That of a row."""
        return cls.model_validate(row)
