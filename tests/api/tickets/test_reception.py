"""How much is taken in: so many uploads at a time, so many bytes in all, and what a full disk leaves."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from core.catalog.artifacts import LocalStore
from core.settings import Settings

FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


Serve = Callable[..., Any]


@contextmanager
def serving(serve: Serve, app: FastAPI) -> Iterator[httpx.Client]:
    with serve(app) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


def form(content: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    return head + content + b"\r\n--b--\r\n"


def sent(client: httpx.Client, content: bytes) -> list[httpx.Response]:
    """The same bytes by every route that takes a file: with their length, in chunks, in a form, as an archive."""
    return [
        client.post("/tickets", content=content),
        client.post("/tickets", content=iter([content[:100], content[100:]])),
        client.post("/tickets", content=form(content), headers=FORM),
        client.post("/ui/upload", content=form(content), headers=FORM),
        client.post("/studies/import", content=content),
        client.post("/studies/import", content=iter([content[:100], content[100:]])),
    ]


class TestSize:
    def test_is_counted_as_bytes_arrive_by_every_route(self, settings: Settings, serve: Serve, files) -> None:
        small = settings.model_copy(update={"max_upload_bytes": 1000})
        with serving(serve, create_app(small)) as client:
            answers = sent(client, b"x" * 200_000)
        assert {answer.status_code for answer in answers} == {413}
        assert files() == []


class TestPlaces:
    def test_one_upload_more_is_told_to_come_again(
        self, settings: Settings, serve: Serve, make_ticket
    ) -> None:
        few = settings.model_copy(update={"uploads": 2})
        with serving(serve, create_app(few)) as client:
            place = urlsplit(str(client.base_url))
            with ExitStack() as stack:
                for path in ("/tickets", "/studies/import"):
                    halfway = stack.enter_context(socket.create_connection((place.hostname, place.port)))
                    halfway.sendall(
                        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na".encode()
                    )
                while (answer := client.post("/tickets", content=b"x")).status_code != 503:
                    assert answer.status_code == 422
                assert answer.json()["type"] == "urn:elasticket:problem:too-many-uploads"
                assert answer.headers["Retry-After"] == "5"
                assert client.get("/tickets").status_code == 200
            while client.post("/tickets", content=make_ticket()).status_code == 503:
                pass
            assert client.post("/tickets", content=make_ticket()).status_code == 200


class TestQuota:
    def test_past_it_nothing_is_taken_and_nothing_stays(
        self, settings: Settings, serve: Serve, make_ticket, files
    ) -> None:
        first, second = make_ticket(0), make_ticket(1)
        limited = settings.model_copy(update={"quota_bytes": len(first) + len(second) // 2})
        with serving(serve, create_app(limited)) as client:
            assert client.post("/tickets", content=first).status_code == 201
            kept = files()
            answers = sent(client, second)
            assert {answer.status_code for answer in answers} == {507}
            assert answers[0].json()["type"] == "urn:elasticket:problem:no-room"
            assert files() == kept
            assert client.post("/tickets", content=first[: len(first) // 4]).status_code == 422
            assert len(client.get("/tickets").json()["items"]) == 1

    def test_counts_what_others_stored(self, settings: Settings, serve: Serve, make_ticket) -> None:
        settings.artifact_directory.mkdir()
        (settings.artifact_directory / "other").write_bytes(b"x" * 1000)
        limited = settings.model_copy(update={"quota_bytes": 1000})
        with serving(serve, create_app(limited)) as client:
            assert client.post("/tickets", content=make_ticket()).status_code == 507


class _FullDisk(LocalStore):
    """A store whose new files lie on the kernel's own full device."""

    @contextmanager
    def stage(self) -> Iterator[Any]:
        with super().stage() as staged:
            os.dup2(full := os.open("/dev/full", os.O_WRONLY), staged._file.fileno())
            os.close(full)
            yield staged


class TestFullDisk:
    def test_is_said_and_leaves_nothing(self, settings: Settings, serve: Serve, make_ticket, files) -> None:
        app = create_app(settings)
        app.state.store = _FullDisk(settings.artifact_directory)
        with serving(serve, app) as client:
            answers = sent(client, make_ticket())
            assert {answer.status_code for answer in answers} == {507}
            assert answers[0].json()["type"] == "urn:elasticket:problem:no-room"
            assert str(settings.root) not in answers[0].text
            assert client.get("/tickets").json()["items"] == []
        assert files() == []
