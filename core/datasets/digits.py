"""scikit-learn's bundled digits: 1,797 images of 8×8, always there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.draws import Purpose, permutation
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts


@lru_cache(maxsize=1)
def bundled() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels [N, 64] and labels [N] in their own order, not to be written to: parsing them takes tens of ms."""
    # Not by load_digits: to import that takes two seconds, and 54 MB that every trainer's start would copy tables of.
    package = find_spec("sklearn")
    assert package is not None
    assert package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return table[:, :-1], table[:, -1].astype(np.int64)


def read(facts: DatasetFacts, files: Sequence[Path] = ()) -> Splits:
    """The digits, pixels 0 … 16, split once and for all by a fixed permutation."""
    pixels, labels = bundled()
    order = permutation(Purpose.SPLIT, seed=0, epoch=0, n=len(labels))
    images, classes = pixels.reshape(-1, *facts.input)[order], labels[order]
    return Splits(
        images[: facts.train], classes[: facts.train], images[facts.train :], classes[facts.train :]
    )
