"""What a study was told to take, against what it took on real workers."""

from typing import TYPE_CHECKING, Any

import pytest

from core.catalog import jobs, ledger, studies
from core.catalog.foresight import answered
from core.catalog.paces import paces
from core.studies.estimate import Estimate, estimate
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec
from core.studies.work import once, units
from tests.workers.conftest import wait_until

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def study(level: int, length: str, *arms: str) -> Expansion:
    fields: dict[str, Any] = {
        "datasets": ["digits"],
        "sources": ["mlp_2"],
        "targets": ["mlp_3"],
        "levels": [level],
        "arms": [{"name": method, "method": method} for method in arms],
        "seeds": [0, 1],
        "recipe": {"length": length, "momentum": 0.9, "lr": 0.02, "rewind": "7it"},
    }
    return Expansion(StudySpec.model_validate(fields))


def expected(fleet: "Fleet", expansion: Expansion) -> Estimate:
    with fleet.database.read() as session:
        return estimate(expansion.nodes, paces(session), answered(session, expansion.nodes))


def taken(fleet: "Fleet", expansion: Expansion) -> tuple[ledger.StudyCost, int]:
    """Have the fleet do a study; what it took, and how many trainings were done for it."""
    with fleet.database.write() as session:
        made = studies.create(session, expansion.spec, list(expansion.nodes.values())).id

    def ended() -> bool:
        with fleet.database.read() as session:
            found = studies.get(session, made)
            return found is not None and found.finished_at is not None

    wait_until(ended, 90, "the study's end")
    with fleet.database.read() as session:
        done = session.get_one(studies.Study, made)
        assert {row.key: studies.why(row) for row in done.jobs if studies.why(row)} == {}
        cost = ledger.study(done, expansion.cells, jobs.clock(session))
        runs = [run for entry in cost.entries if entry.cost and not entry.reused for run in entry.cost.runs]
    return cost, sum(not run.shared for run in runs)


@pytest.mark.nightly
class TestPrediction:
    def test_a_study_takes_about_what_it_was_told_to(self, fleet: "Fleet") -> None:
        taken(fleet, study(1, "2ep", "ett", "imp"))
        longer = study(2, "8ep", "ett", "imp", "dense")
        told = expected(fleet, longer)
        assert all(
            "measured here" in sentence for sentence in told.assumptions if "digits, batch" in sentence
        )
        cost, trained = taken(fleet, longer)
        # Every training that was to be done was done, and no other.
        work = once(units(longer.nodes))
        assert trained == sum(unit.whole > 0 for several in work.values() for unit in several)
        assert told.trainings == trained
        assert told.device_seconds is not None
        # A machine that is busy with other tests: alone it is within a quarter (docs/costs.md).
        assert cost.total.device_seconds / 2.5 < told.device_seconds < cost.total.device_seconds * 2.5
        again = expected(fleet, longer)
        assert (again.device_seconds, again.trainings) == (0, 0)
