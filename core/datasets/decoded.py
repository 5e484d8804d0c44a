"""Many small JPEG files as one array, which is decoded once and then kept in a file."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image

from core.datasets.errors import DatasetInvalid

log = logging.getLogger(__name__)

_Bytes = NDArray[np.uint8]


def decoded(paths: Sequence[Path], shape: tuple[int, int, int], cache: Path) -> _Bytes:
    """The images as uint8 [N, 3, H, W], grey ones as three equal channels; `shape` is [3, H, W].

    They come from `cache`, a `.npy` file followed by the fingerprint of what it was decoded from; anything
    else that is found there is replaced. Raises `DatasetInvalid` naming the first file that is no such image.
    """
    fingerprint = _fingerprint(paths)
    kept = _kept(cache, (len(paths), *shape), fingerprint)
    if kept is not None:
        return kept
    images = np.empty((len(paths), *shape), np.uint8)
    for image, path in zip(images, paths, strict=True):
        image[:] = _decode(path, shape)
    _keep(cache, images, fingerprint)
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


def _fingerprint(paths: Sequence[Path]) -> _Bytes:
    """SHA-256 of names, sizes and times of change, in order: reading the files takes as long as decoding."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DatasetInvalid(path, f"cannot be read: {error.strerror}") from error
        digest.update(f"{'/'.join(path.parts[-3:])}\n{status.st_size}\n{status.st_mtime_ns}\n".encode())
    return np.frombuffer(digest.digest(), np.uint8)


def _kept(cache: Path, shape: tuple[int, ...], fingerprint: _Bytes) -> _Bytes | None:
    try:
        with cache.open("rb") as stream:
            images, of = npy.read_array(stream), npy.read_array(stream)
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged cache can raise almost anything
        log.warning("%s is decoded anew: %s: %s", cache, type(error).__name__, error)
        return None
    if images.dtype != np.uint8 or images.shape != shape or not np.array_equal(of, fingerprint):
        log.warning("%s is decoded anew: it is not of these images", cache)
        return None
    return cast(_Bytes, images)


def _keep(cache: Path, images: _Bytes, fingerprint: _Bytes) -> None:
    """Put the whole file in place at once; without room or permission the images are used unkept."""
    try:
        with tempfile.TemporaryDirectory(dir=cache.parent, prefix=".decoding-") as folder:
            complete = Path(folder) / cache.name
            with complete.open("wb") as stream:
                npy.write_array(stream, images)
                npy.write_array(stream, fingerprint)
                stream.flush()
                os.fsync(stream.fileno())
            complete.replace(cache)
    except OSError as error:
        log.warning("%s is not kept: %s", cache, error)
