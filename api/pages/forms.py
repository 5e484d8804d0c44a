"""Forms that change something: only from this installation's own pages; and what they say of a wrong field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request


async def _same_origin(request: Request) -> None:
    """403 for a form that another site made a browser send; what is no browser sends neither header."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = (
        site not in ("same-origin", "none") if site else origin is not None and _foreign(request, origin)
    )
    if foreign:
        raise HTTPException(403, "A form is accepted from this installation's own pages only.")


def _foreign(request: Request, origin: str) -> bool:
    return urlsplit(origin).netloc != request.headers.get("host", "")


SameOrigin = Depends(_same_origin)


def told(flaw: Mapping[str, Any]) -> str:
    """A problem document's flaw in words: what is wrong, and what would be accepted."""
    accepted = flaw.get("accepted")
    return f"{flaw['what']}; accepted: {accepted}" if accepted else str(flaw["what"])


def length(text: str) -> str:
    """A duration as it is typed: the unit of a bare number is epochs, which people mean."""
    return f"{text}ep" if text.isdecimal() else text
