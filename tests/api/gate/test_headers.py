"""What every response tells a browser, whatever it is."""

from __future__ import annotations

import httpx
import pytest

from api.gate.headers import HEADERS


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


ASKED = [
    ("GET", "/", 200),
    ("GET", "/ui/upload", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/jobs", 200),
    ("HEAD", "/jobs", 200),
    ("GET", "/healthz", 200),
    ("GET", "/static/live.js", 200),
    ("GET", "/docs/assets/swagger-ui.css", 200),
    ("GET", "/static/nothing.js", 404),
    ("GET", "/nothing", 404),
    ("PUT", "/jobs", 405),
    ("POST", "/find", 422),
]


class TestEveryResponse:
    def test_has_the_same_headers(self, client: httpx.Client) -> None:
        for method, path, status in ASKED:
            answer = client.request(method, path)
            assert answer.status_code == status
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path

    def test_allows_no_script_or_style_within_a_page(self) -> None:
        policy = HEADERS["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        for closed in ("base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
            assert closed in policy

    def test_of_a_drawing_runs_nothing(self, client: httpx.Client) -> None:
        answer = client.get("/static/favicon.svg")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert policy.endswith("; sandbox")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_of_an_answer_that_is_refused_halfway(self, client: httpx.Client) -> None:
        answer = client.post("/find", content=b"x" * 2_000_000)
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (413, "nosniff")
        assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


class TestDownloads:
    def test_are_attachments(self, client: httpx.Client, upload) -> None:
        answer = client.get(f"/tickets/{upload()}/file")
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        study = client.post("/studies", json={"study": "elth_fc", "scale": "small"}).json()["id"]
        archive = client.get(f"/studies/{study}/archive")
        assert archive.headers["Content-Disposition"].startswith("attachment;")
        table = client.get(f"/studies/{study}/table", params={"format": "html"})
        assert table.headers["Content-Security-Policy"].endswith("; sandbox")
