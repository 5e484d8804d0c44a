"""Which answer a request gets at an address that has two."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import Client

from api.pages.negotiation import prefers_html
from core.catalog.database import Database

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

ACCEPTS = [
    (BROWSER, True),
    ("text/html", True),
    ("text/*", True),
    ("TEXT/HTML", True),
    ("text/html;q=0.9, application/json;q=0.5", True),
    ("text/html;level=1;q=0.4, application/json;q=0.3", True),
    ("application/json;q=0, */*", True),
    ("*/*", False),
    ("", False),
    ("application/json", False),
    ("text/html, application/json", False),
    ("text/html;q=0.5, application/json", False),
    ("text/html;q=0, */*", False),
    ("text/html;q=nonsense", False),
    ("text/event-stream", False),
    ("application/*, text/html;q=0.9", False),
    ("garbage;;;,,,/", False),
]


class TestPreference:
    @pytest.mark.parametrize(("accept", "html"), ACCEPTS)
    def test_follows_the_weights(self, accept: str, html: bool) -> None:
        assert prefers_html(accept) is html


class TestBothAnswers:
    @pytest.mark.parametrize(("accept", "html"), ACCEPTS)
    @pytest.mark.parametrize("path", ["/jobs", "/jobs/{job}", "/tickets", "/tickets/{ticket}"])
    def test_one_address_two_answers(
        self, client: Client, catalog, path: str, accept: str, html: bool
    ) -> None:
        job = catalog.queued()
        source, _ = catalog.family()
        response = client.get(path.format(job=job, ticket=source), headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"].split(";")[0] == ("text/html" if html else "application/json")
        assert "accept" in response.headers["vary"].lower()

    def test_the_query_goes_along(self, client: Client, catalog) -> None:
        queued, cancelled = catalog.queued(), catalog.queued()
        catalog.cancelling(cancelled)
        page = client.get("/jobs?state=queued").text
        assert queued in page
        assert cancelled not in page

    def test_a_head_request_has_no_body(self, client: Client) -> None:
        response = client.head("/nowhere")
        assert (response.status_code, response.content) == (404, b"")

    @pytest.mark.parametrize("below", ["events", "log"])
    def test_what_lies_below_a_job_is_no_page(self, client: Client, catalog, below: str) -> None:
        job = catalog.queued()
        catalog.cancelling(job)
        response = client.get(f"/jobs/{job}/{below}")
        assert response.status_code == 200
        assert not response.headers["content-type"].startswith("text/html")


class TestErrors:
    @pytest.mark.parametrize(
        "path",
        [
            "/nowhere",
            f"/jobs/{'0' * 32}",
            "/jobs/nope",
            f"/ui/tickets/{'0' * 64}",
            "/tickets/x",
            "/ui/jobs/%00",
        ],
    )
    def test_a_browser_gets_a_page(self, client: Client, path: str) -> None:
        response = client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("text/html")
        assert "No such page" in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]

    def test_it_keeps_what_the_problem_tells_in_headers(
        self, client: Client, application: FastAPI, tmp_path: Path
    ) -> None:
        assert client.get("/find").headers["allow"] == "POST"
        application.state.database = Database(f"sqlite:///{tmp_path}/nowhere/x.db")
        response = client.get("/jobs")
        assert response.headers["content-type"].startswith("text/html")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")

    def test_a_program_gets_a_problem(self, client: Client) -> None:
        response = client.get(f"/jobs/{'0' * 32}", headers={"Accept": "*/*"})
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "path",
        [
            "/?after=nonsense",
            "/?after=WzEuNSwiXHVkODAwIl0",
            "/?state=bogus",
            "/?kind=%00",
            "/ui/tickets?after=x",
            "/ui/tickets?sparsity_min=much",
        ],
    )
    def test_a_wrong_query_is_explained(self, client: Client, path: str) -> None:
        response = client.get(path)
        assert response.status_code in (400, 422)
        assert response.headers["content-type"].startswith("text/html")

    def test_what_was_asked_for_is_shown_as_text(self, client: Client, hostile: str) -> None:
        response = client.get(f"/ui/jobs/{hostile.replace('/', '%2F')}")
        assert "<script>alert" not in response.text
