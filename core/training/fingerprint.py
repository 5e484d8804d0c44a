"""What "bit for bit" is claimed within, and what a training was computed with."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import numpy as np
import torch

from core.training.mode import Mode


@dataclass(frozen=True)
class Fingerprint:
    """The circumstances under which two runs of one training end in the same bits, if `exact`.

    `mode`: what else it was computed with, as `Mode` says it; `devices`: on how many, each with
    so many threads.
    """

    torch: str
    numpy: str
    device: str
    cpu_capability: str
    threads: int
    devices: int
    exact: bool
    mode: str


def fingerprint(device: torch.device, mode: Mode, devices: int = 1) -> Fingerprint:
    """The fingerprint of a training in this process on `device`."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return Fingerprint(
        torch=torch.__version__,
        numpy=np.__version__,
        device=f"{device.type} {name}",
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        devices=devices,
        exact=mode.exact,
        mode=str(mode),
    )
