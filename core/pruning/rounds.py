"""Pruning in several rounds: how much each of them leaves, and that what is pruned stays so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.pruning.select import Choose
from core.pruning.selection import Masks, Scores


def schedule(everything: int, survivors: int, rounds: int) -> list[int]:
    """Survivors after every round, from nearly `everything` down to exactly `survivors`, by equal factors.

    ⌈everything · ρ^(e / rounds)⌉ after round e = 1 … rounds, with ρ = survivors / everything: in exact integers, so
    that no machine's power function has a say. Raises `ValueError` unless 0 ≤ survivors ≤ everything and 1 ≤ rounds.
    """
    if not (0 <= survivors <= everything and rounds >= 1):
        raise ValueError(f"no schedule leads from {everything} weights to {survivors} in {rounds} rounds")
    counts = []
    for e in range(1, rounds + 1):
        # The smallest count with count^rounds ≥ everything^(rounds − e) · survivors^e; floats know it to within one.
        power = everything ** (rounds - e) * survivors**e
        count = round(everything * (survivors / everything) ** (e / rounds)) if everything else 0
        while count**rounds < power:
            count += 1
        while count > 0 and (count - 1) ** rounds >= power:
            count -= 1
        counts.append(count)
    return counts


def narrowed(
    choose: Choose, scores: Scores, masks: Mapping[str, NDArray[np.bool_]], kept: int, last: int
) -> Masks:
    """The choice of `kept` weights among the survivors of `masks`; scores of survivors must not be negative.

    Layer by layer a smaller budget may, by the rounding of remainders, give a layer one weight more. So that none has
    to be revived for it, what the `last` round's budget would choose now is kept too.
    """
    below = {
        name: np.where(masks[name], score, np.asarray(-1, score.dtype)) for name, score in scores.items()
    }
    chosen = choose(below, kept)
    if kept == last:
        return chosen
    final = choose(below, last)
    return {name: (chosen[name] | final[name]) & masks[name] for name in scores}
