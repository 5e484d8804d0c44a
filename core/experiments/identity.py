"""What makes two trainings the same: everything that their weights follow from, as one digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray

from core.datasets import Dataset
from core.families.architecture import Architecture
from core.jobs.identity import NUMERICS
from core.jobs.recipes import Recipe
from core.pruning.evolution import Evolution
from core.tickets.identity import digest
from core.training.fingerprint import Fingerprint

RECORD = 1
"""The version of what is kept of a finished training."""


def training_key(
    architecture: Architecture,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    weights: Mapping[str, NDArray[Any]],
    masks: Mapping[str, NDArray[np.bool_]],
    evolution: Evolution | None,
    start_step: int,
    end_step: int,
    shares: int,
    fingerprint: Fingerprint | None,
) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON (RFC 8785) of one training.

    Of the recipe `rewind` and `dense` do not count: they are about pruning, and the masks and steps say what came of
    them. Of the weights only those that survive count: a ticket is trained as IMP trains its level. The circumstances
    are given where the training is exact, for only within them its bits are. `shares`: into how many parts a batch is
    divided of which each is normalised by itself.
    """
    said: dict[str, Any] = {
        "numerics": NUMERICS,
        "record": RECORD,
        "architecture": architecture.name,
        "input": list(architecture.input),
        "classes": architecture.classes,
        "definition": architecture.definition,
        "dataset": dataset.name,
        "recipe": recipe.model_dump(mode="json", exclude={"rewind", "dense"}),
        "seed": seed,
        "start": start_step,
        "end": end_step,
        "shares": shares,
        "fingerprint": fingerprint and asdict(fingerprint),
        "weights": {name: _weights(values, masks.get(name)) for name, values in weights.items()},
        "masks": {name: digest(np.packbits(mask)) for name, mask in masks.items() if not mask.all()},
    }
    if evolution is not None:
        said["evolution"] = asdict(evolution)
    return sha256(rfc8785.dumps(said)).hexdigest()


def _weights(values: NDArray[Any], mask: NDArray[np.bool_] | None) -> list[Any]:
    if mask is not None:
        values = np.where(mask, values, values.dtype.type(0))
    return [str(values.dtype), list(values.shape), digest(values)]
