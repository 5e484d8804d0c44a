"""`.pth`, zip and all; what is opened has also passed the check that reads no values."""

from __future__ import annotations

from bench.fuzz import samples
from core.interchange.failure import Unreadable
from core.interchange.opening import check_pth, open_pth

REFUSED = (Unreadable,)
LIMIT = 1 << 20


def seeds() -> list[bytes]:
    """A state dict."""
    weights = samples.arrays()
    return [samples.pth(samples.state_pickle(weights), samples.storages(weights))]


def read(data: bytes) -> None:
    """Open, then check: the check must not refuse more."""
    open_pth(data, LIMIT)
    check_pth(data, LIMIT)
