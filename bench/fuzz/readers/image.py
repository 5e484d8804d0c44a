"""JPEG and PNG of the folders of ImageNet's kind."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from bench.fuzz.reader import Scratch
from core.datasets.decoding import decode
from core.datasets.errors import DatasetInvalid

REFUSED = (DatasetInvalid,)
_SCRATCH = Scratch()
_SIDE = 8


def seeds() -> list[bytes]:
    """Small pictures in colour and in grey."""
    made = []
    for form, mode in (("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "P"), ("PNG", "L")):
        stream = io.BytesIO()
        Image.new(mode, (12, 9)).save(stream, form)
        made.append(stream.getvalue())
    return made


def read(data: bytes) -> None:
    """Decode the central view."""
    pixels = decode(str(_SCRATCH.file(data)), None, _SIDE)
    assert pixels.shape == (_SIDE, _SIDE, 3), "another shape"
    assert pixels.dtype == np.uint8, "another type"
