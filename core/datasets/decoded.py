"""Many small JPEG files as one array, which is decoded once and then kept in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.errors import DatasetInvalid
from core.datasets.kept import kept

_Bytes = NDArray[np.uint8]


def decoded(paths: Sequence[Path], shape: tuple[int, int, int], cache: Path) -> _Bytes:
    """The images as uint8 [N, 3, H, W], grey ones as three equal channels; `shape` is [3, H, W].

    They are kept in `cache`. Raises `DatasetInvalid` naming the first file that is no such image.
    """

    def make() -> tuple[_Bytes]:
        images = np.empty((len(paths), *shape), np.uint8)
        for image, path in zip(images, paths, strict=True):
            image[:] = _decode(path, shape)
        return (images,)

    (images,) = kept(cache, 1, _fingerprint(paths, shape), make)
    return images


def _decode(path: Path, shape: tuple[int, int, int]) -> _Bytes:
    _, height, width = shape
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            if image.size != (width, height) or image.mode not in ("L", "RGB"):
                found = f"{image.mode} of {image.width}×{image.height}"
                raise DatasetInvalid(path, f"is {found} pixels, expected L or RGB of {width}×{height}")
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    except DatasetInvalid:
        raise
    except Exception as error:  # a malformed image can raise almost anything
        raise DatasetInvalid(path, f"is not a whole JPEG: {type(error).__name__}: {error}") from error


def _fingerprint(paths: Sequence[Path], shape: tuple[int, int, int]) -> bytes:
    """SHA-256 of names, sizes and times of change, in order: reading the files takes as long as decoding."""
    digest = hashlib.sha256(str(shape).encode())
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DatasetInvalid(path, f"cannot be read: {error.strerror}") from error
        digest.update(f"{'/'.join(path.parts[-3:])}\n{status.st_size}\n{status.st_mtime_ns}\n".encode())
    return digest.digest()
