"""`torch_prune`: the state dict of a network under `torch.nn.utils.prune`, as `load_state_dict` takes it strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.interchange.exports import pth
from core.interchange.exports.names import check_names
from core.interchange.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Write `NAME_orig` and `NAME_mask`, float32 as PyTorch holds it, in place of each prunable tensor `NAME`."""
    check_names(source.ticket.architecture, "torch_prune", "_orig", "_mask")
    state: dict[str, NDArray[Any]] = {}
    for name, array in source.ticket.weights().items():
        if name in source.ticket.masks:
            state[f"{name}_orig"] = array
            state[f"{name}_mask"] = source.ticket.masks[name].to_bool().astype(np.float32)
        else:
            state[name] = array
    pth.save(state, path)
