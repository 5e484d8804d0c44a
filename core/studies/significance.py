"""Whether two rows of a table differ: the t-test for paired samples (Student, 1908), two-sided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.studies.table import spread


@dataclass(frozen=True)
class Difference:
    """A mean of differences between pairs, how many they are, and how likely one as large is by chance alone.

    `p` is None for one pair, and where all differences are the same: without a spread the test has nothing to hold the
    mean against, however large or small it is.
    """

    mean: float
    pairs: int
    p: float | None


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference | None:
    """Ours − theirs over the seeds that both have; None where they share none."""
    differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if not differences:
        return None
    found = spread(differences)
    # Accuracies are shares of a number of images: differences that differ by less are rounded apart.
    if found.std is None or found.std <= 1e-9:
        return Difference(found.mean, len(differences), None)
    t = found.mean / (found.std / math.sqrt(len(differences)))
    return Difference(found.mean, len(differences), _two_sided(len(differences) - 1, t))


def _two_sided(freedom: int, t: float) -> float:
    # Takes a third of a second to import, and few who import this ask for a table.
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(t)))
