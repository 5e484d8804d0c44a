"""Zips that are sound are read, those of zip64 as well."""

from __future__ import annotations

import io
from typing import Any

import pytest

from core.interchange.zips import zip_members


class TestMembers:
    @pytest.mark.parametrize("wide", [True, False])
    def test_the_end_of_zip64_is_read(self, build: Any, wide: bool) -> None:
        plain = zip_members(io.BytesIO(build.holding()), build.LIMIT, stored=True)
        found = zip_members(io.BytesIO(build.wide_end(wide=wide)), build.LIMIT, stored=True)
        assert list(found) == list(plain) == ["a/data.pkl", "a/data/0"]
