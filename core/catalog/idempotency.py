"""Idempotency keys: a repeated POST finds what the first one made, in the transaction that would make it again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.catalog.database import dialect_insert
from core.catalog.scope import project_of
from core.catalog.tables import IdempotencyKey


class KeyReused(ValueError):
    """The key was used before for a request with other content."""


@dataclass(frozen=True)
class Made:
    """What the first request with a key was answered with."""

    status: int
    resource: str


def earlier(session: Session, key: str, scope: str, fingerprint: str) -> Made | None:
    """What an earlier request with this key made; raises KeyReused where its content differed."""
    row = session.scalar(
        select(IdempotencyKey).where(IdempotencyKey.key == key, IdempotencyKey.scope == scope)
    )
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise KeyReused(f"the Idempotency-Key {key!r} was used before for a different {scope}")
    return Made(row.status, row.resource)


def remember(session: Session, key: str, scope: str, fingerprint: str, made: Made) -> bool:
    """Bind a key to what was made; False where another request bound it meanwhile: then roll back and look again."""
    insert = dialect_insert(session)
    row = dict(
        project=project_of(session),
        key=key,
        scope=scope,
        fingerprint=fingerprint,
        status=made.status,
        resource=made.resource,
    )
    bound = session.execute(
        insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(IdempotencyKey.key)
    ).first()
    return bound is not None
