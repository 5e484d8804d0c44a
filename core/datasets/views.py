"""Which part of a photograph a network is shown: a random one in training, the middle in test."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 10
_LEAST_AREA = 0.08
_LEAST_RATIO, _LARGEST_RATIO = 3 / 4, 4 / 3

# Of each image: area and ratio of every attempt, row, column, mirror, and one that nobody needs: whole Philox blocks.
NUMBERS = 2 * _ATTEMPTS + 4


class View(NamedTuple):
    """A part of an image, in its pixels, which need not be whole ones; and whether it is shown mirrored."""

    left: float
    top: float
    width: float
    height: float
    mirrored: bool


def random_view(numbers: NDArray[np.uint64], width: int, height: int) -> View:
    """A part of 8 to 100 % of the area and a width/height of 3/4 to 4/3 (Szegedy et al., 2015, section 6).

    A pure function of `NUMBERS` uniform 64-bit numbers. As in the customary implementation there are ten attempts
    at a part that fits; after them the middle, as large as the ratios allow.
    """
    *attempts, column, row, mirror, _ = numbers.tolist()
    part_width, part_height = _size(attempts, width, height)
    if part_width:
        left, top = column % (width - part_width + 1), row % (height - part_height + 1)
    else:
        part_width = min(width, round(height * _LARGEST_RATIO))
        part_height = min(height, round(width / _LEAST_RATIO))
        left, top = (width - part_width) // 2, (height - part_height) // 2
    return View(left, top, part_width, part_height, mirror % 2 == 1)


def _size(attempts: list[int], width: int, height: int) -> tuple[int, int]:
    """The first that fits, or 0 × 0."""
    low, high = math.log(_LEAST_RATIO), math.log(_LARGEST_RATIO)
    for of_area, of_ratio in zip(attempts[::2], attempts[1::2], strict=True):
        area = width * height * (_LEAST_AREA + _fraction(of_area) * (1 - _LEAST_AREA))
        ratio = math.exp(low + _fraction(of_ratio) * (high - low))
        part_width, part_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < part_width <= width and 0 < part_height <= height:
            return part_width, part_height
    return 0, 0


def _fraction(number: int) -> float:
    """In [0, 1), from the upper 53 of 64 bits."""
    return (number >> 11) * 2.0**-53


def central_view(size: int, width: int, height: int) -> View:
    """The middle `size` × `size` pixels of the image resized to 8/7 of it on the short side: 224 of 256."""
    short = size * 8 // 7
    resized_width, resized_height = short * width // min(width, height), short * height // min(width, height)
    left, top = round((resized_width - size) / 2), round((resized_height - size) / 2)
    column, row = width / resized_width, height / resized_height
    return View(left * column, top * row, size * column, size * row, False)
