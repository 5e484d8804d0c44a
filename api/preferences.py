"""`Prefer: wait=N` (RFC 7240): how long a request would rather wait than be told to come back."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

LONGEST_WAIT = 60


async def _wait(
    prefer: Annotated[
        list[str] | None,
        Header(
            description=f"`wait=N`: answer with what was asked for, after at most N seconds (at most {LONGEST_WAIT})"
        ),
    ] = None,
) -> int | None:
    return preferred_wait(",".join(prefer or ()))


def preferred_wait(prefer: str) -> int | None:
    """The seconds that a `Prefer` header asks for; None where it asks for none."""
    found = re.search(r'(?:^|[,;])\s*wait\s*=\s*"?0*([0-9]+)"?\s*(?:[,;]|$)', prefer, re.I)
    return min(int(found[1][:4]), LONGEST_WAIT) if found else None


WaitDep = Annotated[int | None, Depends(_wait)]
"""Seconds; None where nothing is preferred."""
