"""The families of networks, as data: names, tensors, stages and units. No torch."""

from core.families.family import Family, UnknownArchitecture
from core.families.registry import FAMILIES, architecture

__all__ = ["FAMILIES", "Family", "UnknownArchitecture", "architecture"]
