"""What goes wrong with a request, as one exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Flaw:
    """One thing that is wrong: where, and what would be accepted there."""

    location: str
    where: str
    what: str
    accepted: str | None = None


class ApiError(RuntimeError):
    """The server refused, or could not be reached.

    `kind` names the problem (`not-found`, `invalid-request`; `unreachable` where there was no answer), `detail` says it
    in a sentence, `errors` say what is wrong where. `members` is whatever else the problem document says (RFC 9457).
    `passing`: the same request may be answered later.
    """

    def __init__(
        self,
        detail: str,
        errors: Sequence[Flaw] = (),
        status: int | None = None,
        kind: str = "unreachable",
        members: Mapping[str, Any] | None = None,
        *,
        passing: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.status = status
        self.kind = kind
        self.members = dict(members or {})
        self.passing = passing

    @classmethod
    def of(cls, response: httpx.Response) -> ApiError:
        """The error of an answer: a problem document, or whatever else came back."""
        try:
            problem = dict(response.json())
            detail = str(problem.pop("detail"))
            flaws = [Flaw(one.pop("in", ""), **one) for one in problem.pop("errors", ())]
        except (ValueError, KeyError, TypeError, AttributeError):
            problem, flaws = {}, []
            detail = f"{response.status_code} {response.reason_phrase}".strip()
        given = str(problem.pop("type", ""))
        title = str(problem.pop("title", ""))
        kind = given.rpartition(":")[2] if given.startswith("urn:") else title.lower().replace(" ", "-")
        problem.pop("status", None)
        status = response.status_code
        return cls(detail, flaws, status, kind or f"http-{status}", problem, passing=status >= 500)

    def lines(self) -> list[str]:
        """For people: the detail, then what the flaws say beyond it."""
        return [self.detail, *(f"  {line}" for flaw in self.errors if (line := self._beyond(flaw)))]

    def _beyond(self, flaw: Flaw) -> str | None:
        more = [] if flaw.what in self.detail else [flaw.what]
        more += [f"accepted: {flaw.accepted}"] if flaw.accepted else []
        return f"{flaw.where or flaw.location}: {'; '.join(more)}" if more else None
