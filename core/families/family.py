"""What each family file offers: how its names read, how a name becomes an architecture, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from core.families.architecture import Architecture

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""The shape of every tensor of a state dict, by name."""


class Grid(NamedTuple):
    """The places of an image, or of a feature map, at which a convolution is applied."""

    height: int
    width: int

    @property
    def size(self) -> int:
        """How many they are."""
        return self.height * self.width

    def strided(self, stride: int) -> Grid:
        """What a convolution or a pool of that stride leaves whose padding is half its odd kernel."""
        return Grid(-(-self.height // stride), -(-self.width // stride))


class UnknownArchitecture(ValueError):
    """A name that no family knows, or sizes outside the limits; the message says what would be accepted."""


class Member(Protocol):
    """One network of a family, before its input and classes are known: a hashable value."""

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """Canonical name."""

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Its tensors and anatomy for inputs of shape [C, H, W]; raises `UnknownArchitecture` if they do not fit."""

    def places(self, image: Grid) -> Mapping[str, int]:
        """By the weight of each convolution, how many places it is applied at; a linear layer is applied once."""

    def with_width_of(self, other: Member) -> Member:
        """The member of this depth and the other's width; raises `UnknownArchitecture` for another family's."""


class Sketch(NamedTuple):
    """What a state dict's names and shapes say of the network it belongs to; to be held against it."""

    name: str
    input: tuple[int, int, int]
    classes: int


@dataclass(frozen=True)
class Family:
    """Architectures that differ in how often units repeat, and in their width.

    `parse` reads a name: its member, or None if the name is not of this family; it raises
    `UnknownArchitecture` if the name is, but its numbers are outside `limits`. `recognise` reads a state dict's
    shapes: the only member that they may belong to, or None. Image sides that shapes cannot tell are the usual.
    """

    name: str
    pattern: str
    limits: str
    summary: str
    examples: tuple[str, ...]
    parse: Callable[[str], Member | None]
    recognise: Callable[[Shapes], Sketch | None]


M = TypeVar("M", bound=Member)


def fellow(member: M, other: Member) -> M:
    """`other` as what it must be: of the same family as `member`."""
    if not isinstance(other, type(member)):
        raise UnknownArchitecture(
            f"{member.name} cannot take the width of {other.name}: accepted are members of its own family"
        )
    return other


def repeats(shapes: Shapes, prefix: str, suffix: str) -> int:
    """How many tensors are called `{prefix}…{suffix}`: how often a unit stands."""
    return sum(name.startswith(prefix) and name.endswith(suffix) for name in shapes)
