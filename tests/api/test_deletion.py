"""Deleting by request: what is refused, and how what was deleted is answered for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import httpx
import pytest

Upload = Callable[..., str]
HTML = {"Accept": "text/html"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def trained(client: httpx.Client, upload: Upload, worker: Any, outcome: Any) -> tuple[str, str]:
    """A ticket, and a train job that has measured it."""
    ticket = upload()
    job = client.post("/train", json={"tickets": [ticket], "dataset": "digits"}).json()["id"]
    worker.succeed(job, worker.claim(job), outcome(ticket, 90))
    return ticket, job


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


class TestTicket:
    def test_what_is_asked_of_it_afterwards_is_gone(
        self, client: httpx.Client, trained: tuple[str, str]
    ) -> None:
        ticket, job = trained
        first, again = (client.delete(f"/tickets/{ticket}") for _ in range(2))
        assert (first.status_code, first.json()["id"]) == (200, ticket)
        assert again.json() == first.json()
        for part in ("", "/layers", "/results", "/file", "/file?format=onnx", "/anatomy"):
            answer = client.get(f"/tickets/{ticket}{part}")
            assert problem(answer) == (410, "deleted"), part
            assert answer.json()["deleted_at"][:10] == first.json()["deleted_at"][:10]
        assert client.get("/tickets").json()["items"] == []
        assert client.get(f"/jobs/{job}").json()["outputs"]["results"][0]["ticket"] == ticket

    def test_no_job_can_be_asked_for_with_it(self, client: httpx.Client, trained: tuple[str, str]) -> None:
        ticket, _ = trained
        client.delete(f"/tickets/{ticket}")
        answer = client.post("/evaluate", json={"tickets": [ticket], "dataset": "digits"})
        assert problem(answer) == (422, "unsuitable-job")

    def test_nor_retried(self, client: httpx.Client, upload: Upload, worker: Any) -> None:
        ticket = upload()
        job = client.post("/train", json={"tickets": [ticket], "dataset": "digits"}).json()["id"]
        worker.fail(job, worker.claim(job))
        client.delete(f"/tickets/{ticket}").raise_for_status()
        answer = client.post(f"/jobs/{job}/retry")
        assert problem(answer) == (422, "unsuitable-job")
        assert ticket in answer.json()["detail"]

    def test_one_that_a_waiting_job_was_given_is_needed(self, client: httpx.Client, upload: Upload) -> None:
        ticket = upload()
        job = client.post("/evaluate", json={"tickets": [ticket], "dataset": "digits"}).json()["id"]
        answer = client.delete(f"/tickets/{ticket}")
        assert problem(answer) == (409, "needed")
        assert answer.json()["jobs"] == [job]
        client.post(f"/jobs/{job}/cancel")
        assert client.delete(f"/tickets/{ticket}").status_code == 200

    def test_its_children_tell_of_it(self, client: httpx.Client, upload: Upload) -> None:
        parent = upload()
        child = upload(1, parent=parent)
        client.delete(f"/tickets/{parent}").raise_for_status()
        (above,) = client.get(f"/tickets/{child}/lineage").json()["ancestors"]
        assert above["id"] == parent
        assert above["deleted_at"] is not None
        assert above["links"] == {"lineage": f"/tickets/{parent}/lineage"}
        (below,) = client.get(f"/tickets/{parent}/lineage").json()["children"]
        assert (below["id"], below["deleted_at"]) == (child, None)
        page = client.get(f"/ui/tickets/{child}", headers=HTML)
        assert page.status_code == 200
        assert "deleted" in page.text
        page = client.get(f"/ui/tickets/{parent}", headers=HTML)
        assert page.status_code == 410
        assert "This ticket was deleted" in page.text
        assert f"/ui/tickets/{child}" in page.text

    def test_uploaded_again_it_is_there_again(
        self, client: httpx.Client, make_ticket: Callable[..., bytes]
    ) -> None:
        content = make_ticket()
        where = client.post("/tickets?tag=old", content=content).headers["location"]
        client.delete(where).raise_for_status()
        again = client.post("/tickets", content=content)
        assert (again.status_code, again.headers["location"], again.json()["tags"]) == (201, where, [])
        assert client.get(f"{where}/file").content == content

    def test_one_that_is_not_there_is_told(self, client: httpx.Client) -> None:
        assert problem(client.delete("/tickets/" + "0" * 64)) == (404, "not-found")


class TestJob:
    def test_what_is_asked_of_it_afterwards_is_gone(
        self, client: httpx.Client, trained: tuple[str, str]
    ) -> None:
        ticket, job = trained
        assert client.delete(f"/jobs/{job}").status_code == 200
        for part in ("", "/runs", "/ledger", "/log", "/events"):
            assert problem(client.get(f"/jobs/{job}{part}")) == (410, "deleted"), part
        assert problem(client.post(f"/jobs/{job}/retry")) == (410, "deleted")
        assert client.get("/jobs").json()["items"] == []
        assert client.get(f"/tickets/{ticket}/results").json()["results"] == []
        page = client.get(f"/ui/jobs/{job}", headers=HTML)
        assert (page.status_code, "The job was deleted on" in page.text) == (410, True)

    def test_the_same_request_is_done_anew(self, client: httpx.Client, trained: tuple[str, str]) -> None:
        ticket, job = trained
        asked = {"tickets": [ticket], "dataset": "digits"}
        assert client.post("/train", json=asked).json()["id"] == job
        client.delete(f"/jobs/{job}").raise_for_status()
        again = client.post("/train", json=asked)
        assert (again.status_code, again.json()["state"]) == (202, "queued")

    def test_a_page_of_a_job_shows_what_became_of_its_tickets(
        self, client: httpx.Client, worker: Any, upload: Upload, make_ticket: Any, tmp_path: Any
    ) -> None:
        from core.catalog.attempts import ProducedFile
        from core.tickets import read, ticket_id

        path = tmp_path / "t"
        path.write_bytes(make_ticket(5))
        file = read(path)
        job = client.post("/find", json={"architecture": "mlp_1", "dataset": "digits"}).json()["id"]
        made = ProducedFile(ticket_id(file.ticket), "0" * 64, file)
        worker.succeed(job, worker.claim(job), None, [made])
        client.delete(f"/tickets/{made.identity}").raise_for_status()
        assert client.get(f"/jobs/{job}").json()["outputs"]["tickets"] == [made.identity]
        page = client.get(f"/ui/jobs/{job}", headers=HTML)
        assert page.status_code == 200
        assert '<span class="meta">deleted</span>' in page.text

    def test_one_that_is_not_over_is_refused(self, client: httpx.Client, upload: Upload) -> None:
        asked = {"tickets": [upload()], "dataset": "digits"}
        job = client.post("/train", json=asked).json()["id"]
        answer = client.delete(f"/jobs/{job}")
        assert problem(answer) == (409, "not-over")
        assert answer.json()["state"] == "queued"


class TestStudy:
    STUDY: ClassVar[dict[str, Any]] = {"study": "rivals", "scale": "small", "seeds": [0]}

    def test_it_is_deleted_once_it_is_over_and_then_its_jobs(self, client: httpx.Client) -> None:
        study = client.post("/studies", json=self.STUDY).json()["id"]
        assert problem(client.delete(f"/studies/{study}")) == (409, "not-over")
        body = client.post(f"/studies/{study}/cancel").json()
        job = next(row["job"] for row in body["jobs"] if row.get("job"))
        answer = client.delete(f"/jobs/{job}")
        assert problem(answer) == (409, "needed")
        assert answer.json()["studies"] == [study]
        assert client.delete(f"/studies/{study}").status_code == 200
        for part in ("", "/table", "/figures", "/archive", "/ledger"):
            assert problem(client.get(f"/studies/{study}{part}")) == (410, "deleted"), part
        assert client.delete(f"/jobs/{job}").status_code == 200
