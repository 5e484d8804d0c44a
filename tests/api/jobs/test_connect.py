"""Linear mode connectivity over HTTP: what may be connected, and the barrier of what was measured."""

import pytest

from core.jobs.outcome import Outcome, ResultRecord

UNSUITABLE = "urn:elasticket:problem:unsuitable-job"


@pytest.fixture
def trained(client, upload, worker, outcome):
    """A train job of two trainings of one ticket, succeeded: its id."""

    def make(ticket: str | None = None) -> str:
        ticket = ticket or upload()
        spec = {"tickets": [ticket], "dataset": "digits", "order_seeds": [0, 1], "fresh": True}
        job = client.post("/train", json=spec).json()["id"]
        worker.succeed(job, worker.claim(job), outcome(ticket, 90, 91))
        return job

    return make


def ends(first: str, second: str, runs: tuple[int, int] = (0, 1)) -> dict:
    return {"trainings": [{"job": first, "run": runs[0]}, {"job": second, "run": runs[1]}]}


def dense(client, worker, outcome) -> str:
    spec = {"architecture": "mlp_1", "dataset": "digits", "seeds": [0, 1], "fresh": True}
    job = client.post("/train", json=spec).json()
    worker.succeed(job["id"], worker.claim(job["id"]), outcome(None, 90, 91))
    return job["id"]


class TestSubmit:
    def test_two_trainings_of_one_ticket(self, client, trained):
        job = trained()
        answer = client.post("/connect", json=ends(job, job) | {"points": 5})
        body = answer.json()
        assert (answer.status_code, body["kind"], body["state"]) == (202, "connect", "queued")
        assert body["spec"]["dataset"] == "digits"
        assert client.get("/jobs", params={"kind": "connect"}).json()["items"][0]["id"] == body["id"]

    def test_of_two_jobs(self, client, upload, trained):
        ticket = upload()
        assert client.post("/connect", json=ends(trained(ticket), trained(ticket), (0, 0))).status_code == 202

    def test_dense_trainings_of_one_seed(self, client, worker, outcome):
        first, second = (dense(client, worker, outcome) for _ in "ab")
        assert client.post("/connect", json=ends(first, second, (1, 1))).status_code == 202
        answer = client.post("/connect", json=ends(first, second, (0, 1)))
        assert (answer.json()["type"], answer.json()["errors"][0]["what"]) == (
            UNSUITABLE,
            "its seed is 1, and that of the first is 0",
        )

    def test_what_was_not_trained_from_the_same_ticket(self, client, upload, trained, worker, outcome):
        first = trained()
        for other in (trained(upload(1)), dense(client, worker, outcome)):
            answer = client.post("/connect", json=ends(first, other, (0, 0)))
            (error,) = answer.json()["errors"]
            assert (answer.status_code, error["where"]) == (422, "/trainings/1")
            assert error["accepted"] == "a training of the same ticket"

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"trainings": [{"job": "0" * 32}, {"job": "1" * 32}]}, "/trainings/0/job"),
            ({"dataset": "mnist"}, "/trainings/0"),
            ({"dataset": "x"}, "/dataset"),
            ({"points": 1}, "/points"),
        ],
    )
    def test_what_cannot_be_done_is_refused_at_once(self, client, trained, change, where):
        job = trained()
        answer = client.post("/connect", json=ends(job, job) | change)
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, where)

    def test_a_training_that_its_job_has_not(self, client, trained):
        job = trained()
        (error,) = client.post("/connect", json=ends(job, job, (0, 2))).json()["errors"]
        assert (error["where"], error["accepted"]) == ("/trainings/1/run", "0 to 1")

    def test_the_same_training_twice(self, client, trained):
        job = trained()
        assert client.post("/connect", json=ends(job, job, (1, 1))).status_code == 422

    def test_a_job_that_trains_nothing_or_has_not_ended(self, client, trained):
        find = client.post("/find", json={"architecture": "mlp_1", "dataset": "digits"}).json()["id"]
        (error,) = client.post("/connect", json=ends(find, trained())).json()["errors"]
        assert error["accepted"] == "a train job that succeeded"


class TestBarrier:
    def test_it_is_the_worst_error_less_the_mean_of_the_ends(self, client, upload, trained, worker):
        train = trained(ticket := upload())
        job = client.post("/connect", json=ends(train, train) | {"points": 3}).json()
        assert job["outputs"]["barrier"] is None
        line = Outcome(
            results=[
                ResultRecord("digits", "between", correct, 100, 0.5, ticket_id=ticket, alpha=alpha)
                for alpha, correct in ((0.0, 90), (0.5, 60), (1.0, 94))
            ]
        )
        worker.succeed(job["id"], worker.claim(job["id"]), line)
        outputs = client.get(f"/jobs/{job['id']}").json()["outputs"]
        assert outputs["barrier"] == pytest.approx(0.40 - (0.10 + 0.06) / 2)
        assert [(row["alpha"], row["accuracy"]) for row in outputs["results"]] == [
            (0, 0.9),
            (0.5, 0.6),
            (1, 0.94),
        ]

        # A line's networks are listed with their ticket's results, but no mean is taken over them.
        results = client.get(f"/tickets/{ticket}/results").json()
        assert [row["point"] for row in results["summary"]] == ["last"]
        assert len(results["results"]) == 5

    def test_other_jobs_have_none(self, client, trained):
        outputs = client.get(f"/jobs/{trained()}").json()["outputs"]
        assert outputs["barrier"] is None
        assert {row["alpha"] for row in outputs["results"]} == {None}
