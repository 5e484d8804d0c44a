"""The pickle of a `.pth`, in a zip that is sound: mutation never gets through the zip's checksums by itself."""

from __future__ import annotations

import pickle

from bench.fuzz import samples
from bench.fuzz.readers.pth import LIMIT
from core.interchange.failure import Unreadable
from core.interchange.opening import open_pth

REFUSED = (Unreadable,)
_STORAGES = samples.storages(samples.arrays())


def seeds() -> list[bytes]:
    """A state dict, and plain values in containers."""
    plain = {"epoch": 3, "nested": [{"a": (1, 2.5, None, True)}, "text"], "big": 1 << 40}
    return [samples.state_pickle(samples.arrays()), pickle.dumps(plain, 2)]


def read(data: bytes) -> None:
    """Open the `.pth` that holds this pickle."""
    open_pth(samples.pth(data, _STORAGES), LIMIT)
