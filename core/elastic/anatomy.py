"""What a family knows of one network: which tensors are fixed, and which units repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One position of a stage: a unit, or a fixed entry that is never replicated and never dropped.

    `tensors` maps local names (`conv1.weight`) to parameter names (`blocks.4.conv1.weight`); two units of one
    stage have the same local names, which is what makes them interchangeable.
    """

    tensors: Mapping[str, str]
    fixed: bool = False


@dataclass(frozen=True)
class Stage:
    """An ordered run of entries: fixed ones at its head or tail, interchangeable units between them.

    Entry 0 of every ResNet and VGG stage is fixed (E-LTH, section 3.1: it changes the shape); the last fixed
    entry of an MLP shifts with the depth.
    """

    name: str
    entries: tuple[Entry, ...]

    @property
    def units(self) -> tuple[int, ...]:
        """Positions of the interchangeable entries, in order."""
        return tuple(i for i, entry in enumerate(self.entries) if not entry.fixed)

    @property
    def fixed(self) -> tuple[int, ...]:
        """Positions of the fixed entries, in order."""
        return tuple(i for i, entry in enumerate(self.entries) if entry.fixed)


@dataclass(frozen=True)
class Anatomy:
    """Stages, and the names of what belongs to none (stem, head, transitions) and is copied as it is."""

    stages: tuple[Stage, ...]
    fixed: tuple[str, ...]
