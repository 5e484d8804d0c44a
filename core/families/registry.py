"""All families, and the way from a name to an architecture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from core.families.architecture import Architecture
from core.families.cifar_resnet import CIFAR_RESNET
from core.families.family import Family, Member, UnknownArchitecture
from core.families.mlp import MLP

FAMILIES: dict[str, Family] = {family.name: family for family in (MLP, CIFAR_RESNET)}

LONGEST_NAME = 64
LARGEST_SIDE = 4096
MOST_CLASSES = 100_000
MOST_VALUES = 500_000_000
"""Numbers in one network, 2 GB in float32: what a name may ask for before anything is allocated."""


def architecture(name: str, input: Sequence[int], classes: int) -> Architecture:  # noqa: A002
    """The architecture of that name, canonical or alias, for inputs [C, H, W] and that many classes.

    The same object for the same request. Raises `UnknownArchitecture`, which names what is accepted.
    """
    member = _member(name)
    sizes = tuple(input)
    if len(sizes) != 3 or not all(type(size) is int and 1 <= size <= LARGEST_SIDE for size in sizes):
        raise UnknownArchitecture(
            f"{member.name}: the input must be [C, H, W], each a whole number from 1 to {LARGEST_SIDE}"
        )
    if type(classes) is not int or not 1 <= classes <= MOST_CLASSES:
        raise UnknownArchitecture(f"{member.name}: classes must be a whole number from 1 to {MOST_CLASSES}")
    return _built(member, sizes, classes)


def _member(name: str) -> Member:
    if len(name) <= LONGEST_NAME:
        for family in FAMILIES.values():
            member = family.parse(name)
            if member is not None:
                return member
    accepted = "; ".join(f"{family.pattern} ({family.limits})" for family in FAMILIES.values())
    shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
    raise UnknownArchitecture(f"unknown architecture {shown!r}; accepted are {accepted}")


@lru_cache(maxsize=32)
def _built(member: Member, shape: tuple[int, int, int], classes: int) -> Architecture:
    result = member.architecture(shape, classes)
    values = sum(spec.size for spec in result.tensors)
    if values > MOST_VALUES:
        raise UnknownArchitecture(
            f"{result.name} on {list(shape)}, {classes} classes: {values} values; at most {MOST_VALUES}"
        )
    return result
