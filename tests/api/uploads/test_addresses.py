"""Downloads from an installation with a bucket lead there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.client import ApiError, Client
from core.settings import Settings
from tests.api.conftest import serving, ticket_bytes
from tests.buckets import raw


def overwrite(endpoint: str, url: str, digest: str, data: bytes) -> None:
    name, _, prefix = url.removeprefix("s3://").partition("/")
    raw(endpoint).put_object(Bucket=name, Key=f"{prefix}/{digest[:2]}/{digest}", Body=data)


@pytest.fixture
def digest() -> str:
    return hashlib.sha256(ticket_bytes(0)).hexdigest()


class TestDownload:
    def test_it_leads_to_the_bucket_for_this_file_and_for_a_while(
        self, client: httpx.Client, upload: Callable[..., str], object_store: str, digest: str
    ) -> None:
        path = f"/tickets/{upload()}/file"
        answer = client.get(path)
        assert (answer.status_code, answer.headers["ETag"]) == (307, f'"{digest}"')
        address = httpx.URL(answer.headers["Location"])
        assert f"{address.scheme}://{address.netloc.decode()}" == object_store
        assert address.params["X-Amz-Expires"] == "900"
        there = httpx.get(address)
        assert there.content == ticket_bytes(0)
        assert there.headers["content-disposition"].endswith('.ticket.safetensors"')
        assert client.get(path, headers={"If-None-Match": f'"{digest}"'}).status_code == 304

    def test_a_missing_and_a_damaged_file_are_told_before(
        self,
        client: httpx.Client,
        upload: Callable[..., str],
        object_store: str,
        in_bucket: Settings,
        digest: str,
    ) -> None:
        path = f"/tickets/{upload()}/file"
        overwrite(object_store, str(in_bucket.artifacts), digest, b"wrong")
        assert client.get(path).json()["type"].endswith("file-damaged")
        name, _, prefix = str(in_bucket.artifacts).removeprefix("s3://").partition("/")
        raw(object_store).delete_object(Bucket=name, Key=f"{prefix}/{digest[:2]}/{digest}")
        assert client.get(path).json()["type"].endswith("file-missing")
        upload()
        assert client.get(path).status_code == 307

    def test_files_come_through_the_api_where_addresses_are_not_wanted(self, in_bucket: Settings) -> None:
        hidden = in_bucket.model_copy(update={"presigned_seconds": 0})
        with serving(create_app(hidden)) as address, httpx.Client(base_url=address) as client:
            ticket = client.post("/tickets", content=ticket_bytes(0)).json()["id"]
            answer = client.get(f"/tickets/{ticket}/file", headers={"Range": "bytes=0-7"})
            assert (answer.status_code, answer.content) == (206, ticket_bytes(0)[:8])

    def test_layers_are_read_from_a_copy(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        assert client.get(f"/tickets/{upload()}/layers").status_code == 200


class TestPull:
    def test_the_client_follows_without_its_key_and_checks_the_digest(
        self,
        address: str,
        upload: Callable[..., str],
        object_store: str,
        in_bucket: Settings,
        digest: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        ticket, asked = upload(), []
        send = httpx.HTTPTransport.handle_request

        def seen(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            asked.append((request.url.host, request.url.port, request.headers.get("Authorization")))
            return send(self, request)

        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", seen)
        with Client(address, key="elk_secret") as client:
            assert client.pull(ticket, tmp_path / "file").read_bytes() == ticket_bytes(0)
        here, there = httpx.URL(address), httpx.URL(object_store)
        assert asked == [(here.host, here.port, "Bearer elk_secret"), (there.host, there.port, None)]

    def test_what_was_changed_on_the_way_leaves_nothing(
        self, address: str, upload: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticket = upload()
        monkeypatch.setattr(httpx.Response, "iter_bytes", lambda *_: iter([b"changed"]))
        with Client(address) as client, pytest.raises(ApiError) as caught:
            client.pull(ticket, tmp_path / "file")
        assert caught.value.kind == "damaged"
        assert list(tmp_path.glob("file*")) == []


class TestReady:
    def test_a_bucket_that_is_not_there_is_told(self, in_bucket: Settings) -> None:
        gone = in_bucket.model_copy(update={"artifacts": "s3://nowhere"})
        with serving(create_app(gone)) as address, httpx.Client(base_url=address) as client:
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert "there is no bucket nowhere" in answer.json()["detail"]
            answer = client.post("/tickets", content=ticket_bytes(0))
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:elasticket:problem:not-ready")
