from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from core.tickets import Metadata


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"": value}
    return value


class TestMetadata:
    @pytest.mark.parametrize(
        "fields",
        [
            {"dataset": ""},
            {"dataset": "a" * 129},
            {"dataset": "cifar 10"},
            {"dataset": "cifar10\n"},
            {"method": "é"},
            {"method": 1},
            {"seed": True},
            {"seed": 1.0},
            {"seed": "1"},
            {"seed": -1},
            {"seed": 2**53},
            {"level": 1001},
            {"level": -1},
            {"parent": "ab" * 31},
            {"parent": "AB" * 32},
            {"details": []},
            {"details": {"x": float("nan")}},
            {"details": {"x": 2**53}},
            {"details": {"x": 1e17}},
            {"details": {"x": "\0"}},
            {"details": {"\0": 1}},
            {"details": {"x": "\ud800"}},
            {"details": {"x": object()}},
            {"details": {1: 2}},
            {"details": {"x": "a" * 65536}},
            {"details": nested(17)},
            {"details": nested(5000)},
            {"origin": "elsewhere"},
        ],
    )
    def test_refuses(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Metadata(**fields)

    def test_details_become_what_a_reader_will_see(self) -> None:
        source = {"map": ((0, 0), (1, 2)), "none": None, "rate": 0.2, "flag": True}
        metadata = Metadata(details=source)
        source["rate"] = 0.5
        assert metadata.details == {"map": [[0, 0], [1, 2]], "none": None, "rate": 0.2, "flag": True}

    def test_a_details_object_that_contains_itself_is_refused(self) -> None:
        details: dict[str, Any] = {}
        details["self"] = details
        with pytest.raises(ValidationError, match="nesting"):
            Metadata(details=details)

    def test_sixteen_levels_are_accepted(self) -> None:
        assert Metadata(details=nested(15)).details == nested(15)
