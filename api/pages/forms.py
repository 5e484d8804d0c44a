"""What the pages' forms take, and what they say of a wrong field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(flaw: Mapping[str, Any]) -> str:
    """A problem document's flaw in words: what is wrong, and what would be accepted."""
    accepted = flaw.get("accepted")
    return f"{flaw['what']}; accepted: {accepted}" if accepted else str(flaw["what"])


def length(text: str) -> str:
    """A duration as it is typed: the unit of a bare number is epochs, which people mean."""
    return f"{text}ep" if text.isdecimal() else text
