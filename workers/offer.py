"""What this worker offers: as its settings declare it, else as the machine says."""

from __future__ import annotations

import os
import shutil
import subprocess

from core.jobs.placement import Offer
from core.settings import Settings

MIB = 2**20
ASK_SECONDS = 20.0


def offer_of(settings: Settings, slots: int) -> Offer:
    """The offer of a worker with these settings. A GPU of several machines' worker counts on each of them."""
    found = gpu_memories()
    gpus = len(found) if settings.gpus is None else settings.gpus
    declared = settings.gpu_memory_mib
    return Offer(
        slots=slots,
        memory=settings.memory_mib or _machine_memory(),
        gpus=gpus * settings.nodes,
        gpu_memory=(min(found[:gpus], default=0) if declared is None else declared) if gpus else 0,
        takes=settings.served,
    )


def gpu_memories() -> list[int]:
    """MiB of each NVIDIA GPU that a trainer would see here, by the driver's own tool: it need not import torch."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return visible(told, os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(told: str, chosen: str | None) -> list[int]:
    """The tool's lines, or those that `CUDA_VISIBLE_DEVICES` leaves: a number is a line's, anything else any one's."""
    memories = [int(line) for line in told.split()]
    if chosen is None:
        return memories
    names = [name.strip() for name in chosen.split(",") if name.strip()]
    if all(name.isdecimal() for name in names):
        return [memories[int(name)] for name in names if int(name) < len(memories)]
    return [min(memories)] * len(names) if memories else []


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
