"""Dense weights as a plain safetensors file: what any PyTorch program loads. Equal weights, equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save


def write_weights(weights: Mapping[str, NDArray[Any]], stream: BinaryIO) -> None:
    """Write a whole state dict under its own names, with no metadata: the digest of the file is the weights'."""
    stream.write(save({name: np.asarray(array, order="C") for name, array in weights.items()}))


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The state dict that `write_weights` wrote."""
    return dict(load_file(path))
