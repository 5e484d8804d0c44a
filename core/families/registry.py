"""All families, the way from a name to an architecture, and from a state dict's shapes to its architecture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from core.families.architecture import Architecture, Role
from core.families.cifar_mobilenetv1 import CIFAR_MOBILENETV1
from core.families.cifar_resnet import CIFAR_RESNET
from core.families.cifar_vgg import CIFAR_VGG
from core.families.family import Family, Member, Shapes, UnknownArchitecture
from core.families.lenet5 import LENET5
from core.families.mlp import MLP
from core.families.torchvision_resnet import CIFARHE_RESNET, IMAGENET_RESNET

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        MLP,
        LENET5,
        CIFAR_RESNET,
        CIFAR_VGG,
        CIFAR_MOBILENETV1,
        IMAGENET_RESNET,
        CIFARHE_RESNET,
    )
}

LONGEST_NAME = 64
LARGEST_SIDE = 4096
MOST_CLASSES = 100_000
MOST_VALUES = 500_000_000
"""Numbers in one network, 2 GB in float32: what a name may ask for before anything is allocated."""


def architecture(name: str, input: Sequence[int], classes: int) -> Architecture:  # noqa: A002
    """The architecture of that name, canonical or alias, for inputs [C, H, W] and that many classes.

    The same object for the same request. Raises `UnknownArchitecture`, which names what is accepted.
    """
    named = member(name)
    sizes = tuple(input)
    if len(sizes) != 3 or not all(type(size) is int and 1 <= size <= LARGEST_SIDE for size in sizes):
        raise UnknownArchitecture(
            f"{named.name}: the input must be [C, H, W], each a whole number from 1 to {LARGEST_SIDE}"
        )
    if type(classes) is not int or not 1 <= classes <= MOST_CLASSES:
        raise UnknownArchitecture(f"{named.name}: classes must be a whole number from 1 to {MOST_CLASSES}")
    return _built(named, sizes, classes)


def member(name: str) -> Member:
    """The member that a name, canonical or alias, stands for; raises `UnknownArchitecture`, with the patterns."""
    if len(name) <= LONGEST_NAME:
        for family in FAMILIES.values():
            found = family.parse(name)
            if found is not None:
                return found
    accepted = ", ".join(family.pattern for family in FAMILIES.values())
    shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
    raise UnknownArchitecture(f"unknown architecture {shown!r}; accepted are {accepted}")


def recognise(shapes: Shapes, input: Sequence[int] | None = None) -> Architecture | None:  # noqa: A002
    """The architecture whose tensors have exactly these names and shapes, in any order; None if there is none.

    Shapes do not tell an image's sides: without `input` they are the family's usual. BN's counters of batches may
    be missing, as they are in state dicts from before torch 0.4.1. Never raises for shapes that make no sense.
    """
    if any(not 0 <= size <= MOST_VALUES for shape in shapes.values() for size in shape):
        return None
    for family in FAMILIES.values():
        sketch = family.recognise(shapes)
        if sketch is None:
            continue
        try:
            found = architecture(sketch.name, sketch.input if input is None else input, sketch.classes)
        except UnknownArchitecture:
            continue
        if _has(found, shapes):
            return found
    return None


def _has(network: Architecture, shapes: Shapes) -> bool:
    expected = {
        spec.name: spec.shape
        for spec in network.tensors
        if spec.role is not Role.COUNT or spec.name in shapes
    }
    return expected == {name: tuple(shape) for name, shape in shapes.items()}


@lru_cache(maxsize=32)
def _built(member: Member, shape: tuple[int, int, int], classes: int) -> Architecture:
    result = member.architecture(shape, classes)
    values = sum(spec.size for spec in result.tensors)
    if values > MOST_VALUES:
        raise UnknownArchitecture(
            f"{result.name} on {list(shape)}, {classes} classes: {values} values; at most {MOST_VALUES}"
        )
    return result
