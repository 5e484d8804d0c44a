from __future__ import annotations

from typing import Any

import pytest

from bench.fleet import Fleet, FleetDied
from bench.layouts import Layout

REFERENCE = {"case": "mlp_2", "images": 256}


class TestFleet:
    @pytest.mark.parametrize(
        ("work", "layout"),
        [
            pytest.param(REFERENCE, Layout(2, 1, loaders=1), marks=pytest.mark.nightly),
            ({**REFERENCE, "mode": "fp32", "seeds": 1}, Layout(1, 1)),
        ],
    )
    def test_every_process_answers_every_piece(self, work: dict[str, Any], layout: Layout) -> None:
        with Fleet("bench.training", work, layout) as fleet:
            answers = [fleet.run() for _ in range(2)]
        assert [len(answer) for answer in answers] == [layout.processes] * 2
        assert all(process["seconds"] > 0 for answer in answers for process in answer)

    def test_a_process_that_fails_is_noticed(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(FleetDied, match=r"bench\.training in 1 × 1 thread"):
            Fleet("bench.training", {"case": "unknown", "images": 1}, Layout(1, 1))
        assert "KeyError" in capfd.readouterr().err
