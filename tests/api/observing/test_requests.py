"""Every request has an id, is counted by its route, is a line of the log where asked, and part of a trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from core import logs, tracing
from core.catalog.database import Database
from core.catalog.tables import Job
from core.settings import Settings
from tests.collector import collecting

FIND = {"architecture": "mlp_1", "dataset": "digits"}
SECONDS = "elasticket_http_request_duration_seconds"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def figures(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """What is counted, by name and labels in the order of their names."""
    families = text_string_to_metric_families(client.get("/metrics").raise_for_status().text)
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


class TestIdentity:
    def test_a_good_one_is_echoed(self, client: httpx.Client) -> None:
        answer = client.get("/healthz", headers={"X-Request-ID": "run-7/step:3"})
        assert answer.headers["x-request-id"] == "run-7/step:3"

    def test_of_another_kind_or_without_one_is_made(self, client: httpx.Client) -> None:
        for given in ("", "a b", "x" * 129, 'a"b', "a,b", "é"):
            made = [
                client.get("/healthz", headers={"X-Request-ID": given.encode()}).headers["x-request-id"]
                for _ in range(2)
            ]
            assert made[0] != made[1]
            assert all(len(one) == 32 and one != given for one in made)

    def test_refusals_have_one_too(self, client: httpx.Client) -> None:
        for answer in (
            client.get("/nothing"),
            client.get("/jobs", headers={"Host": "evil.example"}),
            client.post("/find", content=b"{"),
            client.request("HEAD", "/jobs"),
        ):
            assert answer.headers["x-request-id"]


class TestFigures:
    def test_requests_are_counted_by_route_and_never_by_path(self, client: httpx.Client) -> None:
        paths = [
            "/healthz",
            "/healthz",
            f"/jobs/{'0' * 32}",
            "/jobs/nonsense",
            "/nothing/at/all",
            "/static/x.css",
        ]
        for path in paths:
            client.get(path)
        client.post("/find", json={"architecture": "none"})
        client.post("/find", json=FIND)
        client.head("/jobs")
        client.request("BREW", "/jobs")
        found = figures(client)
        counted = {key[1:]: value for key, value in found.items() if key[0] == f"{SECONDS}_count"}
        assert counted == {
            ("GET", "/healthz", "200"): 2,
            ("GET", "/jobs/{job}", "404"): 2,
            ("GET", "unmatched", "404"): 1,
            ("GET", "/static", "404"): 1,
            ("POST", "/find", "422"): 1,
            ("POST", "/find", "202"): 1,
            ("HEAD", "/jobs", "200"): 1,
            ("other", "/jobs", "405"): 1,
        }

    def test_pages_behind_an_address_are_those_routes(self, client: httpx.Client) -> None:
        client.get("/jobs", headers={"Accept": "text/html"}, follow_redirects=False)
        assert any(key[2:3] == ("/ui/jobs",) for key in figures(client))

    def test_an_event_stream_is_one_while_it_is_open(self, client: httpx.Client) -> None:
        job = client.post("/find", json=FIND).json()["id"]
        with client.stream("GET", f"/jobs/{job}/events") as stream:
            arriving = stream.iter_lines()  # let go of, it would close the stream
            next(arriving)
            with httpx.Client(base_url=client.base_url) as other:
                found = figures(other)
                assert found[("elasticket_http_event_streams",)] == 1
                assert found[("elasticket_http_requests_in_progress",)] == 2
        for _ in range(200):
            if figures(client)[("elasticket_http_event_streams",)] == 0:
                return
        raise AssertionError("the stream is counted still")


@pytest.fixture
def lines(
    settings: Settings, serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Serves with lines for machines; what the requests that are given to it have logged."""
    before, level = logging.root.handlers[:], logging.root.level
    app = create_app(settings.model_copy(update={"log": "json"}))
    with serve(app) as address, httpx.Client(base_url=address, timeout=30) as client:

        def ask(*requests: tuple[str, str, dict[str, Any]]) -> list[dict[str, Any]]:
            logs.configure("api", "json")
            for method, path, more in requests:
                client.request(method, path, **more)
            found = map(json.loads, capsys.readouterr().err.splitlines())
            return [line for line in found if line["logger"] == "api.access"]

        yield ask
    logging.root.handlers[:] = before
    logging.root.setLevel(level)


class TestLines:
    def test_each_request_is_one_with_its_id_and_without_its_query(
        self, lines: Callable[..., list[dict[str, Any]]]
    ) -> None:
        (line,) = lines(("GET", "/jobs?q=private", {"headers": {"X-Request-ID": "abc"}}))
        assert line.pop("seconds") > 0
        assert line.pop("time")
        assert line == {
            "level": "info",
            "process": "api",
            "logger": "api.access",
            "message": "GET /jobs 200",
            "request": "abc",
            "method": "GET",
            "path": "/jobs",
            "route": "/jobs",
            "status": 200,
            "client": "127.0.0.1",
        }

    def test_one_that_made_a_job_says_which(self, lines: Callable[..., list[dict[str, Any]]]) -> None:
        (line,) = lines(("POST", "/find", {"json": FIND}))
        assert line["location"].startswith("/jobs/")

    def test_a_path_cannot_forge_a_line(self, lines: Callable[..., list[dict[str, Any]]]) -> None:
        (line,) = lines(("GET", "/x%0A%7B%22status%22:200%7D", {}))
        assert line["path"] == '/x\n{"status":200}'
        assert line["status"] == 404


class TestTraces:
    def test_a_job_goes_on_with_the_trace_of_its_request(
        self,
        settings: Settings,
        serve: Callable[..., Any],
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        with collecting() as collector:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
            tracing.start("api")
            with serve(create_app(settings)) as address, httpx.Client(base_url=address) as client:
                job = client.post("/find", json=FIND, headers={"traceparent": caller}).json()["id"]
                client.get("/healthz")
                client.get("/nothing")
            tracing.stop()
            posted, lost = collector.spans()
        assert posted.name == "POST /find"
        assert f"00-{posted.trace}-{posted.parent}-01" == caller
        assert posted.told.items() >= {"http.route": "/find", "http.response.status_code": 202}.items()
        assert (lost.name, lost.parent) == ("GET unmatched", "")
        with database.read() as session:
            assert session.get_one(Job, job).trace == f"00-{posted.trace}-{posted.id}-01"
