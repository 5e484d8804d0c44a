"""Quotas over HTTP: whatever makes a job or stores something is refused past them, precisely, and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.catalog import quotas
from core.catalog.database import Database
from core.catalog.quotas import Quota

FIND = {"architecture": "mlp_1", "dataset": "digits"}
STUDY = {"study": "rivals", "scale": "small", "seeds": [0]}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def ready(client: httpx.Client, upload: Callable[..., str], worker: Any, outcome: Any) -> dict[str, str]:
    """A ticket, a train job that succeeded, one that failed, and a study that was cancelled."""
    ticket = upload(name="mlp_2")

    def train(seed: int) -> str:
        asked = {"tickets": [ticket], "dataset": "digits", "order_seeds": [seed]}
        return str(client.post("/train", json=asked).json()["id"])

    done, failed = train(0), train(1)
    worker.succeed(done, worker.claim(done), outcome(ticket, 90, 91))
    worker.fail(failed, worker.claim(failed))
    study = client.post("/studies", json=STUDY).json()["id"]
    client.post(f"/studies/{study}/cancel")
    return {"ticket": ticket, "done": done, "failed": failed, "study": study}


def making(client: httpx.Client, ready: dict[str, str]) -> dict[str, httpx.Response]:
    """The answers to one request of each kind that makes jobs."""
    evaluate = {"tickets": [ready["ticket"]], "dataset": "digits"}
    ends = [{"job": ready["done"], "run": run} for run in (0, 1)]
    asked: dict[str, Any] = {
        "/find": FIND,
        "/transform": {"tickets": [ready["ticket"]], "architecture": "mlp_3"},
        "/train": evaluate | {"order_seeds": [7]},
        "/evaluate": evaluate,
        "/connect": {"trainings": ends},
        "/studies": STUDY | {"seeds": [3]},
        f"/studies/{ready['study']}/extend": {"seeds": [4]},
        f"/studies/{ready['study']}/resume": None,
        f"/jobs/{ready['failed']}/retry": None,
    }
    answers = {path: client.post(path, json=body) for path, body in asked.items()}
    answers["file"] = client.get(
        f"/tickets/{ready['ticket']}/file?format=torch_prune", headers={"Prefer": "wait=0"}
    )
    train = {"dataset": "digits", "length": "1ep"}
    answers["train form"] = client.post(f"/ui/tickets/{ready['ticket']}/train", data=train)
    answers["stretch form"] = client.post(
        f"/ui/tickets/{ready['ticket']}/stretch?architecture=mlp_4&order=append"
    )
    return answers


def limit(database: Database, **quota: int) -> None:
    with database.write() as session:
        quotas.set_quota(session, "default", Quota(**quota))


class TestWaiting:
    def test_every_request_that_makes_jobs_is_refused_past_it(
        self, client: httpx.Client, database: Database, ready: dict[str, str]
    ) -> None:
        limit(database, waiting=0)
        before = client.get("/jobs?limit=500").json()["items"]
        for path, answer in making(client, ready).items():
            assert answer.status_code == 429, (path, answer.text)
            assert answer.headers["retry-after"] == "60", path
            if "form" not in path:
                body = answer.json()
                assert body["type"] == "urn:elasticket:problem:too-many-waiting"
                assert (body["most"], body["waiting"] > 0) == (0, True)
        assert client.get("/jobs?limit=500").json()["items"] == before
        study = client.get(f"/studies/{ready['study']}").json()
        assert study["finished_at"] is not None

    def test_nothing_is_with_room(
        self, client: httpx.Client, database: Database, ready: dict[str, str]
    ) -> None:
        limit(database, waiting=10_000, bytes=1 << 40)
        for path, answer in making(client, ready).items():
            assert answer.status_code in (202, 303), (path, answer.text)

    def test_a_finished_job_still_answers(
        self, client: httpx.Client, database: Database, worker: Any
    ) -> None:
        job = client.post("/find", json=FIND).json()["id"]
        worker.succeed(job, worker.claim(job))
        limit(database, waiting=0)
        assert client.post("/find", json=FIND).status_code == 200

    def test_a_study_counts_whole(self, client: httpx.Client, database: Database) -> None:
        jobs = sum(client.post("/studies?dry_run=true", json=STUDY).json()["jobs"].values())
        limit(database, waiting=jobs - 1)
        answer = client.post("/studies", json=STUDY)
        assert (answer.status_code, answer.json()["waiting"]) == (429, jobs)
        limit(database, waiting=jobs)
        assert client.post("/studies", json=STUDY).status_code == 202


class TestBytes:
    def test_a_full_project_makes_no_jobs(
        self, client: httpx.Client, database: Database, ready: dict[str, str]
    ) -> None:
        limit(database, bytes=0)
        for path, answer in making(client, ready).items():
            assert answer.status_code == 507, (path, answer.text)
        kind = client.post("/find", json=FIND).json()
        assert (kind["type"], kind["most"]) == ("urn:elasticket:problem:project-full", 0)

    def test_an_upload_ends_where_there_is_no_room_left_and_leaves_nothing(
        self,
        client: httpx.Client,
        database: Database,
        make_ticket: Callable[..., bytes],
        files: Callable[[], list[str]],
    ) -> None:
        first, second = make_ticket(0), make_ticket(1)
        limit(database, bytes=len(first) + len(second) - 1)
        assert client.post("/tickets", content=first).status_code == 201
        kept = files()
        form = {"file": ("t", second)}
        for path in ("/tickets", "/studies/import"):
            answer = client.post(path, content=second)
            assert answer.status_code == 507, path
            assert answer.json()["type"].endswith("project-full")
        assert client.post("/tickets", files=form).status_code == 507
        assert client.post("/ui/upload", files=form).status_code == 507
        assert files() == kept
        limit(database, bytes=len(first) + len(second))
        assert client.post("/tickets", content=second).status_code == 201
