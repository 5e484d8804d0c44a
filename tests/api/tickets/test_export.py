"""A ticket's file in other formats: made by a job, waited for, then kept."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import select

from api.problems import Rejected
from api.tickets.copies import outcome
from core.catalog.artifacts import LocalStore
from core.catalog.tables import Job
from core.jobs.outcome import Failure, Outcome, ProducedCopy

CONTENT = b"converted " * 100
NO_WAIT = {"Prefer": "wait=0"}


@pytest.fixture
def exported(database, settings, worker):
    """Does what a worker does to an export job."""

    def end(job: str, ticket: str, format: str = "torch_prune") -> str:  # noqa: A002
        with LocalStore(settings.artifact_directory).stage() as staged:
            staged.write(CONTENT)
            digest = staged.commit()
        worker.succeed(job, worker.claim(job), Outcome(copies=[ProducedCopy(ticket, format, digest)]))
        return digest

    return end


def export_jobs(database) -> list[Job]:
    with database.read() as session:
        return list(session.scalars(select(Job).where(Job.kind == "export")))


class TestDownload:
    def test_a_request_that_does_not_wait_is_told_the_job(self, client, upload, database):
        ticket = upload()
        answer = client.get(f"/tickets/{ticket}/file", params={"format": "onnx"}, headers=NO_WAIT)
        body = answer.json()
        assert (answer.status_code, body["kind"], body["state"]) == (202, "export", "queued")
        assert body["spec"] == {"kind": "export", "dataset": None, "ticket": ticket, "format": "onnx"}
        assert answer.headers["Location"] == f"/jobs/{body['id']}"
        assert int(answer.headers["Retry-After"]) > 0
        assert "ETag" not in answer.headers

    def test_the_copy_is_served_once_it_is_there(self, client, upload, exported):
        ticket = upload()
        url = f"/tickets/{ticket}/file?format=torch_prune"
        digest = exported(client.get(url, headers=NO_WAIT).json()["id"], ticket)
        answer = client.get(url)
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{ticket[:12]}.prune.pth"'
        part = client.get(url, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, CONTENT[10:20])
        assert client.get(url, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        assert client.get(f"/tickets/{ticket}/file").content != CONTENT

    def test_each_format_has_its_media_type(self, client, upload, exported):
        ticket = upload()
        url = f"/tickets/{ticket}/file?format=huggingface"
        exported(client.get(url, headers=NO_WAIT).json()["id"], ticket, "huggingface")
        answer = client.get(url)
        assert answer.headers["Content-Type"] == "application/x-tar"
        assert answer.headers["Content-Disposition"].endswith('.huggingface.tar"')

    def test_a_request_waits_for_the_job(self, client, upload, database, exported):
        ticket = upload()

        def work() -> None:
            while not (found := export_jobs(database)):
                time.sleep(0.02)
            exported(found[0].id, ticket)

        thread = threading.Thread(target=work)
        thread.start()
        answer = client.get(f"/tickets/{ticket}/file", params={"format": "torch_prune"})
        thread.join()
        assert (answer.status_code, answer.content) == (200, CONTENT)

    def test_requests_at_once_share_one_job(self, address, client, upload, database):
        ticket = upload()

        def ask(_: int) -> str:
            url = f"{address}/tickets/{ticket}/file?format=dense"
            return httpx.get(url, headers=NO_WAIT, timeout=30).json()["id"]

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(ask, range(4)))) == 1
        assert len(export_jobs(database)) == 1
        client.get(f"/tickets/{ticket}/file?format=onnx", headers=NO_WAIT)
        assert len(export_jobs(database)) == 2

    @pytest.mark.parametrize("stop", [False, True])
    def test_a_job_that_made_nothing_says_why_and_the_next_request_tries_again(
        self, client, upload, worker, database, stop
    ):
        ticket = upload()
        url = f"/tickets/{ticket}/file?format=onnx"
        job = client.get(url, headers=NO_WAIT).json()["id"]
        if stop:
            client.post(f"/jobs/{job}/cancel")
        else:
            worker.fail(job, worker.claim(job), Failure("unavailable", "onnx is not installed"))
        with pytest.raises(Rejected) as refused:
            outcome(database, job, ticket, "onnx")
        problem = refused.value.document
        assert (problem["status"], problem["type"]) == (422, "urn:elasticket:problem:export-failed")
        assert problem["detail"] == ("The export is cancelled." if stop else "onnx is not installed")
        assert (problem["job"], (problem["error"] or {}).get("reason")) == (
            job,
            None if stop else "unavailable",
        )
        assert client.get(url, headers=NO_WAIT).json()["id"] != job

    def test_a_ticket_that_is_not_there(self, client, database):
        assert client.get(f"/tickets/{'0' * 64}/file?format=onnx").status_code == 404
        assert export_jobs(database) == []


class TestLinks:
    def test_there_is_one_per_format(self, client, upload):
        links = client.get(f"/tickets/{upload()}").json()["links"]
        assert list(links["files"]) == [
            "elasticket",
            "safetensors",
            "torch_prune",
            "open_lth",
            "dense",
            "onnx",
            "huggingface",
            "compact",
            "compact_onnx",
        ]
        for link in links["files"].values():
            assert client.get(link, headers=NO_WAIT).status_code in (200, 202)
