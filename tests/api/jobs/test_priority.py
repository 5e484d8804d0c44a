"""Who is taken first: asked for with the job, and changed while it waits."""

import pytest

from core.catalog import attempts, placement
from core.catalog.tables import Job
from core.jobs.states import State

FIND = {"architecture": "mlp_1", "dataset": "digits"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class TestAskedFor:
    def test_it_stands_beside_the_spec_and_decides_who_is_next(self, client, database):
        first = client.post("/find", json=FIND).json()
        answer = client.post("/find?priority=7", json=FIND)
        urgent = answer.json()
        assert answer.status_code == 202
        assert (first["priority"], urgent["priority"]) == (0, 7)
        assert first["spec"] == urgent["spec"]
        with database.write() as session:
            assert placement.heads(session)[0].id == urgent["id"]
            assert session.get_one(Job, first["id"]).digest == session.get_one(Job, urgent["id"]).digest

    @pytest.mark.parametrize("given", ["101", "-101", "high", "1.5"])
    def test_what_is_none_is_refused(self, client, given):
        answer = client.post(f"/find?priority={given}", json=FIND)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["where"] == "priority"

    def test_a_finished_job_that_answers_keeps_its_own(self, client, worker):
        job = client.post("/find", json=FIND).json()["id"]
        worker.succeed(job, worker.claim(job))
        answer = client.post("/find?priority=9", json=FIND)
        assert (answer.status_code, answer.json()["id"], answer.json()["priority"]) == (200, job, 0)

    def test_with_another_one_it_is_another_request(self, client):
        key = {"Idempotency-Key": "a"}
        made = client.post("/find?priority=1", json=FIND, headers=key)
        assert client.post("/find?priority=1", json=FIND, headers=key).json()["id"] == made.json()["id"]
        answer = client.post("/find?priority=2", json=FIND, headers=key)
        assert answer.json()["type"] == "urn:elasticket:problem:idempotency-key-reused"

    def test_a_retry_keeps_it_or_is_given_another(self, client):
        job = client.post("/find?priority=3", json=FIND).json()["id"]
        client.post(f"/jobs/{job}/cancel")
        assert client.post(f"/jobs/{job}/retry").json()["priority"] == 3
        assert client.post(f"/jobs/{job}/retry?priority=-4").json()["priority"] == -4

    def test_every_job_of_a_study_has_the_study_s(self, client):
        asked = {
            "study": "rivals",
            "datasets": ["digits"],
            "seeds": [0],
            "arms": [{"name": "ETT", "method": "ett"}],
        }
        study = client.post("/studies?priority=-20", json=asked).json()
        assert study["priority"] == -20
        assert {job["priority"] for job in client.get("/jobs").json()["items"]} == {-20}


class TestChanged:
    def test_the_answer_is_the_job(self, client):
        job = client.post("/find", json=FIND).json()
        assert job["links"]["prioritise"] == f"/jobs/{job['id']}"
        answer = client.patch(f"/jobs/{job['id']}", json={"priority": 42})
        assert (answer.status_code, answer.json()["priority"]) == (200, 42)
        assert client.get(f"/jobs/{job['id']}").json()["priority"] == 42

    def test_a_job_that_has_begun_keeps_its_own(self, client, worker):
        job = client.post("/find", json=FIND).json()["id"]
        worker.claim(job)
        answer = client.patch(f"/jobs/{job}", json={"priority": 1})
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:elasticket:problem:wrong-state")
        assert answer.json()["state"] == State.RUNNING
        assert "prioritise" not in client.get(f"/jobs/{job}").json()["links"]

    def test_a_job_that_is_not_there(self, client):
        assert client.patch(f"/jobs/{'0' * 32}", json={"priority": 1}).status_code == 404

    @pytest.mark.parametrize(
        ("body", "where"),
        [({"priority": 101}, "/priority"), ({}, "/priority"), ({"priority": 1, "state": "x"}, "/state")],
    )
    def test_anything_else_is_refused(self, client, body, where):
        job = client.post("/find", json=FIND).json()["id"]
        answer = client.patch(f"/jobs/{job}", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, where)


class TestList:
    def test_words_order_and_names(self, client):
        older = client.post("/find", json=FIND).json()["id"]
        newer = client.post("/train", json={"architecture": "mlp_3", "dataset": "digits"}).json()["id"]

        def listed(query: str) -> list[str]:
            return [job["id"] for job in client.get(f"/jobs?{query}").json()["items"]]

        assert listed("") == [newer, older]
        assert listed("order=oldest") == [older, newer]
        assert listed("q=mlp_3+digits") == [newer]
        assert listed("architecture=mlp_1&dataset=digits") == [older]
        assert listed("dataset=mnist") == []
        first = client.get("/jobs?order=oldest&limit=1&q=digits").json()
        assert "order=oldest" in first["next"]
        assert "q=digits" in first["next"]
        assert [job["id"] for job in client.get(first["next"]).json()["items"]] == [newer]

    def test_an_order_that_is_none_is_refused(self, client):
        answer = client.get("/jobs?order=best")
        assert answer.json()["errors"][0]["where"] == "order"

    def test_who_holds_it_on_which_device(self, client, worker, database):
        job = client.post("/find", json=FIND).json()["id"]
        attempt = worker.claim(job)
        with database.write() as session:
            attempts.heartbeat(session, job, attempt, 60, attempts.Report(device="cuda NVIDIA H100"))
        shown = client.get(f"/jobs/{job}").json()
        assert (shown["worker"], shown["attempts"][0]["device"]) == ("worker-1", "cuda NVIDIA H100")
