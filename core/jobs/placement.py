"""Where a job may run, and which is next: what jobs need, what workers offer, what each project has already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from core.jobs.specs import Computing, JobSpec, Trained

Device = Literal["any", "cpu", "gpu"]
DEVICES: frozenset[Device] = frozenset(get_args(Device))
QUEUE = "elasticket"
"""The Celery queue of hints for jobs that any worker may do; every other queue is named below it."""
STEP = 256
"""MiB. Declared memory is rounded up to it, so that a queue of many jobs has few different needs."""

_PLURAL = {"any": "any", "cpu": "cpus", "gpu": "gpus"}
_NEED = re.compile(r"(?P<kind>[a-z]+)(-(?P<devices>\d+))?(\+(?P<memory>\d+)m)?")


@dataclass(frozen=True)
class Need:
    """What a job must be given: so many devices of a kind, with so much memory (MiB) on each.

    `any`: GPUs where the worker has some, else processes on its CPU. Memory that is not declared is one slot's share.
    """

    device: Device = "any"
    devices: int = 1
    memory: int | None = None

    def __str__(self) -> str:
        kind = self.device if self.devices == 1 else f"{_PLURAL[self.device]}-{self.devices}"
        return kind if self.memory is None else f"{kind}+{self.memory}m"

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, text: str) -> Need:
        """The need of `str`'s text; raises `ValueError`."""
        found = _NEED.fullmatch(text)
        devices = {name: device for device, plural in _PLURAL.items() for name in (device, plural)}
        if found is None or found["kind"] not in devices:
            raise ValueError(f"{text!r} is no need; accepted: any, cpu, gpu, gpus-4, gpu+2048m")
        memory = found["memory"]
        return cls(
            devices[found["kind"]],  # type: ignore[arg-type]
            int(found["devices"] or 1),
            None if memory is None else int(memory),
        )

    @property
    def queue(self) -> str:
        """The Celery queue of its hints. What a CPU does it does in as many processes as are wanted."""
        if self.device == "gpu":
            return f"{QUEUE}.{Need('gpu', self.devices)}"
        return QUEUE if self.device == "any" else f"{QUEUE}.{self.device}"


def need_of(spec: JobSpec) -> Need:
    """What a job needs by its spec; one that computes with no network needs a CPU."""
    if not isinstance(spec, Computing):
        return Need("cpu")
    memory = None if spec.memory_mib is None else -(-spec.memory_mib // STEP) * STEP
    return Need(spec.device, spec.devices if isinstance(spec, Trained) else 1, memory)


@dataclass(frozen=True)
class Offer:
    """What a worker has: slots, GPUs with so much memory (MiB) each, the machine's memory, and which needs it takes.

    0 MiB: not known, and not looked at.
    """

    slots: int
    memory: int = 0
    gpus: int = 0
    gpu_memory: int = 0
    takes: frozenset[Device] = DEVICES

    @property
    def queues(self) -> list[str]:
        """The Celery queues whose hints it can follow."""
        needs = [Need(device) for device in sorted(self.takes) if device != "gpu" or self.gpus]
        if "gpu" in self.takes:
            needs += [Need("gpu", devices) for devices in range(2, self.gpus + 1)]
        return [need.queue for need in needs]


@dataclass(frozen=True)
class Held:
    """What a job has of its worker: the numbers of its GPUs, none where it computes on the CPU."""

    need: Need
    gpus: tuple[int, ...] = ()


def place(offer: Offer, held: Sequence[Held], need: Need) -> tuple[int, ...] | None:
    """The GPUs that a worker gives a job now, beside what its others hold; none for the CPU; None: there is no room.

    A job gets those of the GPUs with room for it that have the least: whole ones are kept for jobs that need them.
    """
    if need.device not in offer.takes or len(held) >= offer.slots:
        return None
    if need.device == "cpu" or not offer.gpus:
        taken = sum(_on_cpu(offer, one.need) for one in held if not one.gpus)
        room = not offer.memory or taken + _on_cpu(offer, need) <= offer.memory
        return () if room and need.device != "gpu" else None
    free = [_of_gpu(offer)] * offer.gpus
    for one in held:
        for gpu in one.gpus:
            free[gpu] -= _on_gpu(offer, one.need)
    fitting = [gpu for gpu in range(offer.gpus) if free[gpu] >= _on_gpu(offer, need)]
    fitting.sort(key=lambda gpu: (free[gpu], gpu))
    return tuple(sorted(fitting[: need.devices])) if len(fitting) >= need.devices else None


def could(offer: Offer, need: Need) -> bool:
    """Whether a worker has room for a job when it does nothing else."""
    return place(offer, (), need) is not None


def is_large(offer: Offer, need: Need) -> bool:
    """Whether a job takes more of a worker than one slot's share: what one job leaves may be too little for it."""
    if need.device == "cpu" or not offer.gpus:
        return _on_cpu(offer, need) > offer.memory // offer.slots
    return need.devices > 1 or _on_gpu(offer, need) > _of_gpu(offer) // _slots_per_gpu(offer)


def _on_cpu(offer: Offer, need: Need) -> int:
    return offer.memory // offer.slots if need.memory is None else need.memory * need.devices


def _on_gpu(offer: Offer, need: Need) -> int:
    """What a job takes of each of its GPUs: MiB, or where a GPU's memory is not known one of its slots."""
    declared = need.memory if offer.gpu_memory else None
    return _of_gpu(offer) // _slots_per_gpu(offer) if declared is None else declared


def _of_gpu(offer: Offer) -> int:
    return offer.gpu_memory or _slots_per_gpu(offer)


def _slots_per_gpu(offer: Offer) -> int:
    return -(-offer.slots // offer.gpus)


@dataclass(frozen=True)
class Candidate:
    """The oldest of a project's queued jobs with a need and a priority."""

    project: str
    need: str
    priority: int
    created_at: float
    id: str


def in_turn(candidates: Iterable[Candidate], usage: Mapping[str, int]) -> list[Candidate]:
    """In the order in which they are to be done; `usage`: how many devices the projects' running jobs have.

    The highest priority goes first; of equals the job of the project that has the fewest devices; of equals the oldest.
    """
    return sorted(
        candidates, key=lambda one: (-one.priority, usage.get(one.project, 0), one.created_at, one.id)
    )
