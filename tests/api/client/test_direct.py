"""Large files go to the object store where there is one."""

from __future__ import annotations

import hashlib
import io
import json
import os
from typing import Any

import pytest

from api.client import ApiError, Client
from api.client.models.jobs import Job
from api.jobs.examples import SUCCEEDED
from api.tickets.examples import TICKET_BODY

JSON = "application/json"
PROBLEM = "application/problem+json"
DONE = "/uploads/u/complete"


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr("api.client.direct.LEAST_BYTES", 1000)
    return os.urandom(2500)


@pytest.fixture
def offering(server: Any, data: bytes) -> Any:
    """A server that gives two addresses, which are its own."""
    parts = [
        {"offset": 0, "size": 2000, "url": f"{server.url}/one", "headers": {"x-amz-meta": "bound"}},
        {"offset": 2000, "size": 500, "url": f"{server.url}/two"},
    ]
    body = {"id": "u", "parts": parts, "expires_at": "2026-01-01T00:00:00Z", "links": {"complete": DONE}}
    server.answers["/uploads"] = [(201, JSON, json.dumps(body).encode())]
    server.answers["/one"] = server.answers["/two"] = [(200, JSON, b"")]
    server.answers[DONE] = [(202, JSON, json.dumps(SUCCEEDED).encode())]
    return server


class TestPush:
    def test_each_part_goes_to_its_address_without_our_key(self, offering: Any, data: bytes) -> None:
        with Client(offering.url, key="elk_secret") as client:
            made = client.push(io.BytesIO(data), tag=["big"])
        assert isinstance(made, Job)
        asked, one, two, done = offering.seen
        assert json.loads(asked[3]) == {"size": 2500, "sha256": hashlib.sha256(data).hexdigest()}
        assert (one[1], one[3], two[1], two[3]) == ("/one", data[:2000], "/two", data[2000:])
        assert one[2]["x-amz-meta"] == "bound"
        assert [headers.get("authorization") for _, _, headers, _ in offering.seen] == [
            *("Bearer elk_secret", None, None, "Bearer elk_secret")
        ]
        assert done[1] == f"{DONE}?tag=big"

    def test_a_part_that_fails_is_sent_again_to_a_new_address(self, offering: Any, data: bytes) -> None:
        offering.answers["/one"] = [(403, JSON, b""), (200, JSON, b"")]
        with Client(offering.url) as client:
            client.push(io.BytesIO(data))
        paths = [path for _, path, _, _ in offering.seen]
        assert paths == ["/uploads", "/one", "/uploads", "/one", "/two", DONE]
        first, second = (
            headers["idempotency-key"] for _, path, headers, _ in offering.seen if path == "/uploads"
        )
        assert first == second

    def test_without_patience_a_part_that_fails_is_told(self, offering: Any, data: bytes) -> None:
        offering.answers["/one"] = [(403, JSON, b"")]
        with Client(offering.url, patience=0) as client, pytest.raises(ApiError, match="answered 403"):
            client.push(io.BytesIO(data))

    def test_where_none_are_given_it_goes_through_the_api(self, server: Any, data: bytes) -> None:
        problem = {"type": "urn:elasticket:problem:no-direct-uploads", "detail": "no"}
        server.answers["/uploads"] = [(409, PROBLEM, json.dumps(problem).encode())]
        server.answers["/tickets"] = [(201, JSON, json.dumps(TICKET_BODY).encode())]
        with Client(server.url) as client:
            client.push(io.BytesIO(data))
        assert server.seen[-1][3] == data

    def test_another_refusal_is_told(self, server: Any, data: bytes) -> None:
        server.answers["/uploads"] = [(413, PROBLEM, b'{"detail": "too large", "type": "urn:x:too-large"}')]
        with Client(server.url) as client, pytest.raises(ApiError, match="too large"):
            client.push(io.BytesIO(data))
