"""Toy anatomies, drawn as text: F is a fixed entry, u a unit, one word per stage, - one without entries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.elastic.anatomy import Anatomy, Entry, Stage

Drawing = Callable[[str], Anatomy]


def _drawn(text: str) -> Anatomy:
    stages = tuple(
        Stage(
            f"s{s}",
            tuple(
                Entry(
                    {"weight": f"s{s}.{i}.weight", "scale": f"s{s}.{i}.scale"}
                    | ({"shortcut": f"s{s}.{i}.shortcut"} if kind == "F" else {}),
                    fixed=kind == "F",
                )
                for i, kind in enumerate(word.strip("-"))
            ),
        )
        for s, word in enumerate(text.split())
    )
    return Anatomy(stages, ("stem", "head"))


@pytest.fixture(scope="session")
def drawn() -> Drawing:
    """`drawn("FuuF")` is the anatomy of one stage: fixed, two units, fixed."""
    return _drawn
