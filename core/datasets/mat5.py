"""MATLAB files of version 5, as far as arrays of numbers go ("MAT-File Format", The MathWorks, chapter 1).

SciPy's reader looks up a type that the file names without asking whether there is one: a single wrong byte
ends the process.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.errors import DatasetInvalid

_HEADER = 128
_LITTLE_ENDIAN_5 = b"\x00\x01IM"
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC = range(6, 16)  # classes of arrays: double, single, and integers of 8 … 64 bits
_STORED = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}

_Array = NDArray[np.generic]


def arrays(path: Path, limit: int) -> dict[str, _Array]:
    """The file's real, dense arrays of numbers by name, read-only, in the type that they are stored in.

    MATLAB stores numbers in the smallest type that holds them all, whatever their class. Raises
    `DatasetInvalid` on a damaged file, one of another version, and one that unpacks to more than `limit`
    bytes for an array.
    """
    content = memoryview(path.read_bytes())
    if content[_HEADER - 4 : _HEADER] != _LITTLE_ENDIAN_5:
        raise DatasetInvalid(path, "is not a MATLAB file of version 5, little-endian")
    found: dict[str, _Array] = {}
    try:
        for kind, body in _elements(content[_HEADER:]):
            if kind == _COMPRESSED:
                kind, body = next(_elements(_unpacked(body, limit)), (0, body))
            if kind == _MATRIX:
                found.update(_array(body))
    except (ValueError, struct.error, zlib.error) as error:
        raise DatasetInvalid(path, f"is not a whole MATLAB file: {error}") from error
    return found


def _elements(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of each data element; up to four bytes may stand in the tag itself."""
    position = 0
    while position < len(content):
        kind, size = struct.unpack_from("<2I", content, position)
        start = position + 8
        position = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if kind >> 16:
            kind, size, start, position = kind & 0xFFFF, kind >> 16, start - 4, start
        left = min(len(content), position) - start
        if size > left:
            raise ValueError(f"an element of {size} bytes has {left} left")
        yield kind, content[start : start + size]


def _unpacked(content: memoryview, limit: int) -> memoryview:
    stream = zlib.decompressobj()
    unpacked = stream.decompress(content, limit)
    if not stream.eof:
        raise ValueError(f"an array unpacks to more than {limit} bytes, or is cut off")
    return memoryview(unpacked)


def _array(content: memoryview) -> dict[str, _Array]:
    """One array by its name; nothing if it is of another class than numbers."""
    flags, *rest = islice(_elements(content), 5)  # dimensions, name, real part and imaginary part
    class_, *_ = struct.unpack("<2I", flags[1])
    if class_ & 0xFF not in _NUMERIC:
        return {}
    (_, dimensions), (_, name), *parts = rest
    if len(parts) != 1 or parts[0][0] not in _STORED:
        raise ValueError(f"an array is stored as {[kind for kind, _ in parts]}, not as numbers of one type")
    ((stored, values),) = parts
    shape = np.frombuffer(dimensions, "<u4").tolist()
    return {bytes(name).decode("ascii"): np.frombuffer(values, _STORED[stored]).reshape(shape, order="F")}
