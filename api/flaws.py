"""What pydantic found wrong, in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from api.problems import Flaw


def flaws(errors: Iterable[Mapping[str, Any]]) -> list[Flaw]:
    """Pydantic's error list in our words, without the offending input."""
    return [_flaw(error) for error in errors]


def _flaw(error: Mapping[str, Any]) -> Flaw:
    location, *path = error["loc"] or ("body",)
    if error["type"] == "json_invalid":
        what = f"not JSON: {error['ctx']['error']} at character {path[0]}"
        return Flaw(location="body", where="", what=what, accepted="JSON (RFC 8259)")
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in path]
    where = "".join(f"/{part}" for part in parts) if location == "body" else ".".join(parts)
    what = error["msg"].removeprefix("Value error, ")
    return Flaw(location=str(location), where=where, what=what, accepted=_accepted(error))


_LIMITS = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}"}
_OTHERS = {
    "expected": "{}",
    "pattern": "text that matches {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}


def _accepted(error: Mapping[str, Any]) -> str | None:
    if error["type"] == "extra_forbidden":
        return "only the documented fields"
    context = error.get("ctx", {})
    words = [text.format(_shown(context[key])) for key, text in (_LIMITS | _OTHERS).items() if key in context]
    return ", ".join(words) or None


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
