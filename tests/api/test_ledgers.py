"""What jobs and studies took, over HTTP, and what a study is told to take before."""

from __future__ import annotations

import pytest

from core.catalog import studies

STUDY = {
    "datasets": ["digits"],
    "sources": ["mlp_1"],
    "targets": ["mlp_1"],
    "arms": [{"name": "dense", "method": "dense"}],
    "seeds": [0, 1],
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def finished(client, worker, database, outcome):
    """Asks for the study and does its job; the study and the job."""

    def do() -> tuple[str, str]:
        study = client.post("/studies", json=STUDY).json()
        (job,) = (job["job"] for job in study["jobs"])
        worker.succeed(job, worker.claim(job), outcome(None, 91, 93))
        with database.write() as session:
            studies.advance(session, study["id"], 3)
        return study["id"], job

    return do


class TestJob:
    def test_its_attempts_and_trainings_are_listed(self, client, finished):
        _, job = finished()
        found = client.get(f"/jobs/{job}/ledger").json()
        assert (found["job"], found["kind"], found["devices"]) == (job, "train", 1)
        assert [attempt["outcome"] for attempt in found["attempts"]] == ["succeeded"]
        assert found["device_seconds"] == found["attempts"][0]["device_seconds"]
        assert found["training_seconds"] == 3.0
        assert [run["device_seconds"] for run in found["runs"]] == [1.5, 1.5]
        assert found["levels"] == []

    def test_what_is_not_there_is_not_found(self, client):
        for path in (f"/jobs/{'0' * 32}/ledger", f"/studies/{'0' * 32}/ledger"):
            assert client.get(path).status_code == 404


class TestStudy:
    def test_what_it_asked_for_is_spent(self, client, finished):
        study, job = finished()
        found = client.get(f"/studies/{study}/ledger").json()
        spent = client.get(f"/jobs/{job}/ledger").json()["device_seconds"]
        assert found["total"]["device_seconds"] == spent
        assert [(arm["name"], arm["device_seconds"]) for arm in found["arms"]] == [("dense", spent)]
        assert [(entry["job"], entry["reused"]) for entry in found["jobs"]] == [(job, False)]

    def test_what_was_there_is_saved(self, client, finished):
        _, job = finished()
        again = client.post("/studies", json=STUDY).json()
        found = client.get(f"/studies/{again['id']}/ledger").json()
        spent = client.get(f"/jobs/{job}/ledger").json()["device_seconds"]
        assert (found["total"]["device_seconds"], found["total"]["saved_seconds"]) == (0, spent)


class TestDryRun:
    def test_it_tells_trainings_and_seconds_and_how_they_are_known(self, client):
        plan = client.post("/studies?dry_run=true", json=STUDY).json()
        (job,) = plan["planned"]
        assert (job["trainings"], job["steps"], job["done"]) == (2, 2 * 40 * 12, None)
        assert job["device_seconds"] == plan["device_seconds"] > 0
        assert any("guessed" in told for told in plan["assumptions"])

    def test_a_job_that_is_done_costs_nothing(self, client, finished):
        _, job = finished()
        plan = client.post("/studies?dry_run=true", json=STUDY).json()
        assert [(one["done"], one["device_seconds"]) for one in plan["planned"]] == [(job, 0)]
        assert (plan["trainings"], plan["device_seconds"]) == (0, 0)

    @pytest.mark.parametrize("study", ["elth_imagenet", "elth_cost", "elth_depth"])
    def test_at_paper_scale_networks_that_were_never_trained_here_have_a_cost(self, client, study):
        plan = client.post("/studies?dry_run=true", json={"study": study, "scale": "paper"}).json()
        assert plan["device_seconds"] > 3600
        assert all(job["device_seconds"] is not None for job in plan["planned"])
