"""What each family file offers: how its names read, and how a name becomes an architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from core.families.architecture import Architecture


class UnknownArchitecture(ValueError):
    """A name that no family knows, or sizes outside the limits; the message says what would be accepted."""


class Member(Protocol):
    """One network of a family, before its input and classes are known: a hashable value."""

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """Canonical name."""

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Its tensors and anatomy for inputs of shape [C, H, W]."""


@dataclass(frozen=True)
class Family:
    """Architectures that differ in how often units repeat.

    `parse` reads a name: its member, or None if the name is not of this family; it raises
    `UnknownArchitecture` if the name is, but its numbers are outside `limits`.
    """

    name: str
    pattern: str
    limits: str
    summary: str
    examples: tuple[str, ...]
    parse: Callable[[str], Member | None]
