"""Workers are drained over HTTP, by whoever administers the installation."""

from __future__ import annotations

import pytest

from core.catalog import claims, pools
from core.catalog.tables import Job
from core.jobs.placement import Offer

PATH = "/fleet/pools/gpu-1:7"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def pool(database) -> None:
    with database.write() as session:
        pools.enrol(session, "gpu-1:7", Offer(slots=2, memory=2048, gpus=1, gpu_memory=1024))


@pytest.fixture
def running(client, database) -> str:
    job = client.post("/find", json={"architecture": "mlp_1", "dataset": "digits"}).json()["id"]
    with database.write() as session:
        claims.claim(session, job, "gpu-1:8", 60, "gpu-1:7", [0])
    return str(job)


@pytest.mark.usefixtures("pool")
class TestChange:
    def test_a_drained_worker_takes_no_more_jobs_and_keeps_its_own(self, client, database, running) -> None:
        answer = client.patch(PATH, json={"drained": True})
        assert answer.status_code == 200
        assert (answer.json()["drained"], answer.json()["held"]) == (True, 1)
        (shown,) = client.get("/fleet").json()["pools"]
        assert shown == answer.json()
        assert ">drained</span>" in client.get("/ui/fleet").text
        with database.read() as session:
            assert session.get_one(Job, running).gives_way is None

    def test_at_once_its_jobs_are_to_leave_and_it_may_begin_again(self, client, database, running) -> None:
        client.patch(PATH, json={"drained": True, "at_once": True})
        with database.read() as session:
            assert session.get_one(Job, running).gives_way == "worker gpu-1:7 was drained"
        assert client.patch(PATH, json={"drained": False}).json()["drained"] is False

    def test_one_that_is_not_there_is_not_found(self, client) -> None:
        answer = client.patch("/fleet/pools/gpu-9:7", json={"drained": True})
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no worker gpu-9:7.")

    @pytest.mark.parametrize("body", [{}, {"drained": 3}, {"drained": True, "when": "now"}])
    def test_a_body_that_says_something_else_is_refused(self, client, body) -> None:
        assert client.patch(PATH, json=body).status_code == 422


@pytest.mark.usefixtures("pool")
class TestFleet:
    def test_workers_that_wait_are_listed_with_what_they_offer(self, client) -> None:
        (shown,) = client.get("/fleet").json()["pools"]
        offered = {name: shown[name] for name in ("slots", "held", "gpus", "gpu_memory_mib", "memory_mib")}
        assert offered == {"slots": 2, "held": 0, "gpus": 1, "gpu_memory_mib": 1024, "memory_mib": 2048}
        assert (shown["live"], shown["takes"]) == (True, ["any", "cpu", "gpu"])

    def test_a_need_that_nobody_can_meet_says_so(self, client) -> None:
        body = {"architecture": "mlp_1", "dataset": "digits", "device": "gpu", "devices": 4}
        client.post("/find", json=body)
        (one,) = client.get("/fleet").json()["demand"]
        assert (one["need"], one["queued"], one["workers"]) == ("gpus-4", 1, 0)
        assert '<tr id="need-gpus-4">' in client.get("/ui/fleet").text
