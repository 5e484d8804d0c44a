"""The page of the fleet as a browser without scripts sees it, and the same numbers as JSON."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from httpx import Client
from sqlalchemy import update

from core.catalog.tables import Event, Job
from core.jobs.states import State

if TYPE_CHECKING:
    from tests.api.pages.conftest import Catalog

JSON = {"Accept": "application/json"}


class TestPage:
    def test_an_empty_installation_says_how_to_start_a_worker(self, client: Client) -> None:
        page = client.get("/ui/fleet").raise_for_status().text
        assert "elasticket worker" in page
        assert "every queued job is announced to the workers" in page
        assert 'id="fleet" data-live' in page

    def test_a_worker_leads_to_its_job(self, client: Client, catalog: "Catalog") -> None:
        catalog.in_state(State.SUCCEEDED)
        catalog.in_state(State.FAILED)
        job = catalog.in_state(State.RUNNING)
        page = client.get("/ui/fleet").text
        row = re.search(r'<tr id="worker-worker-1">.*?</tr>', page, re.S)
        assert row is not None
        assert f'href="/ui/jobs/{job}"' in row[0]
        assert re.findall(r'<td class="n">(\d+)</td>', row[0]) == ["1", "1", "0"]
        assert "1 at work" in page

    def test_the_columns_are_as_high_as_the_jobs_are_many(self, client: Client, catalog: "Catalog") -> None:
        for state in (State.SUCCEEDED, State.SUCCEEDED, State.SUCCEEDED, State.FAILED):
            catalog.in_state(state)
        page = client.get("/ui/fleet").text
        drawn = re.findall(r'<rect data-ended="(\w+)" x="\d+" y="([\d.]+)" width="8" height="([\d.]+)"', page)
        assert drawn == [("succeeded", "25.00", "75.00"), ("failed", "0.00", "25.00")]
        assert "top of the chart: 4" in page

    def test_a_dispatcher_that_is_away_and_a_silent_worker_are_told(
        self, client: Client, catalog: "Catalog"
    ) -> None:
        catalog.queued()
        held = catalog.in_state(State.RUNNING)
        with catalog.database.write() as session:
            session.execute(update(Event).values(at=Event.at - 60))
            session.execute(update(Job).where(Job.id == held).values(lease_until=1.0))
        page = client.get("/ui/fleet").text
        assert "no dispatcher runs, or it cannot reach its broker" in page
        assert page.count(">silent</span>") == 2

    def test_what_is_not_ready_is_told(self, client: Client, tmp_path: Path) -> None:
        (tmp_path / "artifacts").rmdir() if (tmp_path / "artifacts").is_dir() else None
        (tmp_path / "artifacts").write_text("")
        page = client.get("/ui/fleet").raise_for_status().text
        assert "artifacts: cannot be written to" in page

    def test_a_hostile_name_is_text(self, client: Client, catalog: "Catalog", hostile: str) -> None:
        held = catalog.in_state(State.RUNNING)
        with catalog.database.write() as session:
            session.execute(update(Job).where(Job.id == held).values(worker=hostile))
        assert "<script>alert" not in client.get("/ui/fleet").text

    def test_a_browser_is_shown_it_at_the_program_s_address(self, client: Client) -> None:
        assert "<h1>Fleet</h1>" in client.get("/fleet").text
        assert client.get("/fleet", headers=JSON).json()["queue"]["queued"] == 0


class TestNumbers:
    def test_they_are_the_page_s(self, client: Client, catalog: "Catalog") -> None:
        job = catalog.in_state(State.RUNNING)
        catalog.queued()
        found = client.get("/fleet", headers=JSON).json()
        (worker,) = found["workers"]
        assert [held["job"] for held in worker["holds"]] == [job]
        assert worker["last_seen"] == found["at"]
        assert (found["queue"]["queued"], found["queue"]["running"]) == (1, 1)
        assert found["dispatch"]["unannounced"] == 2
        assert (len(found["hours"]), len(found["days"])) == (24, 7)

    def test_an_unknown_parameter_is_refused(self, client: Client) -> None:
        assert client.get("/fleet?since=1", headers=JSON).status_code == 422
