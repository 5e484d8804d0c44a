"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

import torch

_TELLING = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile", "bf16", "sve", "i8mm")


def cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0))


def machine() -> dict[str, Any]:
    """Processor, its vector extensions as far as they matter here, cores, and the versions that compute."""
    info = Path("/proc/cpuinfo").read_text()
    flags = set(_field(info, "flags|Features").split())
    return {
        "processor": _field(info, "model name") or platform.machine(),
        "family_model": " ".join(filter(None, (_field(info, "cpu family"), _field(info, "model")))),
        "cores": cores(),
        "extensions": [flag for flag in _TELLING if flag in flags],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _field(info: str, name: str) -> str:
    found = re.search(rf"^(?:{name})\s*:\s*(.*)$", info, re.MULTILINE)
    return found[1].strip() if found else ""
