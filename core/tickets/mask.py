"""One boolean tensor, packed eight weights to the byte."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.tickets.arrays import read_only
from core.tickets.failure import Failure, InvalidTicket


def packed_size(size: int) -> int:
    """Bytes that the mask of `size` weights occupies: ⌈size / 8⌉."""
    return -(-size // 8)


@dataclass(frozen=True, eq=False)
class Mask:
    """The mask of one prunable tensor: 1 where a weight survives.

    `bits` is uint8, row-major, little bit order: weight i is bit i mod 8 of byte ⌊i / 8⌋. It has ⌈size / 8⌉
    bytes, and the padding bits of the last one are zero, so that equal masks have equal bytes. Raises
    `InvalidTicket` otherwise.
    """

    shape: tuple[int, ...]
    bits: NDArray[np.uint8]

    def __post_init__(self) -> None:
        expected = packed_size(self.size)
        if self.bits.dtype != np.uint8:
            raise InvalidTicket(Failure.TENSOR_DTYPE, "bits", "uint8")
        if self.bits.shape != (expected,):
            raise InvalidTicket(Failure.TENSOR_SHAPE, "bits", f"shape [{expected}] for {self.size} weights")
        if self.size % 8 and int(self.bits[-1]) >> self.size % 8:
            raise InvalidTicket(Failure.MASK_PADDING, "bits", "zero bits after the last weight")
        object.__setattr__(self, "bits", read_only(self.bits))

    @classmethod
    def from_bool(cls, array: ArrayLike) -> Mask:
        """Pack a boolean array of any shape."""
        boolean = np.asarray(array)
        if boolean.dtype != np.bool_:
            raise InvalidTicket(Failure.TENSOR_DTYPE, "mask", "a boolean array")
        return cls(boolean.shape, np.packbits(boolean.reshape(-1), bitorder="little"))

    def to_bool(self) -> NDArray[np.bool_]:
        """The mask as a new boolean array of its shape."""
        return np.unpackbits(self.bits, count=self.size, bitorder="little").view(np.bool_).reshape(self.shape)

    @property
    def size(self) -> int:
        """Number of weights, pruned ones included."""
        return math.prod(self.shape)

    @cached_property
    def survivors(self) -> int:
        """Number of surviving weights, exactly."""
        return int(np.bitwise_count(self.bits).sum(dtype=np.int64))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.bits, other.bits)

    def __hash__(self) -> int:
        return hash((self.shape, self.bits.tobytes()))
