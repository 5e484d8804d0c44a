"""A slot that stands still past its lease, while another finishes its job: what it writes late touches nothing."""

import os
import signal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import select

from core.catalog import history
from core.catalog.artifacts import LocalStore
from core.catalog.tables import Base
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec
from core.jobs.states import State
from tests.workers.conftest import wait_until

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet


def everything(fleet: "Fleet") -> dict[str, list[Any]]:
    """Every row of the database."""
    with fleet.database.read() as session:
        tables = Base.metadata.sorted_tables
        return {table.name: sorted(map(repr, session.execute(select(table)))) for table in tables}


@pytest.mark.timeout(300)
class TestStopped:
    SETTINGS: ClassVar = {"slots": 2}

    @pytest.mark.parametrize(
        "database_url",
        ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)],
        indirect=True,
    )
    def test_what_a_slot_writes_when_it_goes_on_touches_nothing(self, fleet: "Fleet") -> None:
        spec = FindSpec(
            architecture="mlp_2",
            dataset="digits",
            parameters=ImpParameters(level=1),
            recipe=RecipeChoice(length="12ep", momentum=0.9, lr=0.02, rewind="7it"),
            exact=True,
            fresh=True,
        )
        job_id = fleet.submit(spec.complete("mlp"))
        fleet.until_training(job_id)
        held = fleet.job(job_id)
        assert held.worker is not None
        slot = int(held.worker.rpartition(":")[2])
        os.kill(slot, signal.SIGSTOP)
        try:
            finished = fleet.result(job_id)
            assert (finished.state, finished.attempt) == (State.SUCCEEDED, held.attempt + 1)
            assert finished.worker != held.worker
            wait_until(lambda: not everything(fleet)["checkpoints"], 30)
            before = everything(fleet)
        finally:
            os.kill(slot, signal.SIGCONT)
        wait_until(lambda: f"job {job_id}: attempt {held.attempt} was superseded" in fleet.log(), 60)
        assert everything(fleet) == before
        with fleet.database.read() as session:
            assert not list(history.violations(session, LocalStore(fleet.settings.artifact_directory)))
