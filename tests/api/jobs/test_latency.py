"""Evaluate jobs that time what they measure."""

import pytest

from core.jobs.outcome import Outcome, ResultRecord

LATENCY = {
    "machine": {"device": "cpu x86_64", "capability": "AVX512", "threads": 2, "torch": "2.13.0"},
    "batches": [
        {
            "batch": 1,
            "layout": "channels first",
            "forms": [
                {"form": "dense", "ms": 0.04, "faster": False},
                {"form": "sparse", "ms": None, "faster": False},
            ],
            "layers": [
                {
                    "name": "fc.weight",
                    "density": 0.3,
                    "dense_ms": 0.005,
                    "sparse_ms": 0.017,
                    "pays": False,
                    "break_even": None,
                }
            ],
        }
    ],
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class TestLatency:
    def test_is_shown_with_the_accuracy_it_was_measured_with(self, client, worker, upload):
        ticket = upload()
        spec = {"tickets": [ticket], "dataset": "digits", "latency": True}
        job = client.post("/evaluate", json=spec).raise_for_status().json()
        assert job["spec"]["latency"] is True
        result = ResultRecord("digits", "evaluate", 33, 360, 2.4, ticket_id=ticket, latency=LATENCY)
        worker.succeed(job["id"], worker.claim(job["id"]), Outcome(results=[result]))
        (shown,) = client.get(f"/jobs/{job['id']}").json()["outputs"]["results"]
        assert (shown["latency"], shown["correct"]) == (LATENCY, 33)
        (of_ticket,) = client.get(f"/tickets/{ticket}/results").json()["results"]
        assert of_ticket["latency"] == LATENCY

    def test_no_job_answers_a_request_for_it_and_none_is_answered_by_it(self, client, worker, upload):
        spec = {"tickets": [upload()], "dataset": "digits"}
        for asked in (spec | {"latency": True}, spec | {"latency": True}, spec):
            answer = client.post("/evaluate", json=asked)
            assert (answer.status_code, "Job-Reused" in answer.headers) == (202, False)
            worker.succeed(answer.json()["id"], worker.claim(answer.json()["id"]))
        again = client.post("/evaluate", json=spec | {"latency": False})
        assert (again.status_code, again.json()["id"]) == (200, answer.json()["id"])

    def test_of_a_job_s_trainings_it_is_refused(self, client):
        spec = {"job": "ab" * 16, "dataset": "digits", "latency": True}
        answer = client.post("/evaluate", json=spec)
        (error,) = answer.json()["errors"]
        assert answer.status_code == 422
        assert "give tickets" in error["what"]
