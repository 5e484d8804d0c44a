"""Real workers whose artifacts lie in a bucket: nothing that matters is on their own disk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sqlalchemy import select

from core.catalog import attempts, jobs
from core.catalog.artifacts import UPLOAD
from core.catalog.scratch import Scratch
from core.catalog.stores import store_of
from core.catalog.tables import Ticket as TicketRow
from core.catalog.verification import verify
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, ImportSpec, TrainSpec, TransformSpec
from core.jobs.states import State
from core.models import build
from core.settings import Settings
from core.tickets import Metadata, Ticket, ticket_id, write
from tests.workers.conftest import wait_until

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet

SHORT = RecipeChoice(length="2ep", rewind="5it")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def settings(settings: Settings, bucket_url: str) -> Settings:
    return settings.model_copy(update={"artifacts": bucket_url})


@pytest.fixture
def submit_upload(fleet: Fleet) -> Callable[..., str]:
    """What completing an upload does; `announced`: the SHA-256 that the client said it would have."""

    def submit(data: bytes, announced: str | None = None) -> str:
        job_id = jobs.new_id()
        Scratch(fleet.settings).bucket(job_id).write(UPLOAD, data)
        sha256 = announced or hashlib.sha256(data).hexdigest()
        with fleet.database.write() as session:
            jobs.create(session, ImportSpec(sha256=sha256, size=len(data)), 3, job_id=job_id)
        return job_id

    return submit


def ticket_file() -> tuple[str, bytes]:
    network, stream = architecture("mlp_1", (1, 8, 8), 10), io.BytesIO()
    masks = {spec.name: np.ones(spec.shape, np.bool_) for spec in network.prunable}
    ticket = Ticket.from_dense(network, 0, masks, initialise(network, 7))
    write(ticket, Metadata(dataset="digits", method="imp", seed=7), stream)
    return ticket_id(ticket), stream.getvalue()


def pth() -> bytes:
    stream = io.BytesIO()
    torch.save(build(architecture("mlp_2", (1, 8, 8), 10)).state_dict(), stream)
    return stream.getvalue()


def keys(fleet: Fleet) -> set[str]:
    return {key for key, _ in Scratch(fleet.settings).bucket().list()}


def epochs(fleet: Fleet, job_id: str) -> list[int]:
    """The steps at which epochs ended, in the order they were told."""
    return [event.data["step"] for event in fleet.events(job_id) if event.kind == "epoch"]


class TestJobs:
    @pytest.mark.nightly
    def test_what_they_make_is_in_the_bucket_and_their_inputs_come_from_there(self, fleet: Fleet) -> None:
        find = FindSpec(
            architecture="mlp_2", dataset="digits", parameters=ImpParameters(level=1), recipe=SHORT
        )
        job = fleet.result(fleet.submit(find.complete("mlp")))
        assert job.state == State.SUCCEEDED, job.error
        found = fleet.tickets(job.id)
        wait_until(lambda: keys(fleet) == set(), 10, "an empty scratch")
        fleet.kill("worker")
        fleet.environment["ELASTICKET_HOME"] = str(fleet.settings.root / "another machine")
        fleet.start("worker")
        stretched = fleet.result(fleet.submit(TransformSpec(tickets=found, architecture="mlp_3")))
        assert stretched.state == State.SUCCEEDED, stretched.error
        verdict = verify(fleet.database, store_of(fleet.settings))
        assert (verdict.faults, verdict.unfinished) == ([], [])
        assert verdict.checked >= 3

    def test_one_that_moves_to_another_machine_goes_on_from_its_last_state(self, fleet: Fleet) -> None:
        recipe = RecipeChoice(length="100000ep")
        spec = TrainSpec(architecture="mlp_1", dataset="digits", recipe=recipe).complete("mlp")
        job_id = fleet.submit(spec)
        fleet.until_training(job_id)
        fleet.kill("worker")
        with fleet.database.read() as session:
            step = max(saved.step for saved in attempts.checkpoints(session, job_id))
        before = len(epochs(fleet, job_id))
        fleet.environment["ELASTICKET_HOME"] = str(fleet.settings.root / "another machine")
        fleet.start("worker")

        def went_on() -> bool:
            with fleet.database.read() as session:
                return any(saved.step > step for saved in attempts.checkpoints(session, job_id))

        wait_until(lambda: went_on() and len(epochs(fleet, job_id)) > before, 60)
        assert "of no use" not in fleet.log_of(job_id)
        assert epochs(fleet, job_id)[before] > step
        fleet.cancel(job_id)
        assert fleet.result(job_id).state == State.CANCELLED
        wait_until(lambda: keys(fleet) == set(), 10, "an empty scratch")


class TestUpload:
    def test_a_ticket_is_kept_as_it_was_sent_and_another_format_converted(
        self, fleet: Fleet, submit_upload: Callable[..., str]
    ) -> None:
        identity, data = ticket_file()
        ours, theirs = submit_upload(data), submit_upload(pth())
        wrong = submit_upload(data, "ab" * 32)
        for job_id in (ours, theirs):
            job = fleet.result(job_id)
            assert job.state == State.SUCCEEDED, job.error
        assert fleet.tickets(ours) == [identity]
        store = store_of(fleet.settings)
        with fleet.database.read() as session:
            digests = session.scalars(select(TicketRow.file_digest)).all()
        assert hashlib.sha256(data).hexdigest() in digests
        assert all(store.has_intact(digest) for digest in digests)
        failed = fleet.result(wrong)
        assert failed.error is not None
        assert (failed.state, failed.error["reason"]) == (State.FAILED, "input_damaged")
        assert hashlib.sha256(data).hexdigest() in failed.error["message"]
        wait_until(lambda: keys(fleet) == set(), 10, "an empty scratch")
        assert not (Path(fleet.settings.scratch_directory) / wrong).exists()
