"""How numbers, times and identifiers read on a page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from core.studies import table

_PREFIXES = {-3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P"}


def count(number: int) -> str:
    """28973 → 28,973."""
    return f"{number:,}"


def percent(share: float, digits: int = 2) -> str:
    """0.8926 → 89.26 %."""
    return f"{share * 100:.{digits}f} %"


def spread(shares: Sequence[float]) -> str:
    """Mean ± sample standard deviation (n − 1) in percent; one value alone has no deviation."""
    return f"{table.spread([share * 100 for share in shares]):.2f} %"


def short(identity: str) -> str:
    """The first characters of an id: enough to tell it apart at a glance."""
    return identity[:8]


def size(number: int) -> str:
    """A number of bytes in decimal units."""
    if number < 1000:
        return f"{number} B"
    power = min(int(math.log10(number)) // 3, 4)
    return f"{number / 1000**power:.1f} {'kMGT'[power - 1]}B"


def scaled(number: float, unit: str) -> str:
    """Three digits with a prefix: 0.00214 s → 2.14 ms, 40,800,000 FLOP → 40.8 MFLOP."""
    if number <= 0:
        return f"0 {unit}"
    # Rounded first: 999.6 is 1.00 k, and not 1000.
    power = math.floor(math.log10(float(f"{number:.3g}")))
    prefix = min(max(power // 3, -3), 5)
    digits = min(max(2 - (power - 3 * prefix), 0), 2)
    return f"{number / 1000.0**prefix:.{digits}f} {_PREFIXES[prefix]}{unit}"


def duration(seconds: float) -> str:
    """Seconds at a human resolution: 0.4 s, 48 s, 3 min 12 s, 2 h 05 min, 3 d 4 h."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def ago(seconds: float) -> str:
    """How long something is past, coarsely."""
    if seconds < 5:
        return "just now"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    raise AssertionError("five seconds are at least one")


def iso(at: float) -> str:
    """Seconds since 1970 as an RFC 3339 time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def utc(at: float) -> str:
    """The same, to be read."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def numbers(values: Sequence[int]) -> str:
    """Whole numbers, runs of three or more joined: 0–2, 5."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(parts)


def pretty(value: Any) -> str:
    """JSON to be read."""
    return json.dumps(value, indent=2, ensure_ascii=False)
