"""What rates of transactions ask of a database server, by what each was measured to cost."""

from __future__ import annotations

from typing import Any, NamedTuple

CALM_SECONDS = 5.0
"""Between heartbeats of a fleet that has not much to tell."""
PRICED_AS = {
    "lose": "succeed",
    "give_back": "succeed",
    "claim in vain": "claim",
    "presence": "heartbeat",
    "announced again": "heartbeat",
}
"""What was not measured by itself writes no more than another."""


class Asked(NamedTuple):
    """A second: transactions, the server's processors, bytes of log."""

    transactions: float
    cores: float
    log_bytes: float


def asked_by(name: str, rate: float, costs: dict[str, Any]) -> Asked:
    """What one kind of transaction asks at such a rate."""
    cost = costs[PRICED_AS.get(name, name)]
    return Asked(rate, rate * cost["server_ms"] / 1000, rate * cost["log_bytes"])


def asked(found: dict[str, Any], costs: dict[str, Any], calm: float = 1.0, when: str = "most") -> Asked:
    """What all of them ask, with so many times the heartbeats. Each counts by its own busiest minute."""
    each = [
        asked_by(name, rates[when] * (calm if name == "heartbeat" else 1), costs)
        for name, rates in found["per_second"].items()
    ]
    return Asked(*map(sum, zip(*each, strict=True)))
