"""What is fuzzed: a function that reads bytes of a stranger, its seeds, and the refusals that it documents."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

NAMES = (
    "ticket",
    "pth",
    "pickled",
    "safetensors",
    "zipped",
    "tarred",
    "gzipped",
    "foreign",
    "study_archive",
    "study_json",
    "definition",
    "posted_yaml",
    "unit_map",
    "form",
    "cursor",
    "conditional",
    "ranges",
    "sse",
    "idx",
    "cifar",
    "matlab",
    "image",
    "checkpoint",
)
"""Every reader; the module of each lies in `readers`."""


@dataclass(frozen=True)
class Reader:
    """`read` raises nothing but `refused`, and does not raise for a seed."""

    name: str
    read: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    refused: tuple[type[Exception], ...]

    def one(self, data: bytes) -> None:
        """Read one input; whatever leaves this is a finding."""
        with suppress(*self.refused):
            self.read(data)


def reader(name: str) -> Reader:
    """The reader of that name; its module, and what it reads with, is imported now."""
    module = import_module(f"bench.fuzz.readers.{name}")
    return Reader(name, module.read, module.seeds, module.REFUSED)


class Scratch:
    """A folder in memory for readers that want a file; it goes with the process."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory if memory.is_dir() else None)
        self.path = Path(self._folder.name)

    def file(self, data: bytes, name: str = "input") -> Path:
        """A new file of these bytes: an older one of the name may still be mapped, and keeps its own."""
        path = self.path / name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        return path
