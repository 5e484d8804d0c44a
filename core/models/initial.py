"""The weights that a training starts from when there are none yet."""

from __future__ import annotations

import numpy as np
import torch

from core.families.architecture import Architecture
from core.families.definition import TIMM
from core.families.initialisation import initialise
from core.models import build
from core.models.state import state


def initial(architecture: Architecture, seed: int) -> dict[str, np.ndarray]:
    """The whole state dict at step 0. timm's models draw it themselves, from torch's generator at this seed."""
    if not architecture.name.startswith(TIMM):
        return initialise(architecture, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return state(build(architecture))
