"""A process's memory in huge pages: a fork then has a few hundred entries to copy, and not seventy thousand."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

SIZE = 2**21
_MADV_COLLAPSE = 25


def collapse() -> None:
    """Have the kernel gather what this process has written, where it can: Linux from 6.1 on, 2 MiB at a time."""
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end in _written():
        for page in range(-(-start // SIZE) * SIZE, end - SIZE + 1, SIZE):
            # What is not gathered stays as it is.
            madvise(page, SIZE, _MADV_COLLAPSE)


def _written() -> Iterator[tuple[int, int]]:
    """The private areas of no file that may be written."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, _, _, _, *path = line.split()
        if rights == "rw-p" and path in ([], ["[heap]"]):
            start, end = addresses.split("-")
            yield int(start, 16), int(end, 16)
