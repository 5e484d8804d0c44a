"""Studies with made-up results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.studies import comparison
from core.studies.comparison import Row
from core.studies.expansion import Expansion
from core.studies.report import Done, Trial, filled
from core.studies.spec import StudySpec

ASKED: dict[str, Any] = {
    "datasets": ["digits"],
    "sources": ["mlp_2", "mlp_4"],
    "targets": ["mlp_3"],
    "arms": [
        {"name": "ETT", "method": "ett"},
        {"name": "IMP", "method": "imp"},
        {"name": "dense", "method": "dense"},
    ],
}

Answered = tuple[StudySpec, list[Row]]
Answer = Callable[..., Answered]


@pytest.fixture
def answer() -> Answer:
    """A study's rows, all of them trained: by the beginning of a training's key, its accuracy at each seed."""

    def answered(accuracies: dict[str, list[float]], **change: Any) -> Answered:
        change.setdefault("seeds", list(range(max(map(len, accuracies.values()), default=1))))
        expansion = Expansion(StudySpec.model_validate(ASKED | change))
        spec = expansion.spec
        done: dict[str, Done] = {}
        for cell in expansion.cells:
            for key in cell.trained:
                known = [values for name, values in accuracies.items() if name in key]
                if known:
                    trials = tuple(
                        Trial(seed, value, 0.0 if cell.method == "dense" else 1 - 0.8**cell.level, value)
                        for seed, value in zip(spec.seeds, known[0], strict=False)
                    )
                    done[key] = Done(trials, len(trials), 2.0 * len(trials))
            done |= {key: Done((), 10, 30.0) for key in cell.shared}
        return spec, comparison.rows(spec, filled(expansion.cells, done, len(spec.seeds)))

    return answered
