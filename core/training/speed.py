"""How fast a training went, and what it took from the machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from core.training.clock import Clock
from core.training.mode import Mode

_CPU_ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


@dataclass(frozen=True)
class Speed:
    """One training, or several trained at once (`replicates`), over all attempts that its saved states know of.

    `images`: trained on, by all of them; `images_per_second`: the same, while training; `step_seconds`: the mean parts
    of a step of all of them, sampled; `evaluation_seconds`: spent on the test images; `peak_memory_bytes`: of the
    device, on a CPU of the process; `energy_joules`: of the whole device meanwhile, where it tells.
    """

    mode: str
    replicates: int
    images: int
    images_per_second: float | None
    step_seconds: dict[str, float]
    evaluation_seconds: float
    peak_memory_bytes: int | None
    energy_joules: float | None


class Speedometer:
    """Measures from its making on, and adds to what was measured `before` the training was resumed."""

    def __init__(
        self, device: torch.device, mode: Mode, replicates: int, before: Speed | None = None
    ) -> None:
        self._device, self._mode, self._replicates = device, mode, replicates
        self._before = before
        self.clock = Clock(device)
        self._images = 0
        self._evaluating = 0.0
        self._energy = _energy(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self._begun

    def saw(self, images: int) -> None:
        """So many images were trained on."""
        self._images += images

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """What is done within is no training."""
        before = time.perf_counter()
        yield
        self._evaluating += time.perf_counter() - before

    def reading(self) -> Speed:
        """What was measured so far; of a training that is only read back, what was measured then."""
        if self._before is not None and not self._images:
            return self._before
        training = self.seconds - self._evaluating
        energy = _energy(self._device)
        here = Speed(
            mode=str(self._mode),
            replicates=self._replicates,
            images=self._images,
            images_per_second=self._images / training if self._images else None,
            step_seconds=self.clock.split(),
            evaluation_seconds=self._evaluating,
            peak_memory_bytes=_peak_memory(self._device),
            energy_joules=None if energy is None or self._energy is None else energy - self._energy,
        )
        return here if self._before is None else _together(self._before, here)


def _together(before: Speed, here: Speed) -> Speed:
    """A training that was resumed: amounts add up, and the rate is that of all images."""
    images = before.images + here.images
    seconds = [part.images / part.images_per_second for part in (before, here) if part.images_per_second]
    energies = [part.energy_joules for part in (before, here) if part.energy_joules is not None]
    peaks = [part.peak_memory_bytes for part in (before, here) if part.peak_memory_bytes is not None]
    return replace(
        here,
        images=images,
        images_per_second=images / sum(seconds) if images else None,
        step_seconds=here.step_seconds or before.step_seconds,
        evaluation_seconds=before.evaluation_seconds + here.evaluation_seconds,
        peak_memory_bytes=max(peaks, default=None),
        # Known of one attempt alone, it is not known of the training.
        energy_joules=sum(energies) if len(energies) == 2 else None,
    )


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _energy(device: torch.device) -> float | None:
    """Joules that the device has used since some time in the past; None where it does not tell."""
    if device.type == "cuda":
        try:
            import pynvml

            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
        except Exception:  # whatever a driver lacks, a training does not need it
            return None
    try:
        return int(_CPU_ENERGY.read_text()) / 1e6
    except (OSError, ValueError):
        return None
