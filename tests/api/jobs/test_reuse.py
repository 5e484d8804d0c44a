"""Jobs that are answered by a finished identical one."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from core.catalog.tables import Job, Outbox
from core.jobs import identity

FIND = {"architecture": "mlp_1", "dataset": "digits", "seeds": [0, 1]}


@pytest.fixture
def done(client, worker, outcome) -> Callable[..., dict]:
    """Makes a job and does it."""

    def make(path: str, spec: dict, ticket: str | None = None) -> dict:
        job = client.post(path, json=spec)
        assert job.status_code == 202, job.text
        worker.succeed(job.json()["id"], worker.claim(job.json()["id"]), outcome(ticket, 90, 91))
        return job.json()

    return make


class TestIdenticalJob:
    def test_is_answered_with_the_finished_one_and_nothing_is_queued(self, client, done, database):
        job = done("/find", FIND)
        again = client.post("/find", json=FIND)
        assert (again.status_code, again.headers["Location"]) == (200, f"/jobs/{job['id']}")
        assert again.headers["Job-Reused"] == "true"
        assert again.json() == client.get(f"/jobs/{job['id']}").json()
        assert [row["accuracy"] for row in again.json()["outputs"]["results"]] == [0.9, 0.91]
        with database.read() as session:
            counts = [session.scalar(select(func.count()).select_from(table)) for table in (Job, Outbox)]
        assert counts == [1, 1]

    def test_may_be_spelled_in_another_way(self, client, done):
        job = done("/find", FIND)
        spelled = {"seeds": [0, 1], "parameters": {"fraction": 0.2, "level": 10}, "recipe": {"preset": "mlp"}}
        recipe = {"recipe": job["spec"]["recipe"]}
        for spec in (spelled, recipe, {"kind": "find", "fresh": False}):
            assert client.post("/find", json=FIND | spec).json()["id"] == job["id"]

    @pytest.mark.parametrize(
        "change",
        [{"seeds": [1, 0]}, {"exact": True}, {"parameters": {"level": 9}}, {"recipe": {"lr": 0.05}}],
    )
    def test_one_that_differs_is_another(self, client, done, change):
        done("/find", FIND)
        answer = client.post("/find", json=FIND | change)
        assert (answer.status_code, "Job-Reused" in answer.headers) == (202, False)

    def test_every_kind(self, client, done, upload):
        ticket = upload(name="mlp_2")
        trained = done("/train", {"tickets": [ticket], "dataset": "digits", "order_seeds": [0, 1]}, ticket)
        ends = [{"job": trained["id"], "run": run} for run in (0, 1)]
        for path, spec in (
            ("/transform", {"tickets": [ticket], "architecture": "mlp_3"}),
            ("/train", {"tickets": [ticket], "dataset": "digits"}),
            ("/train", {"architecture": "mlp_2", "dataset": "digits"}),
            ("/evaluate", {"tickets": [ticket], "dataset": "digits"}),
            ("/evaluate", {"job": trained["id"], "dataset": "digits"}),
            ("/connect", {"trainings": ends}),
        ):
            job = done(path, spec)
            answer = client.post(path, json=spec)
            assert (answer.status_code, answer.json()["id"]) == (200, job["id"]), spec

    def test_one_that_has_not_succeeded_answers_nothing(self, client, worker):
        jobs = [client.post("/find", json=FIND).json()["id"] for _ in range(4)]
        worker.claim(jobs[1])
        worker.fail(jobs[2], worker.claim(jobs[2]))
        client.post(f"/jobs/{jobs[3]}/cancel")
        answer = client.post("/find", json=FIND)
        assert answer.status_code == 202
        assert answer.json()["id"] not in jobs

    def test_waiting_for_it_takes_no_time(self, client, done):
        done("/find", FIND)
        began = time.monotonic()
        answer = client.post("/find", json=FIND, headers={"Prefer": "wait=30"})
        assert time.monotonic() - began < 5
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=30")

    def test_what_cannot_be_done_is_refused_as_ever(self, client, done):
        done("/find", FIND)
        assert client.post("/find", json=FIND | {"fresh": "maybe"}).status_code == 422


class TestFresh:
    def test_it_is_done_again_and_is_the_answer_from_then_on(self, client, done):
        first = done("/find", FIND)
        second = done("/find", FIND | {"fresh": True})
        assert second["id"] != first["id"]
        assert second["spec"] == first["spec"] | {"fresh": True}
        assert client.post("/find", json=FIND).json()["id"] == second["id"]

    def test_a_dry_run_is_none_the_wiser(self, client, upload):
        spec = {"tickets": [upload(name="mlp_2")], "architecture": "mlp_3", "fresh": True}
        assert client.post("/transform", params={"dry_run": True}, json=spec).status_code == 200


class TestWhatAJobIsGiven:
    def test_a_ticket_that_is_known_to_come_from_elsewhere_is_trained_anew(self, client, done, upload):
        ticket = upload(dataset=None)
        spec = {"tickets": [ticket], "dataset": "digits"}
        done("/train", spec)
        assert client.post("/train", json=spec).status_code == 200
        # The same content, and now a dataset on which a training continues at the rewind step.
        assert upload(dataset="digits") == ticket
        assert client.post("/train", json=spec).status_code == 202

    def test_another_arithmetic_computes_anew(self, client, done, monkeypatch):
        done("/find", FIND)
        monkeypatch.setattr(identity, "NUMERICS", identity.NUMERICS + 1)
        assert client.post("/find", json=FIND).status_code == 202


class TestIdempotency:
    def test_a_replay_finds_the_same_job(self, client, done):
        job = done("/find", FIND)
        headers = {"Idempotency-Key": "k"}
        client.post("/find", json=FIND, headers=headers)
        done("/find", FIND | {"fresh": True})
        again = client.post("/find", json=FIND, headers=headers)
        assert (again.status_code, again.json()["id"]) == (200, job["id"])
        assert again.headers["Idempotency-Replayed"] == again.headers["Job-Reused"] == "true"

    def test_a_replay_of_a_fresh_one_makes_nothing_more(self, client, worker):
        headers = {"Idempotency-Key": "k"}
        first = client.post("/find", json=FIND | {"fresh": True}, headers=headers).json()["id"]
        worker.succeed(first, worker.claim(first))
        again = client.post("/find", json=FIND | {"fresh": True}, headers=headers)
        assert (again.status_code, again.json()["id"], "Job-Reused" in again.headers) == (202, first, False)

    def test_fresh_or_not_are_two_requests(self, client):
        headers = {"Idempotency-Key": "k"}
        client.post("/find", json=FIND, headers=headers)
        assert client.post("/find", json=FIND | {"fresh": True}, headers=headers).status_code == 422


class TestRetry:
    def test_it_makes_a_job_even_where_an_identical_one_has_finished(self, client, done, worker):
        failed = client.post("/find", json=FIND).json()["id"]
        worker.fail(failed, worker.claim(failed))
        done("/find", FIND)
        again = client.post(f"/jobs/{failed}/retry")
        assert (again.status_code, again.json()["state"]) == (202, "queued")
        retried = again.json()["id"]
        worker.succeed(retried, worker.claim(retried))
        assert client.post("/find", json=FIND).json()["id"] == retried
