"""What supervisor and trainer say to each other: one JSON object a line, over two pipes the supervisor owns.

The command pipe carries the request, and its end tells the trainer to die. The report pipe carries everything the
trainer has to say, and its end tells the supervisor that the trainer is gone.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from core.catalog.stores import Location
from core.jobs.inputs import Inputs

SAVE_AND_END = signal.SIGUSR1
"""Asks a trainer to save the state of what it trains and to end; one that has nothing to save ends at once."""


@dataclass(frozen=True)
class SavedState:
    """A training state in the job's scratch store."""

    training: str
    digest: str


@dataclass(frozen=True)
class Confinement:
    """What a trainer that opens a stranger's file may use, from then on."""

    memory_bytes: int
    cpu_seconds: int
    file_bytes: int


@dataclass(frozen=True)
class Request:
    """Everything a trainer needs to know; it never sees the database.

    `gpus`: the numbers of those that are its own; none: it computes on the CPU; None: whichever there are.
    `gpu_memory_mib`: what it may take of each.
    """

    spec: dict[str, Any]
    project: str
    artifacts: Location
    scratch: Location
    tuning: str
    datasets: str
    threads: int
    checkpoint_seconds: float
    memory_bytes: int | None
    inputs: Inputs = field(default_factory=Inputs)
    confinement: Confinement | None = None
    states: list[SavedState] = field(default_factory=list)
    devices: int = 1
    gpus: list[int] | None = None
    gpu_memory_mib: int | None = None
    nodes: int = 1
    rendezvous: str = ""
    traced: bool = False

    def encode(self) -> bytes:
        """As one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Request:
        """The request of `encode`'s line."""
        data = json.loads(line)
        data["artifacts"] = Location(**data["artifacts"])
        data["scratch"] = Location(**data["scratch"])
        data["inputs"] = Inputs.from_json(data["inputs"])
        data["confinement"] = data["confinement"] and Confinement(**data["confinement"])
        data["states"] = [SavedState(**state) for state in data["states"]]
        return cls(**data)


def storable(value: Any) -> Any:
    """The same JSON value with what no database stores, NUL and lone surrogates, replaced: a file may name anything."""
    if isinstance(value, str):
        return value.replace("\0", "�").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inside) for inside in value]
    return value


class Reports:
    """The trainer's end of the report pipe; any thread may write."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def log(self, text: str) -> None:
        """Write a piece of log."""
        self.send("log", text=text)

    def send(self, message: str, /, **data: Any) -> None:
        """Write one message whole."""
        text = json.dumps(storable({"type": message, **data}), allow_nan=False)
        # On a line of its own: another rank may have been killed in the middle of one.
        line = memoryview(f"\n{text}\n".encode())
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]
