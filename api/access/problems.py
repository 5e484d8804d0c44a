"""How those are answered who may not."""

from __future__ import annotations

from api.problems import Flaw, ProblemKind, Rejected
from core.catalog.keys import SCOPES, Scope
from core.catalog.scope import DEFAULT

UNAUTHENTICATED = ProblemKind(
    "unauthenticated",
    401,
    "An API key is needed",
    "An API key is needed: send it as Authorization: Bearer elk_…",
)
FORBIDDEN = ProblemKind(
    "forbidden",
    403,
    "The API key does not allow this",
    "This needs a key of scope write; that of this request is of scope read.",
    {"scope": "write"},
)


_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def unauthenticated(why: str) -> Rejected:
    """The refusal of a stranger."""
    accepted = "Bearer, and an API key that has neither expired nor been revoked"
    flaw = Flaw(location="header", where="Authorization", what=why, accepted=accepted)
    return Rejected(UNAUTHENTICATED, f"An API key is needed: {why}.", flaw, headers=_CHALLENGE)


def forbidden(needed: Scope, has: Scope) -> Rejected:
    """The refusal of a key of too small a scope."""
    enough = " or ".join(SCOPES[SCOPES.index(needed) :])
    detail = f"This needs a key of scope {needed}; that of this request is of scope {has}."
    flaw = Flaw(location="header", where="Authorization", what=f"scope {has}", accepted=enough)
    return Rejected(FORBIDDEN, detail, flaw, scope=needed)


def not_the_operator(needed: Scope) -> Rejected:
    """The refusal of another project's key to what is of the whole installation."""
    accepted = f"a key of scope {needed} of the project {DEFAULT}"
    flaw = Flaw(location="header", where="Authorization", what="a key of another project", accepted=accepted)
    return Rejected(FORBIDDEN, f"This is of all projects: it needs {accepted}.", flaw, scope=needed)
