"""`Idempotency-Key` on every POST: the same request again finds what the first one made, and makes nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Header, Request
from sqlalchemy.orm import Session

from core.catalog import audit, idempotency
from core.catalog.database import Database
from core.catalog.idempotency import Made

REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True)
class Once:
    """One POST: `scope` is its method and path, `key` the client's name for it, if it gave one."""

    scope: str
    key: str | None

    def make(
        self, database: Database, transaction: str, content: bytes, make: Callable[[Session], Made]
    ) -> tuple[Made, bool]:
        """Run `make` in a write transaction, unless this key already made something; what, and whether it had.

        `content` is what must be the same for it to be the same request; raises `KeyReused` where it is not.
        """
        while True:
            try:
                with database.write(transaction) as session:
                    earlier = self.earlier(session, content)
                    if earlier is not None:
                        audit.nothing(session)
                        return earlier, True
                    made = make(session)
                    audit.about(session, made.resource)
                    self.remember(session, content, made)
                    return made, False
            except _BoundMeanwhile:
                continue

    def earlier(self, session: Session, content: bytes) -> Made | None:
        """What this key made before; raises `KeyReused` where that was another request."""
        if self.key is None:
            return None
        return idempotency.earlier(session, self.key, self.scope, self._fingerprint(content))

    def remember(self, session: Session, content: bytes, made: Made) -> None:
        """Bind this key to what was made; raises where another request did so meanwhile: it is to be tried again."""
        if self.key is not None and not idempotency.remember(
            session, self.key, self.scope, self._fingerprint(content), made
        ):
            raise _BoundMeanwhile

    def _fingerprint(self, content: bytes) -> str:
        return sha256(f"{self.scope}\n".encode() + content).hexdigest()


class _BoundMeanwhile(Exception):
    """Another request bound the key while this one was at work: roll back and look again."""


async def _once(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[\x20-\x7e]{1,255}$",
            description="your name for this request: sent again with the same content, it makes nothing more",
        ),
    ] = None,
) -> Once:
    return Once(f"{request.method} {request.url.path}", idempotency_key)


OnceDep = Annotated[Once, Depends(_once)]
