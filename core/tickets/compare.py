"""How much two tickets agree: in their masks against chance, and in their weights. Tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.tickets.mask import Mask
from core.tickets.ticket import Ticket


@dataclass(frozen=True)
class Overlap:
    """Two masks and the sparse weight vectors under them, counted: of one tensor, or summed over several.

    `chance_both` is the number of weights that both would keep if each mask were drawn uniformly among those
    with its number of survivors: n_a · n_b / size for one tensor. `dot`, `square_a` and `square_b` are the inner
    products of the weight vectors, zeros where pruned. `same_sign` counts, among the weights that survive in both,
    those whose values have one sign.
    """

    size: int
    survivors_a: int
    survivors_b: int
    both: int
    chance_both: float
    dot: float
    square_a: float
    square_b: float
    same_sign: int

    @property
    def iou(self) -> float | None:
        """|a and b| / |a or b|; None where both masks are empty."""
        return self._share(self.both)

    @property
    def chance(self) -> float | None:
        """The IoU to expect of independent random masks, taken as E|and| / (n_a + n_b − E|and|)."""
        return self._share(self.chance_both)

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between the weight vectors; None where one of them is zero."""
        if not self.square_a or not self.square_b:
            return None
        cosine = self.dot / (math.sqrt(self.square_a) * math.sqrt(self.square_b))
        return min(1.0, max(-1.0, cosine))

    @property
    def sign_agreement(self) -> float | None:
        """The share of the weights in both whose signs agree; None where none survives in both."""
        return self.same_sign / self.both if self.both else None

    def _share(self, both: float) -> float | None:
        either = self.survivors_a + self.survivors_b - both
        return both / either if either else None


@dataclass(frozen=True)
class Comparison:
    """Two tickets side by side. `tensors` are the prunable tensors that both have in equal shape; `total` sums them.

    `only_a`, `only_b` and `other_shape` name the prunable tensors that cannot be compared.
    """

    tensors: Mapping[str, Overlap]
    total: Overlap
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    other_shape: tuple[str, ...]


def compare(a: Ticket, b: Ticket) -> Comparison:
    """Compare two tickets, of one architecture or not; tensors stand in the state-dict order of `a`."""
    names_a, names_b = ([spec.name for spec in ticket.architecture.prunable] for ticket in (a, b))
    common = [name for name in names_a if name in b.masks]
    alike = [name for name in common if a.masks[name].shape == b.masks[name].shape]
    tensors = {name: overlap(a.masks[name], a.kept[name], b.masks[name], b.kept[name]) for name in alike}
    return Comparison(
        tensors,
        _total(tensors.values()),
        only_a=tuple(name for name in names_a if name not in b.masks),
        only_b=tuple(name for name in names_b if name not in a.masks),
        other_shape=tuple(name for name in common if name not in tensors),
    )


def overlap(mask_a: Mask, kept_a: NDArray[np.float32], mask_b: Mask, kept_b: NDArray[np.float32]) -> Overlap:
    """Compare one tensor of two tickets; both masks have one shape."""
    both = Mask(mask_a.shape, np.bitwise_and(mask_a.bits, mask_b.bits))
    shared = both.to_bool()
    shared_a, shared_b = kept_a[shared[mask_a.to_bool()]], kept_b[shared[mask_b.to_bool()]]
    return Overlap(
        size=both.size,
        survivors_a=mask_a.survivors,
        survivors_b=mask_b.survivors,
        both=both.survivors,
        chance_both=mask_a.survivors * mask_b.survivors / both.size,
        dot=_inner(shared_a, shared_b),
        square_a=_inner(kept_a, kept_a),
        square_b=_inner(kept_b, kept_b),
        same_sign=int((np.sign(shared_a) == np.sign(shared_b)).sum()),
    )


def _inner(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    return float(np.multiply(x, y, dtype=np.float64).sum())


def _total(overlaps: Iterable[Overlap]) -> Overlap:
    parts = tuple(overlaps)
    return Overlap(
        size=sum(part.size for part in parts),
        survivors_a=sum(part.survivors_a for part in parts),
        survivors_b=sum(part.survivors_b for part in parts),
        both=sum(part.both for part in parts),
        chance_both=math.fsum(part.chance_both for part in parts),
        dot=math.fsum(part.dot for part in parts),
        square_a=math.fsum(part.square_a for part in parts),
        square_b=math.fsum(part.square_b for part in parts),
        same_sign=sum(part.same_sign for part in parts),
    )
