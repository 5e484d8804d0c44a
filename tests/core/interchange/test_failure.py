"""The reasons, all of which some test meets."""

from __future__ import annotations

from pathlib import Path

from core.interchange.failure import Reason


class TestReason:
    def test_each_is_expected_by_a_test(self) -> None:
        tests = Path(__file__).parents[2]
        code = "".join(path.read_text("utf-8") for path in tests.rglob("test_*.py"))
        assert [reason.name for reason in Reason if f".{reason.name}" not in code] == []
