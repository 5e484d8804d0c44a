from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from core.studies.estimate import Estimate, Paces, estimate
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec
from core.studies.work import Unit

FIELDS = {
    "datasets": ["digits"],
    "sources": ["mlp_2"],
    "targets": ["mlp_3"],
    "levels": [3],
    "arms": [{"name": name, "method": name} for name in ("ett", "imp", "dense")],
    "seeds": [0, 1],
    "recipe": {"length": "2ep"},
}
STEPS = 24
FIND = "digits/mlp_3/3/IMP/find/seeds 0,1"


@dataclass
class Told:
    seconds: float | None
    told: str


@dataclass
class Beside:
    seconds: float
    each: float


class Known:
    """A hundredth of a second for a step of mlp_2, two for one of any other; finds take a second, and a half each."""

    def of(self, unit: Unit) -> Told:
        return Told(0.01 if unit.network == "mlp_2" else 0.02, f"{unit.network} is known")

    def overhead(self, kind: str, dataset: str) -> Beside | None:
        return Beside(1.0, 0.5) if (kind, dataset) == ("find", "digits") else None


class Nothing(Known):
    def of(self, unit: Unit) -> Told:
        return Told(None, "nobody knows")


def estimated(paces: Paces, *done: str, **change: Any) -> Estimate:
    return estimate(Expansion(StudySpec.model_validate(FIELDS | change)).nodes, paces, done)


class TestEstimate:
    def test_a_job_takes_its_steps_and_what_is_beside_them(self) -> None:
        found = {job.key: job for job in estimated(Known()).jobs}
        # Two seeds of three levels.
        assert found[FIND].device_seconds == pytest.approx(6 * STEPS * 0.02 + 1 + 6 * 0.5)
        assert (found[FIND].trainings, found[FIND].steps) == (6, 6 * STEPS)
        # Level 0 of the find.
        assert found["digits/mlp_3/dense/train/seeds 0,1"].device_seconds == 0

    def test_the_whole_is_the_sum(self) -> None:
        found = estimated(Known())
        assert found.trainings == 2 * (3 + 1 + 3 + 1)
        assert found.device_seconds == pytest.approx(sum(job.device_seconds or 0 for job in found.jobs))

    def test_what_is_done_costs_nothing_and_what_it_trained_is_there(self) -> None:
        before, after = estimated(Known()), estimated(Known(), FIND)
        assert {job.key for job in after.jobs if job.done} == {FIND}
        assert after.trainings == before.trainings - 6
        assert before.device_seconds is not None
        assert after.device_seconds == pytest.approx(before.device_seconds - 6 * STEPS * 0.02 - 4)
        assert "1 job finished before and will be used again" in after.assumptions

    def test_every_assumption_is_told_once(self) -> None:
        told = estimated(Known()).assumptions
        assert [told.count(f"mlp_{depth} is known") for depth in (2, 3)] == [1, 1]
        assert "what a train job takes beside its trainings is left out: none has finished here" in told
        assert len(set(told)) == len(told)

    def test_what_nobody_knows_is_not_summed(self) -> None:
        found = estimated(Nothing())
        assert found.device_seconds is None
        assert found.trainings == 16
