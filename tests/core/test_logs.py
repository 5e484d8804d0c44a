from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from core import logs


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The test runner's logging, as it was."""
    before, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = before
    logging.root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class TestJson:
    def test_a_line_says_what_it_is_about(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.configure("worker", "json")
        with logs.about(job="4b1d", attempt=2):
            logging.getLogger("a.b").warning("it %s", "broke", extra={"told": {"status": 500}})
        logging.getLogger("a").info("over")
        first, second = lines(capsys)
        assert first.pop("time").endswith("+00:00")
        assert first == {
            "level": "warning",
            "process": "worker",
            "logger": "a.b",
            "message": "it broke",
            "job": "4b1d",
            "attempt": 2,
            "status": 500,
        }
        assert "job" not in second

    def test_whatever_is_said_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.configure("api", "json")
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("a").exception("more\n\u2028lines \x1b[31m")
        (line,) = lines(capsys)
        assert line["message"] == "more\n\u2028lines \x1b[31m"
        assert "ValueError: two\nlines" in line["error"]

    def test_what_is_asked_for_at_a_higher_level_is_left_out(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        logs.configure("api", "json", logging.WARNING)
        logging.getLogger("a").info("chatter")
        assert lines(capsys) == []


class TestText:
    def test_a_line_names_its_process_and_what_it_is_about(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.configure("dispatcher", "text")
        with logs.about(job="4b1d"):
            logging.getLogger("a").info("its lease ran out")
        assert capsys.readouterr().err.rstrip().endswith("dispatcher its lease ran out job=4b1d")
