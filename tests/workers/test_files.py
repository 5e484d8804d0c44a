"""Foreign files and the line between two trainings, done by real workers, on both databases."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch
from safetensors.numpy import load_file

from core.catalog import tickets
from core.catalog.artifacts import UPLOAD, LocalStore
from core.catalog.jobs import create, new_id
from core.catalog.tables import Job, PostedArchitecture, Result, Ticket
from core.families import architecture
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import (
    ConnectSpec,
    ExportSpec,
    FindSpec,
    ImportSpec,
    TrainingRef,
    TrainSpec,
    TransformSpec,
)
from core.jobs.states import State
from core.models import build

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet

SHORT = RecipeChoice(length="3ep", rewind="5it")


def submit_import(fleet: "Fleet", path: Path, **fields: Any) -> str:
    """What the API does with an upload: the file lies in scratch before its job is committed."""
    job_id = new_id()
    folder = fleet.settings.scratch_directory / job_id
    folder.mkdir(parents=True)
    shutil.copyfile(path, folder / UPLOAD)
    spec = ImportSpec.model_validate({"sha256": "0" * 64, "size": path.stat().st_size, **fields})
    with fleet.database.write() as session:
        create(session, spec, 3, job_id=job_id)
    return job_id


def artifacts(fleet: "Fleet") -> set[str]:
    root = fleet.settings.artifact_directory
    return {path.name for path in root.rglob("*") if path.is_file() and "scratch" not in path.parts}


def tickets_known(fleet: "Fleet") -> int:
    with fleet.database.read() as session:
        return session.query(Ticket).count()


@pytest.mark.standing
class TestImport:
    def test_a_state_dict_becomes_a_tagged_ticket_and_the_upload_goes(
        self, fleet: "Fleet", tmp_path: Path
    ) -> None:
        model = build(architecture("mlp_2", (1, 8, 8), 10))
        torch.save(model.state_dict(), tmp_path / "a.pth")
        job_id = submit_import(fleet, tmp_path / "a.pth", dataset="digits", seed=3, tags=["paper"])
        assert fleet.result(job_id).state == State.SUCCEEDED
        (identity,) = fleet.tickets(job_id)
        with fleet.database.read() as session:
            ticket = session.get_one(Ticket, ("default", identity))
            assert (ticket.architecture, [tag.tag for tag in ticket.tags]) == ("mlp_2", ["paper"])
            assert tickets.origin(ticket).method == "import"
        fleet.wait_until_tidy()

    def test_a_network_nobody_knew_is_posted_with_its_ticket_and_stretches(
        self, fleet: "Fleet", tmp_path: Path
    ) -> None:
        state = {f"encoder.layer.{i}.dense.weight": torch.randn(4, 4) for i in range(3)}
        torch.save(state, tmp_path / "bert.pth")
        job_id = submit_import(fleet, tmp_path / "bert.pth")
        assert fleet.result(job_id).state == State.SUCCEEDED
        source = fleet.tickets(job_id)
        with fleet.database.read() as session:
            family = session.query(PostedArchitecture).one().name
        stretched = fleet.submit(TransformSpec(tickets=source, architecture=f"{family}:6"))
        assert fleet.result(stretched).state == State.SUCCEEDED
        with fleet.database.read() as session:
            (made,) = fleet.tickets(stretched)
            assert session.get_one(Ticket, ("default", made)).prunable == 6 * 16

    def test_a_file_that_is_refused_leaves_only_the_reason(self, fleet: "Fleet", tmp_path: Path) -> None:
        state = build(architecture("mlp_1", (1, 8, 8), 10)).state_dict()
        state["fc.weight"][1, 2] = float("nan")
        torch.save(state, tmp_path / "nan.pth")
        before, known = artifacts(fleet), tickets_known(fleet)
        job = fleet.result(submit_import(fleet, tmp_path / "nan.pth"))
        assert (job.state, job.attempt) == (State.FAILED, 1)
        assert job.error["reason"] == "unreadable_file"
        assert job.error["details"]["reason"] == "not-finite"
        assert "fc.weight" in job.error["details"]["where"]
        fleet.wait_until_tidy()
        assert artifacts(fleet) == before
        assert tickets_known(fleet) == known

    def test_a_reason_with_names_that_no_database_stores_is_told_all_the_same(
        self, fleet: "Fleet", tmp_path: Path
    ) -> None:
        state = build(architecture("mlp_1", (1, 8, 8), 10)).state_dict()
        torch.save({**state, "nul\0_and_\ud800": torch.ones(1)}, tmp_path / "names.pth")
        job = fleet.result(submit_import(fleet, tmp_path / "names.pth"))
        assert (job.state, job.attempt, job.error["reason"]) == (State.FAILED, 1, "unreadable_file")

    def test_an_upload_that_waits_for_its_job_is_not_tidied_away(self, fleet: "Fleet") -> None:
        folder = fleet.settings.scratch_directory / new_id()
        folder.mkdir(parents=True)
        (folder / UPLOAD).write_bytes(b"x")
        finished = fleet.submit(
            FindSpec(
                architecture="mlp_1", dataset="digits", parameters=ImpParameters(level=1), recipe=SHORT
            ).complete("mlp")
        )
        fleet.result(finished)
        fleet.wait_until_tidy(but=folder.name)
        assert (folder / UPLOAD).read_bytes() == b"x"
        shutil.rmtree(folder)


class TestCage:
    SETTINGS: ClassVar = {"import_memory_bytes": 48 * 2**20}

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_a_file_is_opened_in_a_cage_of_bounded_memory(self, fleet: "Fleet", tmp_path: Path) -> None:
        torch.save({"a.weight": torch.ones(3000, 4000)}, tmp_path / "large.pth")
        job = fleet.result(submit_import(fleet, tmp_path / "large.pth"))
        assert (job.state, job.attempt) == (State.FAILED, 1)
        assert job.error["reason"] == "out_of_memory", job.error
        fleet.wait_until_tidy()


@pytest.mark.standing
class TestAblations:
    @pytest.fixture
    def found(self, fleet: "Fleet") -> str:
        spec = FindSpec(
            architecture="mlp_2", dataset="digits", parameters=ImpParameters(level=2), recipe=SHORT, seeds=[4]
        )
        job_id = fleet.submit(spec.complete("mlp"))
        assert fleet.result(job_id).state == State.SUCCEEDED
        (identity,) = fleet.tickets(job_id)
        return identity

    def test_a_found_ticket_keeps_what_permuted_masks_and_step_0_need(
        self, fleet: "Fleet", found: str
    ) -> None:
        for fields in ({"permute": 1}, {"start": "zero"}):
            spec = TransformSpec.model_validate({"tickets": [found], "architecture": "mlp_3", **fields})
            assert fleet.result(fleet.submit(spec)).state == State.SUCCEEDED

    def test_two_trainings_are_connected_and_the_ticket_exported(self, fleet: "Fleet", found: str) -> None:
        spec = TrainSpec(tickets=[found], dataset="digits", order_seeds=[1, 2], recipe=SHORT)
        trained = fleet.submit(spec.complete("mlp"))
        fleet.result(trained)
        pair = [TrainingRef(job=trained, run=run) for run in (0, 1)]
        line = fleet.submit(ConnectSpec(trainings=pair, points=3, dataset="digits"))
        exported = fleet.submit(ExportSpec(ticket=found, format="safetensors"))
        assert fleet.result(line).state == fleet.result(exported).state == State.SUCCEEDED
        with fleet.database.read() as session:
            rows = session.query(Result).filter_by(job_id=line).order_by(Result.ordinal).all()
            assert [(row.point, row.alpha) for row in rows] == [("between", a) for a in (0, 0.5, 1)]
            ends = session.query(Result).filter_by(job_id=trained, point="last").order_by(Result.ordinal)
            assert [rows[0].correct, rows[-1].correct] == [row.correct for row in ends]
            digest = tickets.copy(session, found, "safetensors")
        assert digest is not None
        copy = load_file(LocalStore(fleet.settings.artifact_directory).path(digest))
        assert "fc.weight_mask" in copy
        with fleet.database.read() as session:
            assert session.get_one(Job, exported).outputs == []
