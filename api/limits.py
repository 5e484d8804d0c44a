"""How a project is told that it has as much as it may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from api.problems import Flaw, ProblemKind, Rejected
from core.catalog import quotas
from core.catalog.quotas import ProjectFull, TooManyWaiting

TOO_MANY_WAITING = ProblemKind(
    "too-many-waiting",
    429,
    "Too many jobs of the project wait",
    "101 jobs of the project would wait then, of 100 that may.",
    {"most": 100, "waiting": 101},
)
PROJECT_FULL = ProblemKind(
    "project-full",
    507,
    "The project stores as much as it may",
    "The project stores 1073741824 bytes, of 1073741824 that it may.",
    {"most": 1 << 30, "stored": 1 << 30},
)
EXCEEDED = (TOO_MANY_WAITING, PROJECT_FULL)
"""Refusals that are no fault of what was asked for: a form cannot be mended."""
RETRY_SECONDS = 60
"""Jobs begin meanwhile."""


def check(session: Session) -> None:
    """`quotas.check`, at the end of a transaction that asked for jobs; raises `Rejected`."""
    with _told():
        quotas.check(session)


def check_room(most: int | None, stored: int, more: int = 1) -> None:
    """`quotas.check_room`; raises `Rejected`."""
    with _told():
        quotas.check_room(most, stored, more)


def grew(session: Session, size: int) -> None:
    """`quotas.grew`; raises `Rejected`."""
    with _told():
        quotas.grew(session, size)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except TooManyWaiting as error:
        flaw = Flaw(
            location="service", where="quota", what=str(error), accepted=f"at most {error.most} that wait"
        )
        later = {"Retry-After": str(RETRY_SECONDS)}
        raise Rejected(
            TOO_MANY_WAITING, str(error), flaw, headers=later, most=error.most, waiting=error.found
        ) from None
    except ProjectFull as error:
        flaw = Flaw(
            location="service", where="quota", what=str(error), accepted=f"at most {error.most} bytes"
        )
        raise Rejected(PROJECT_FULL, str(error), flaw, most=error.most, stored=error.found) from None
