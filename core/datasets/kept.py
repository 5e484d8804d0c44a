"""What takes long to make from many files, kept in one file beside them."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Arrays = tuple[NDArray[Any], ...]


def kept(cache: Path, count: int, fingerprint: bytes, make: Callable[[], Arrays]) -> Arrays:
    """The `count` arrays that `make` yields; read from `cache` where that was made from the same files.

    `fingerprint` stands for the files. The cache is a sequence of `.npy` arrays, the last of them a SHA-256 of the
    fingerprint and of the other arrays' types and shapes. Anything else that is found there is replaced.
    """
    found = _read(cache, count, fingerprint)
    if found is None:
        found = make()
        _write(cache, found, fingerprint)
    return found


def _seal(arrays: Sequence[NDArray[Any]], fingerprint: bytes) -> NDArray[np.uint8]:
    of = "".join(f"{array.dtype.str}{array.shape}" for array in arrays)
    return np.frombuffer(hashlib.sha256(fingerprint + of.encode()).digest(), np.uint8)


def _read(cache: Path, count: int, fingerprint: bytes) -> Arrays | None:
    try:
        with cache.open("rb") as stream:
            *arrays, seal = (npy.read_array(stream) for _ in range(count + 1))
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged cache can raise almost anything
        log.warning("%s is made anew: %s: %s", cache, type(error).__name__, error)
        return None
    if not np.array_equal(seal, _seal(arrays, fingerprint)):
        log.warning("%s is made anew: it is not of the files that are there now", cache)
        return None
    return tuple(arrays)


def _write(cache: Path, arrays: Arrays, fingerprint: bytes) -> None:
    """Put the whole file in place at once; without room or permission the arrays are used unkept."""
    try:
        with tempfile.TemporaryDirectory(dir=cache.parent, prefix=".making-") as folder:
            complete = Path(folder) / cache.name
            with complete.open("wb") as stream:
                for array in (*arrays, _seal(arrays, fingerprint)):
                    npy.write_array(stream, array)
                stream.flush()
                os.fsync(stream.fileno())
            complete.replace(cache)
    except OSError as error:
        log.warning("%s is not kept: %s", cache, error)
