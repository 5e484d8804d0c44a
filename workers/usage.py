"""What a trainer takes of its machine: memory and cores of its processes, and what its GPUs are at."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil

EVERY_SECONDS = 10.0


class Usage:
    """Looked at every `EVERY_SECONDS`; a trainer is the process `pid` and those that it started.

    `gpus`: the numbers of those that it was given, among those that its worker sees; None: all of them.
    """

    def __init__(self, pid: int, gpus: Sequence[int] | None = None) -> None:
        self._pid = pid
        self._numbers = gpus
        self._looked = time.monotonic()
        self._worked = 0.0

    def look(self) -> dict[str, Any] | None:
        """`memory_bytes` (resident) and `cores` (the mean since the last look) of the processes, and with GPUs
        `device_memory_bytes` and `device_memory_total_bytes` of all, `device_busy` (0 to 1) on average, whoever uses
        them.

        None where it is not time yet, or the trainer has ended.
        """
        now = time.monotonic()
        if now - self._looked < EVERY_SECONDS:
            return None
        memory, worked = self._processes()
        cores = max(0.0, worked - self._worked) / (now - self._looked)
        self._looked, self._worked = now, worked
        return {"memory_bytes": memory, "cores": round(cores, 3), **_gpus(self._numbers)} if memory else None

    def _processes(self) -> tuple[int, float]:
        """Bytes, and seconds of processors, of the trainer's processes that live."""
        memory, worked = 0, 0.0
        with suppress(psutil.Error):
            trainer = psutil.Process(self._pid)
            for process in (trainer, *trainer.children(recursive=True)):
                with suppress(psutil.Error), process.oneshot():
                    memory += process.memory_info().rss
                    times = process.cpu_times()
                    worked += times.user + times.system
        return memory, worked


def _gpus(numbers: Sequence[int] | None) -> dict[str, Any]:
    """Of GPUs; nothing where there are none, or no library that tells."""
    if numbers is not None and not numbers:
        return {}
    try:
        import pynvml

        pynvml.nvmlInit()
        try:
            names = _given(_visible(pynvml.nvmlDeviceGetCount()), numbers)
            handles = [_handle(pynvml, name) for name in names]
            memory = [pynvml.nvmlDeviceGetMemoryInfo(handle) for handle in handles]
            busy = [pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100 for handle in handles]
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # no driver, a MIG slice that tells less, a name that is none
        return {}
    if not handles:
        return {}
    return {
        "device_memory_bytes": sum(one.used for one in memory),
        "device_memory_total_bytes": sum(one.total for one in memory),
        "device_busy": sum(busy) / len(busy),
    }


def _visible(count: int) -> list[str]:
    """The numbers or UUIDs in CUDA_VISIBLE_DEVICES; without it, all."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [str(number) for number in range(count)]
    return [name.strip() for name in chosen.split(",") if name.strip() and name.strip() != "-1"]


def _given(names: Sequence[str], numbers: Sequence[int] | None) -> list[str]:
    return list(names) if numbers is None else [names[number] for number in numbers if number < len(names)]


def _handle(pynvml: Any, name: str) -> Any:
    if name.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
