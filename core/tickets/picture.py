"""A mask as a picture: rows are outputs, columns are inputs · kernel; a pixel is a weight, or a block of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.tickets.mask import Mask

MOST_SIDE = 2048
"""Pixels; a matrix with a longer side is drawn in blocks."""


@dataclass(frozen=True)
class Picture:
    """A mask, drawn. `rows` and `columns` are of the matrix, `block` the weights per pixel down and across.

    `density` has, for each pixel, the share of its weights that survive, float64: 0 or 1 where a block is one
    weight. Blocks at the lower and the right edge may be smaller.
    """

    rows: int
    columns: int
    block: tuple[int, int]
    density: NDArray[np.float64]

    @property
    def exact(self) -> bool:
        """Whether every pixel is one weight."""
        return self.block == (1, 1)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a tensor [outputs, inputs, kernel …]: outputs, and inputs · kernel; one row for a vector."""
    rows = shape[0] if len(shape) > 1 else 1
    return rows, int(np.prod(shape, dtype=np.int64)) // rows if rows else 0


def block_of(rows: int, columns: int, most: int = MOST_SIDE) -> tuple[int, int]:
    """Weights per pixel, down and across, so that neither side is longer than `most` pixels."""
    return max(1, -(-rows // most)), max(1, -(-columns // most))


def picture(mask: Mask, most: int = MOST_SIDE) -> Picture:
    """Draw a mask. Memory stays flat: one row of blocks is unpacked at a time."""
    rows, columns = matrix_shape(mask.shape)
    down, across = block_of(rows, columns, most)
    edges = np.arange(0, columns, across)
    widths = np.diff(edges, append=columns)
    lines = []
    for top in range(0, rows, down):
        height = min(down, rows - top)
        weights = _unpacked(mask, top * columns, height * columns).reshape(height, columns)
        survivors = np.add.reduceat(weights.sum(axis=0, dtype=np.int64), edges)
        lines.append(survivors / (widths * height))
    return Picture(rows, columns, (down, across), np.array(lines).reshape(len(lines), len(edges)))


def _unpacked(mask: Mask, start: int, count: int) -> NDArray[np.uint8]:
    first, skipped = divmod(start, 8)
    bits = mask.bits[first : -(-(start + count) // 8)]
    return np.unpackbits(bits, count=skipped + count, bitorder="little")[skipped:]
