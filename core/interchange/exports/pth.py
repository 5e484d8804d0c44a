"""State dicts as `torch.save` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray


def save(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write arrays as a plain dict of CPU tensors, which `torch.load(path, weights_only=True)` opens."""
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    # Given a path, torch would write the file's name into the archive: equal tickets would differ.
    with path.open("wb") as stream:
        torch.save(state, stream)
