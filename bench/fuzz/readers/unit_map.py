"""The text of a unit map: what is accepted is the same map once written and read again."""

from __future__ import annotations

from core.elastic.refusal import Refused
from core.elastic.unit_map import format_map, parse_map
from core.families import architecture

REFUSED = (Refused,)
_SHAPE = (3, 32, 32)
_SOURCE = architecture("cifar_resnet_20", _SHAPE, 10).anatomy
_TARGET = architecture("cifar_resnet_32", _SHAPE, 10).anatomy


def seeds() -> list[bytes]:
    """One map for every stage, and one for each."""
    every = b"0:0;1:1,3;2:2,4"
    return [every, b"|".join([every, b"0:0;1:1,2;2: 3 , 4", every])]


def read(data: bytes) -> None:
    """Parse, format, parse."""
    found = parse_map(data.decode("utf-8", "surrogateescape"), _SOURCE, _TARGET)
    assert parse_map(format_map(found), _SOURCE, _TARGET) == found, "another map once written"
