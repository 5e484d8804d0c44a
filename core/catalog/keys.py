"""API keys, the projects that they let into, and browsers signed in with them."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import Row, delete, or_, select, update
from sqlalchemy.orm import Session

from core.catalog.database import dialect_insert, now
from core.catalog.key_text import KeyText, digest_of
from core.catalog.paging import Cursor, Page, newest_first
from core.catalog.scope import project_of
from core.catalog.tables import ApiKey, Project, SignIn

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each allows what those before it do."""

PROJECT = re.compile("[a-z0-9][a-z0-9_-]{0,62}")
USED_SECONDS = 60
"""How exact `last_used_at` is: it is not worth a write for every request."""
_NOBODYS = "0" * 64


class BadProject(ValueError):
    """A name that no project can have."""


@dataclass(frozen=True)
class Holder:
    """Who holds a key that is good: what it lets do, and in which project. `noted`: that it is used, lately."""

    project: str
    scope: Scope
    key: str
    noted: bool = field(default=False, compare=False)


def covers(scope: Scope, needed: Scope) -> bool:
    """Whether a scope allows what another is needed for."""
    return SCOPES.index(scope) >= SCOPES.index(needed)


def ensure_project(session: Session, name: str) -> bool:
    """Enter a project; whether it is new. Raises `BadProject`."""
    if PROJECT.fullmatch(name) is None:
        raise BadProject(f"{name!r} is no project's name; accepted: {PROJECT.pattern}")
    insert = dialect_insert(session)(Project).values(name=name).on_conflict_do_nothing()
    return session.execute(insert.returning(Project.name)).first() is not None


def projects(session: Session) -> Sequence[str]:
    """All projects of this installation, by name."""
    return session.scalars(select(Project.name).order_by(Project.name)).all()


def create(session: Session, name: str, scope: Scope, seconds: float | None = None) -> tuple[ApiKey, KeyText]:
    """A key to the session's project, good for so many seconds; the row, and the key, which is to be shown once."""
    text = KeyText.new()
    expires = None if seconds is None else session.scalars(select(now())).one() + seconds
    row = ApiKey(id=text.id, digest=text.digest, name=name, scope=scope, expires_at=expires)
    row.project = project_of(session)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row, text


def get(session: Session, key_id: str) -> ApiKey | None:
    """One key of the session's project."""
    return session.scalar(select(ApiKey).where(ApiKey.id == key_id))


def page(session: Session, limit: int, after: Cursor | None = None) -> Page[ApiKey]:
    """The project's keys, newest first, those that are no longer good included."""
    return newest_first(session, ApiKey, limit, after)


def revoke(session: Session, key_id: str) -> ApiKey | None:
    """Have a key let nobody in from now on, nor a browser signed in with it; again, it changes nothing."""
    mine = (ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    session.execute(update(ApiKey).where(*mine).values(revoked_at=now()))
    row = session.scalar(select(ApiKey).where(ApiKey.id == key_id).execution_options(populate_existing=True))
    if row is not None:
        session.execute(delete(SignIn).where(SignIn.key_id == key_id))
    return row


def holder(session: Session, key: KeyText) -> Holder | None:
    """Who holds a key; None where it is not known, has expired or was revoked."""
    found = session.execute(_GOOD.where(ApiKey.id == key.id)).first()
    # In constant time, and also where there is no such key.
    same = hmac.compare_digest(key.digest, found.digest if found else _NOBODYS)
    return _holder(found) if found is not None and same else None


def project_let_into(session: Session, key: KeyText) -> str | None:
    """The project that a key lets or once let into; None where it is not known."""
    return session.scalar(select(ApiKey.project).where(ApiKey.id == key.id, ApiKey.digest == key.digest))


def use(session: Session, key_id: str) -> None:
    """Note that a key was used, once a minute."""
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now() - USED_SECONDS)
    session.execute(update(ApiKey).where(ApiKey.id == key_id, stale).values(last_used_at=now()))


def sign_in(session: Session, key: KeyText, seconds: float) -> str | None:
    """The secret of a browser that is signed in with a key for so long; None where the key is not good."""
    found = holder(session, key)
    if found is None:
        return None
    session.execute(delete(SignIn).where(SignIn.expires_at <= now()))
    secret = secrets.token_urlsafe(32)
    ends = session.scalars(select(now())).one() + seconds
    session.add(SignIn(digest=digest_of(secret), key_id=found.key, expires_at=ends))
    return secret


def signed_in(session: Session, secret: str) -> Holder | None:
    """Who signed in with this secret. A digest is looked up, not a secret: the time that takes tells nothing of it."""
    mine = (SignIn.digest == digest_of(secret), SignIn.expires_at > now())
    found = session.execute(_GOOD.join(SignIn, SignIn.key_id == ApiKey.id).where(*mine)).first()
    return None if found is None else _holder(found)


def sign_out(session: Session, secret: str) -> None:
    """End it."""
    session.execute(delete(SignIn).where(SignIn.digest == digest_of(secret)))


_NOTED = (ApiKey.last_used_at > now() - USED_SECONDS).label("noted")
_GOOD = select(ApiKey.id, ApiKey.digest, ApiKey.project, ApiKey.scope, _NOTED).where(
    ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now())
)
"""Keys that let in, as one query says all of them that a request needs."""


def _holder(row: Row[str, str, str, Any, bool]) -> Holder:
    return Holder(row.project, row.scope, row.id, bool(row.noted))
