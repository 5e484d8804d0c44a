"""The families of networks, as data: names, tensors, stages and units. No torch."""

from core.families.family import Family, Member, Shapes, UnknownArchitecture
from core.families.registry import FAMILIES, architecture, member, recognise

__all__ = [
    "FAMILIES",
    "Family",
    "Member",
    "Shapes",
    "UnknownArchitecture",
    "architecture",
    "member",
    "recognise",
]
