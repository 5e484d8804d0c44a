"""Between a network in torch and named NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn


def state(model: nn.Module) -> dict[str, np.ndarray]:
    """All parameters and buffers, by name in state-dict order: copies that later training does not touch."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}


def load_state(model: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Copy the arrays into the model, wherever it lies.

    Raises RuntimeError unless the names and shapes are exactly the model's.
    """
    model.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
