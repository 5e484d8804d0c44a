"""JSON from untrusted bytes: no duplicate keys, no NaN, only integers that every reader keeps exactly."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from core.tickets.failure import Failure, InvalidTicket, quoted

LARGEST_INTEGER = 2**53 - 1


def loads(text: str, where: str) -> Any:
    """Parse `text`; every refusal is an `InvalidTicket` that names `where`."""

    def integer(digits: str) -> int:
        # Python itself refuses very long integers, with a ValueError of its own.
        value = int(digits) if len(digits) <= 17 else LARGEST_INTEGER + 1
        return value if abs(value) <= LARGEST_INTEGER else refuse_number(digits)

    def real(digits: str) -> float:
        value = float(digits)
        return value if math.isfinite(value) else refuse_number(digits)

    def refuse_number(digits: str) -> NoReturn:
        raise InvalidTicket(
            Failure.JSON_NUMBER, f"{where} ({quoted(digits)})", "finite numbers, integers within ±(2^53 − 1)"
        )

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InvalidTicket(Failure.JSON_DUPLICATE_KEY, f"{where} ({quoted(key)})", "each key once")
            found[key] = value
        return found

    try:
        return json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=integer,
            parse_float=real,
            parse_constant=refuse_number,
        )
    except json.JSONDecodeError as problem:
        raise InvalidTicket(
            Failure.JSON_SYNTAX, f"{where}, character {problem.pos}", "JSON (RFC 8259)"
        ) from None
    except RecursionError:
        raise InvalidTicket(Failure.JSON_DEPTH, where, "a few levels of nesting") from None


def whole_numbers(value: Any, most: int) -> tuple[int, ...] | None:
    """A JSON list of at most `most` integers, 0 or more; None for anything else."""
    if not isinstance(value, list) or len(value) > most:
        return None
    whole = all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value)
    return tuple(value) if whole else None
