"""Uploads to the object store: begun and completed over HTTP, sent past it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.uploads import service
from core.catalog import keys, quotas
from core.catalog.database import Database
from core.catalog.quotas import Quota, Sizes
from core.catalog.scratch import Scratch
from core.catalog.stores import store_of
from core.settings import Settings
from tests.api.conftest import serving

DATA = b"not looked at by the API"


def announced(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def problem(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).rpartition(":")[2]


@pytest.fixture
def left(in_bucket: Settings) -> Callable[[str], list[str]]:
    """What lies in scratch for an upload."""
    return lambda upload: sorted(key for key, _ in Scratch(in_bucket).bucket(upload).list())


class TestBegin:
    def test_a_small_file_is_one_request_bound_to_its_size_and_digest(self, client: httpx.Client) -> None:
        answer = client.post("/uploads", json=announced(DATA))
        upload = answer.json()
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/uploads/{upload['id']}/complete"
        (part,) = upload["parts"]
        assert (part["offset"], part["size"]) == (0, len(DATA))
        signed = httpx.URL(part["url"]).params["X-Amz-SignedHeaders"].split(";")
        assert {"content-length", "x-amz-checksum-sha256"} <= set(signed)

    def test_a_large_one_is_sent_in_parts(
        self, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "WHOLE_BYTES", 5 << 20)
        upload = client.post("/uploads", json=announced(DATA) | {"size": (11 << 20) + 3}).json()
        assert [(part["offset"] >> 20, part["size"]) for part in upload["parts"]] == [
            *((0, 5 << 20), (5, 5 << 20)),
            (10, (1 << 20) + 3),
        ]

    def test_the_same_key_finds_the_same_upload_with_new_addresses(self, client: httpx.Client) -> None:
        def ask(data: bytes) -> httpx.Response:
            return client.post("/uploads", json=announced(data), headers={"Idempotency-Key": "k"})

        first, second = ask(DATA), ask(DATA)
        assert first.json()["id"] == second.json()["id"]
        assert second.headers["Idempotency-Replayed"] == "true"
        assert problem(ask(b"another")) == "idempotency-key-reused"

    def test_one_that_is_too_large_is_refused(self, client: httpx.Client, in_bucket: Settings) -> None:
        size = in_bucket.max_upload_bytes + 1
        answer = client.post("/uploads", json=announced(DATA) | {"size": size})
        assert (answer.status_code, problem(answer)) == (413, "too-large")

    def test_one_past_the_quota_is_refused(self, in_bucket: Settings) -> None:
        small = in_bucket.model_copy(update={"quota_bytes": 100, "artifacts": f"{in_bucket.artifacts}/empty"})
        with serving(create_app(small)) as address, httpx.Client(base_url=address) as client:
            for size, status in ((60, 201), (60, 507), (30, 201)):
                answer = client.post("/uploads", json=announced(DATA) | {"size": size})
                assert answer.status_code == status, size

    @pytest.mark.parametrize("change", [{"artifacts": None}, {"presigned_seconds": 0}])
    def test_an_installation_without_addresses_says_where_to_upload(
        self, in_bucket: Settings, change: dict[str, Any]
    ) -> None:
        other = in_bucket.model_copy(update=change)
        with serving(create_app(other)) as address, httpx.Client(base_url=address) as client:
            for path in ("/uploads", f"/uploads/{'ab' * 16}/complete"):
                answer = client.post(path, json=announced(DATA) if path == "/uploads" else None)
                assert (answer.status_code, problem(answer)) == (409, "no-direct-uploads")
                assert "POST /tickets" in answer.json()["detail"]


class TestComplete:
    def test_a_job_of_the_same_id_is_to_import_it_once(
        self, client: httpx.Client, sent: Callable, left: Callable
    ) -> None:
        upload = client.post("/uploads", json=announced(DATA)).json()
        sent(upload, DATA)
        path = upload["links"]["complete"]
        first = client.post(path, params={"tag": "big", "architecture": "mlp_1"})
        job = first.json()
        assert (first.status_code, job["id"], job["kind"]) == (202, upload["id"], "import")
        assert job["spec"]["sha256"] == announced(DATA)["sha256"]
        assert (job["spec"]["tags"], job["spec"]["architecture"]) == (["big"], "mlp_1")
        assert client.post(path).json()["id"] == upload["id"]
        jobs = [job["id"] for job in client.get("/jobs").json()["items"]]
        assert jobs.count(upload["id"]) == 1
        assert "upload" in left(upload["id"])

    def test_parts_become_one_object(
        self,
        client: httpx.Client,
        sent: Callable,
        in_bucket: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(service, "WHOLE_BYTES", 5 << 20)
        data = os.urandom((5 << 20) + 9)
        upload = client.post("/uploads", json=announced(data)).json()
        upload["parts"].reverse()
        sent(upload, data)
        assert client.post(upload["links"]["complete"]).status_code == 202
        stored = b"".join(Scratch(in_bucket).bucket(upload["id"]).blocks("upload"))
        assert hashlib.sha256(stored).hexdigest() == announced(data)["sha256"]

    def test_what_was_not_sent_is_not_there(self, client: httpx.Client) -> None:
        upload = client.post("/uploads", json=announced(DATA)).json()
        answer = client.post(upload["links"]["complete"])
        assert (answer.status_code, problem(answer)) == (409, "nothing-was-sent")
        assert client.get(f"/jobs/{upload['id']}").status_code == 404

    def test_another_size_is_refused_and_leaves_nothing(
        self, client: httpx.Client, sent: Callable, left: Callable
    ) -> None:
        upload = client.post("/uploads", json=announced(DATA)).json()
        (part,) = upload["parts"]
        httpx.put(part["url"], content=DATA[1:])
        answer = client.post(upload["links"]["complete"])
        assert (answer.status_code, problem(answer)) == (422, "upload-differs")
        assert f"{len(DATA)} bytes were announced, and {len(DATA) - 1} were sent" in answer.json()["detail"]
        assert left(upload["id"]) == []
        assert client.get(f"/jobs/{upload['id']}").status_code == 404

    def test_what_is_said_of_the_file_is_checked(self, client: httpx.Client) -> None:
        upload = client.post("/uploads", json=announced(DATA)).json()
        for query in ("level=nine", "tag=%00", "format=none", "unknown=1"):
            answer = client.post(f"{upload['links']['complete']}?{query}")
            assert (answer.status_code, problem(answer)) == (422, "invalid-request"), query

    def test_of_another_project_it_does_not_exist(
        self, in_bucket: Settings, sent: Callable, left: Callable
    ) -> None:
        guarded = in_bucket.model_copy(update={"auth": "keys"})
        database = Database(guarded.database)
        clients = []
        with serving(create_app(guarded)) as address:
            for project in ("first", "second"):
                with database.everywhere().write() as session:
                    keys.ensure_project(session, project)
                with database.of(project).write() as session:
                    text = keys.create(session, "k", "write")[1].text
                headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "same"}
                clients.append(httpx.Client(base_url=address, headers=headers))
            first, second = clients
            upload = first.post("/uploads", json=announced(DATA)).json()
            assert second.post("/uploads", json=announced(DATA)).json()["id"] != upload["id"]
            sent(upload, DATA)
            answer = second.post(upload["links"]["complete"])
            assert (answer.status_code, problem(answer)) == (404, "not-found")
            assert "upload" in left(upload["id"])
            assert first.post(upload["links"]["complete"]).status_code == 202
            assert second.post(upload["links"]["complete"]).status_code == 404
        for client in clients:
            client.close()
        database.close()


class TestQuotaOfAProject:
    @pytest.fixture
    def database(self, in_bucket: Settings) -> Iterator[Database]:
        """The project may store twice the file that is sent, and no more."""
        database = Database(in_bucket.database)

        def limit(most: int | None) -> None:
            with database.write() as session:
                quotas.set_quota(session, "default", Quota(bytes=most))

        with database.read() as session:
            there = Sizes(store_of(in_bucket)).stored(session)
        limit(there + 2 * len(DATA))
        quotas.count(database, Sizes(store_of(in_bucket)))
        yield database
        limit(None)
        database.close()

    def test_what_does_not_fit_is_not_begun(self, client: httpx.Client, database: Database) -> None:
        for more, status in ((1, 507), (0, 201)):
            answer = client.post("/uploads", json=announced(DATA) | {"size": 2 * len(DATA) + more})
            assert answer.status_code == status, more
        assert problem(client.post("/uploads", json=announced(DATA) | {"size": 1 << 20})) == "project-full"

    def test_nor_completed_where_others_came_first(
        self, client: httpx.Client, database: Database, in_bucket: Settings, sent: Callable, left: Callable
    ) -> None:
        begun = [client.post("/uploads", json=announced(DATA)).json() for _ in range(3)]
        for upload in begun:
            sent(upload, DATA)
        *fitting, last = (client.post(upload["links"]["complete"]) for upload in begun)
        assert [answer.status_code for answer in fitting] == [202, 202]
        assert (last.status_code, problem(last)) == (507, "project-full")
        assert client.get(f"/jobs/{begun[-1]['id']}").status_code == 404
        assert "upload" in left(begun[-1]["id"])
        # Counted again, what waits to be imported is not forgotten.
        quotas.count(database, Sizes(store_of(in_bucket)))
        assert client.post(begun[-1]["links"]["complete"]).status_code == 507
