"""The pages of studies as a browser without scripts sees them."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from httpx import Client

from core.tickets import ticket_id

if TYPE_CHECKING:
    from tests.api.pages.conftest import Catalog

ASKED: dict[str, Any] = {"study": "rivals", "datasets": ["digits"], "seeds": [0, 1]}


@pytest.fixture
def hostile(hostile: str) -> str:
    """As an arm may be called: its name is part of keys, which slashes divide."""
    return hostile.replace("/", "|")


@pytest.fixture
def study(client: Client, hostile: str) -> dict[str, Any]:
    """A study with an arm of a hostile name, just asked for."""
    # A slash is the one sign that no arm's name may have.
    arms = [{"name": hostile.replace("/", ""), "method": "dense"}, {"name": "ETT", "method": "ett"}]
    answer = client.post("/studies", json=ASKED | {"arms": arms})
    return answer.raise_for_status().json()


class TestStudies:
    def test_without_one_it_says_how_to_ask(self, client: Client) -> None:
        page = client.get("/ui/studies").raise_for_status().text
        assert "No studies yet" in page
        assert "elasticket rivals digits" in page

    def test_each_links_to_its_page(self, client: Client, study: dict[str, Any]) -> None:
        page = client.get("/ui/studies").text
        assert f'href="/ui/studies/{study["id"]}"' in page
        assert "mlp_2 → mlp_3 on digits" in page
        assert 'class="n">4</td>' in page

    def test_a_browser_is_shown_the_page_at_the_program_s_address(
        self, client: Client, study: dict[str, Any]
    ) -> None:
        assert "<h2" in client.get(f"/studies/{study['id']}").text
        assert client.get("/studies").headers["content-type"].startswith("text/html")
        told = client.get(f"/studies/{study['id']}", headers={"Accept": "application/json"})
        assert told.json()["id"] == study["id"]


class TestStudy:
    def test_the_table_is_there_before_its_numbers_and_can_be_cancelled(
        self, client: Client, study: dict[str, Any]
    ) -> None:
        page = client.get(f"/ui/studies/{study['id']}").text
        assert "ETT from mlp_2" in page
        assert f'data-post="/studies/{study["id"]}/cancel"' in page
        assert "data-still" not in page
        assert page.count("waiting</span>") == 2

    def test_a_hostile_name_is_text(self, client: Client, study: dict[str, Any], hostile: str) -> None:
        page = client.get(f"/ui/studies/{study['id']}")
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")

    def test_what_failed_says_why_and_what_it_blocks_is_marked(
        self, client: Client, study: dict[str, Any], catalog: "Catalog"
    ) -> None:
        (find,) = (job["job"] for job in study["jobs"] if job["kind"] == "find")
        catalog.running(find)
        catalog.failed(find, "the training loss is nan")
        page = client.get(f"/ui/studies/{study['id']}").text
        assert "the training loss is nan" in page
        assert page.count(">blocked</span>") == 2

    def test_a_row_leads_to_its_job_and_its_tickets_and_figures_need_no_script(
        self, client: Client, catalog: "Catalog"
    ) -> None:
        arms = [{"name": "IMP", "method": "imp"}]
        asked = ASKED | {"targets": ["mlp_2"], "seeds": [0], "arms": arms}
        study = client.post("/studies", json=asked).raise_for_status().json()["id"]

        def job(kind: str) -> str:
            catalog.advance(study)
            told = client.get(f"/studies/{study}", headers={"Accept": "application/json"}).json()
            (found,) = (job["job"] for job in told["jobs"] if job["kind"] == kind)
            catalog.running(found)
            return found

        ticket = catalog.found(seed=0)
        catalog.succeeded(job("find"), [ticket])
        before = client.get(f"/ui/studies/{study}").text
        assert '<section id="figures"' in before
        assert "<img" not in before
        trained = job("train")
        identity = ticket_id(ticket.ticket)
        catalog.succeeded(trained, runs=[catalog.trained(ticket=identity, level=None)])
        catalog.advance(study)
        page = client.get(f"/ui/studies/{study}").text
        assert f'<a href="/ui/jobs/{trained}">job</a>' in page
        assert f'<a href="/ui/tickets/{identity}" aria-label="ticket of seed 0">0</a>' in page
        assert "worth 1.2 s of training so far" in page
        (drawn,) = re.findall(
            r'<noscript>\s*<div class="plots">\s*<figure class="plot"><img src="([^"]+)" alt="[^"]+">', page
        )
        assert client.get(drawn).headers["content-type"].startswith("image/svg+xml")

    def test_once_it_has_ended_nothing_on_it_changes_until_it_is_resumed(
        self, client: Client, study: dict[str, Any]
    ) -> None:
        assert "/resume" not in client.get(f"/ui/studies/{study['id']}").text
        client.post(f"/studies/{study['id']}/cancel").raise_for_status()
        page = client.get(f"/ui/studies/{study['id']}").text
        assert "data-still" in page
        assert page.count("data-post") == 1
        assert f'data-post="/studies/{study["id"]}/resume"' in page

    def test_one_that_is_not_there_is_a_page_too(self, client: Client) -> None:
        answer = client.get("/ui/studies/" + "0" * 32)
        assert answer.status_code == 404
        assert "There is no study" in answer.text
