"""scikit-learn's bundled digits: 1,797 images of 8×8, always there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.datasets.draws import Purpose, permutation
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts


def read(facts: DatasetFacts, files: Sequence[Path] = ()) -> Splits:
    """The digits, pixels 0 … 16, split once and for all by a fixed permutation."""
    from sklearn.datasets import load_digits  # two seconds to import, and only this reader needs it

    pixels, labels = load_digits(return_X_y=True)
    order = permutation(Purpose.SPLIT, seed=0, epoch=0, n=len(labels))
    images = pixels.astype(np.uint8).reshape(-1, *facts.input)[order]
    classes = labels.astype(np.int64)[order]
    return Splits(
        images[: facts.train], classes[: facts.train], images[facts.train :], classes[facts.train :]
    )
