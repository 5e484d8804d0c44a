"""The pages in a real Chromium, on a real server process, beside a catalog that changes."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from api.jobs import examples
from core.catalog import attempts, claims, jobs, tickets
from core.catalog.attempts import Report
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.outcome import Failure, Outcome, ResultRecord, RunRecord
from core.jobs.specs import parse_spec
from core.tickets import Metadata, Ticket, TicketFile, ticket_id, write
from tests.browsing import CHROMIUM, DESKTOP, PHONE, chromium, tab

sync_api = pytest.importorskip("playwright.sync_api")

HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
FIRST_OF_LEVEL_1 = ["1", "20.00 %", "1", "1", "83.61 %", "2.0000"]
"""The row after one epoch of one training: 301 of 360 right, and a training loss of 2."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on the PATH to open the pages with"),
]


class Catalog:
    """The database behind the server, changed as workers change it."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def queue(self) -> str:
        spec = parse_spec({"kind": "find", "architecture": "mlp_2", "dataset": "digits", "seeds": [0, 1, 2]})
        with self.database.write() as session:
            return jobs.create(session, spec.complete("mlp"), 5).id

    def run(self, job: str) -> None:
        with self.database.write() as session:
            assert claims.claim(session, job, "worker-1", 3600) is not None

    def tell(self, job: str, training: str, epochs: range, done: int) -> None:
        events = [JobEvent("log", {"text": f"{training} goes on"})]
        for epoch in epochs:
            told = {"training": training, "epoch": epoch, "step": 12 * epoch, "learning_rate": 0.1}
            told |= {
                "train_loss": 2 / epoch,
                "test_loss": 3 / epoch,
                "correct": 300 + epoch,
                "total": 360,
            }
            events.append(JobEvent("epoch", told))
        progress = {"done": done, "total": 100, "doing": training}
        with self.database.write() as session:
            attempts.heartbeat(session, job, 1, 3600, Report(events=events, progress=progress))

    def succeed(self, job: str, epochs: int = 0) -> None:
        history = [
            {"epoch": n, "train_loss": 2 / n, "test_loss": 3 / n, "correct": 90 * n, "total": 360}
            for n in range(1, epochs + 1)
        ]
        speed, weights = examples.RUN["speed"], "ef" * 32
        run = RunRecord("mlp_2", "digits", None, 0, 0, 0, 0.0, 0, 240, 1.5, history, {}, weights, speed=speed)
        result = ResultRecord("digits", "last", 333, 360, 0.2, run=0, epoch=20, seed=0)
        with self.database.write() as session:
            assert attempts.succeed(session, job, 1, Outcome([run], [result], []), [])

    def fail(self, job: str) -> None:
        with self.database.write() as session:
            assert attempts.fail(session, job, 1, Failure("error", HOSTILE))

    def upload(self, *tags: str) -> str:
        network = architecture("mlp_2", (1, 8, 8), 10)
        masks = {spec.name: np.random.default_rng(0).random(spec.shape) < 0.1 for spec in network.prunable}
        ticket = Ticket.from_dense(network, 0, masks, initialise(network, 0))
        file = TicketFile(ticket, Metadata(dataset="digits", method="imp", seed=0, level=10), 1024, 99_999)
        with self.database.write() as session:
            identity = ticket_id(file.ticket)
            tickets.register(session, identity, file, "cd" * 32)
            tickets.tag(session, identity, tags)
        return identity

    def state(self, job: str) -> str:
        with self.database.read() as session:
            found = jobs.get(session, job)
            assert found is not None
            return found.state


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    home = tmp_path_factory.mktemp("home")
    shutil.copyfile(sqlite_template, home / "elasticket.db")
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    """The address of an API process; it answers when the fixture does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:from_environment"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    environment = os.environ | {"ELASTICKET_HOME": str(home), "ELASTICKET_DATABASE_URL": ""}
    base = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=environment) as process:
        try:
            deadline = time.monotonic() + 30
            while not _answers(f"{base}/healthz"):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield base
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def catalog(home: Path) -> Iterator[Catalog]:
    catalog = Catalog(f"sqlite:///{home / 'elasticket.db'}")
    yield catalog
    catalog.database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: sync_api.Browser, server: str) -> Iterator[sync_api.Page]:
    """A tab in which anything that goes wrong fails the test at its end."""
    with tab(browser, server) as page:
        yield page


def expect_one(page: sync_api.Page, selector: str, text: str | None = None) -> sync_api.Locator:
    found = page.locator(selector)
    sync_api.expect(found).to_have_count(1, timeout=10_000)
    if text is not None:
        sync_api.expect(found).to_have_text(text, timeout=10_000)
    return found


class TestEveryPage:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
    def test_fits_the_window_and_lets_no_text_become_markup(
        self, page: sync_api.Page, catalog: Catalog, viewport: dict[str, int], scheme: str
    ) -> None:
        running, failed, done = (catalog.queue() for _ in range(3))
        ticket = catalog.upload(HOSTILE)
        for job in (running, failed, done):
            catalog.run(job)
            catalog.tell(job, "seed 0, level 0", range(1, 9), done=30)
        catalog.fail(failed)
        catalog.succeed(done)
        asked = page.request.post("/studies", data={"study": "elth_fc", "scale": "small"})
        study = asked.json()["id"]
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        of_jobs = [f"/jobs/{job}" for job in (running, failed, done)]
        for path in (
            "/",
            *of_jobs,
            "/tickets",
            f"/tickets/{ticket}",
            f"/ui/tickets/{ticket}/stretch",
            "/ui/upload",
            "/studies",
            f"/studies/{study}",
            "/ui/plan?targets=mlp_2",
            "/ui/fleet",
        ):
            page.goto(path)
            page.wait_for_load_state("load")
            if path.startswith("/jobs/"):
                expect_one(page, "#accuracy polyline.current")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
            assert "owned" not in page.title()

    def test_the_documentation_of_the_api_too(self, page: sync_api.Page) -> None:
        page.goto("/docs")
        expect_one(page, "#operations-health-healthz")
        assert page.evaluate("getComputedStyle(document.querySelector('.opblock-get')).borderRadius") == "4px"

    @pytest.mark.nightly
    def test_the_documentation_can_be_tried(self, page: sync_api.Page) -> None:
        page.set_default_timeout(100_000)
        page.goto("/docs#/health/healthz")
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        sync_api.expect(page.get_by_text('"status": "ok"').first).to_be_visible(timeout=100_000)

    def test_a_drawing_is_shown_by_itself_and_runs_nothing(self, page: sync_api.Page) -> None:
        page.goto("/static/favicon.svg")
        assert page.evaluate("getComputedStyle(document.documentElement).color") == "rgb(29, 95, 184)"

    def test_the_keyboard_reaches_the_content_first(self, page: sync_api.Page) -> None:
        page.goto("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


class TestJobs:
    def test_follows_the_catalog(self, page: sync_api.Page, catalog: Catalog) -> None:
        page.goto("/")
        job = catalog.queue()
        row = f"#job-{job}"
        expect_one(page, f"{row} .badge", "queued")
        catalog.run(job)
        expect_one(page, f"{row} .badge", "running")
        catalog.tell(job, "seed 0, level 0", range(1, 3), done=42)
        expect_one(page, f'{row} .bar-fill[width="42.000%"]')
        catalog.succeed(job)
        expect_one(page, f"#ended {row} .badge", "succeeded")
        expect_one(page, f"{row} .job-do", "")

    def test_what_does_not_change_stays_in_place(self, page: sync_api.Page, catalog: Catalog) -> None:
        kept = catalog.queue()
        page.goto("/?kind=find")
        page.locator(f"#job-{kept} h3 a").focus()
        page.evaluate("document.activeElement.marked = true")
        new = catalog.queue()
        expect_one(page, f"#job-{new}")
        assert page.evaluate("document.activeElement.marked") is True
        assert page.url.endswith("/?kind=find")

    def test_a_hidden_tab_asks_nothing_until_it_is_seen(self, page: sync_api.Page, catalog: Catalog) -> None:
        page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.away ?? false })")
        page.goto("/")
        page.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
        # An answer already on its way may still arrive, but asks for no other.
        page.wait_for_timeout(500)
        job = catalog.queue()
        page.wait_for_timeout(1500)
        assert page.locator(f"#job-{job}").count() == 0
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        expect_one(page, f"#job-{job}")

    def test_cancel(self, page: sync_api.Page, catalog: Catalog) -> None:
        job = catalog.queue()
        page.goto("/")
        page.locator(f"#job-{job} button").click()
        expect_one(page, f"#ended #job-{job} .badge", "cancelled")
        assert catalog.state(job) == "cancelled"

    def test_a_running_job_is_cancelled_only_after_a_question(
        self, page: sync_api.Page, catalog: Catalog
    ) -> None:
        job = catalog.queue()
        catalog.run(job)
        page.goto("/")
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.locator(f"#job-{job} button").click()
        assert catalog.state(job) == "running"
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator(f"#job-{job} button").click()
        expect_one(page, f"#job-{job} .badge", "cancelling")


class TestJob:
    def test_curves_log_and_results_arrive_while_it_is_open(
        self, page: sync_api.Page, catalog: Catalog
    ) -> None:
        job = catalog.queue()
        catalog.run(job)
        catalog.tell(job, "seed 0, level 0", range(1, 6), done=20)
        page.goto(f"/jobs/{job}")
        sync_api.expect(page.locator("#accuracy polyline")).to_have_count(1)
        catalog.tell(job, "seed 0, level 1", range(1, 4), done=40)
        sync_api.expect(page.locator("#accuracy polyline")).to_have_count(2)
        sync_api.expect(page.locator("#trainings tbody tr").first).to_contain_text("seed 0, level 1")
        sync_api.expect(page.locator("#log")).to_have_text("seed 0, level 0 goes on\nseed 0, level 1 goes on")
        points = page.locator("#loss polyline.current").get_attribute("points")
        assert points is not None
        assert len(points.split()) == 3
        catalog.succeed(job)
        expect_one(page, "#status .badge", "succeeded")
        sync_api.expect(page.locator("#results")).to_contain_text("92.50 %")
        sync_api.expect(page.locator("#speed td:nth-child(2)")).to_have_text("29,800")
        sync_api.expect(page.locator("#speed rect[data-part]")).to_have_count(4)
        expect_one(page, "#status[data-still]")

    def test_levels_come_as_they_are_found_and_are_the_same_after_a_reload_and_in_the_end(
        self, page: sync_api.Page, catalog: Catalog
    ) -> None:
        job = catalog.queue()
        catalog.run(job)
        catalog.tell(job, "seed 0, level 0", range(1, 4), done=10)
        page.goto(f"/jobs/{job}")
        sync_api.expect(page.locator("#accuracy polyline")).to_have_count(1)
        sync_api.expect(page.locator("#levels")).to_be_hidden()
        catalog.tell(job, "seed 1, level 0", range(1, 3), done=20)
        catalog.tell(job, "seed 0, level 1", range(1, 2), done=30)
        self.expect_levels(page, ["0", "0.00 %", "2", "2", "84.03 %", "0.8333"], FIRST_OF_LEVEL_1)
        page.reload()
        self.expect_levels(page, ["0", "0.00 %", "2", "2", "84.03 %", "0.8333"], FIRST_OF_LEVEL_1)
        catalog.tell(job, "seed 1, level 0", range(3, 4), done=40)
        whole = ["0", "0.00 %", "2", "3", "84.17 %", "0.6667"]
        self.expect_levels(page, whole, FIRST_OF_LEVEL_1)
        catalog.succeed(job)
        expect_one(page, "#status[data-still]")
        self.expect_levels(page, whole, FIRST_OF_LEVEL_1)
        page.reload()
        self.expect_levels(page, whole, FIRST_OF_LEVEL_1)

    @staticmethod
    def expect_levels(page: sync_api.Page, *rows: list[str]) -> None:
        """Of each: level, nominal share removed, trainings, epoch of the one least far, mean accuracy, mean loss."""
        sync_api.expect(page.locator("#levels")).to_be_visible()
        sync_api.expect(page.locator("#levels tbody td")).to_have_text([cell for row in rows for cell in row])

    def test_an_ended_job_is_replayed(self, page: sync_api.Page, catalog: Catalog) -> None:
        job = catalog.queue()
        catalog.run(job)
        catalog.tell(job, "seed 0, level 0", range(1, 6), done=100)
        catalog.succeed(job)
        page.goto(f"/ui/jobs/{job}")
        expect_one(page, "#loss polyline")
        sync_api.expect(page.locator("#trainings tbody tr")).to_contain_text("84.72 %")

    def test_retry_leads_to_the_new_job(self, page: sync_api.Page, catalog: Catalog) -> None:
        job = catalog.queue()
        catalog.run(job)
        catalog.fail(job)
        page.goto(f"/jobs/{job}")
        page.get_by_role("button", name="Retry").click()
        page.wait_for_url(lambda url: "/ui/jobs/" in url and job not in url)
        sync_api.expect(page.locator(f'a[href="/ui/jobs/{job}"]')).to_have_count(1)


class TestSelection:
    def test_filter_reload_and_live_updates_keep_it_until_it_is_cancelled(
        self, page: sync_api.Page, catalog: Catalog
    ) -> None:
        one, two, other = (catalog.queue() for _ in range(3))
        page.set_viewport_size({"width": 1280, "height": 480})
        page.goto("/?state=queued")
        page.get_by_role("searchbox", name="search").fill("mlp_2")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**/?q=mlp_2&dataset=&architecture=&state=queued")
        page.reload()
        sync_api.expect(page.get_by_role("searchbox", name="search")).to_have_value("mlp_2")
        sync_api.expect(page.locator("#batch")).to_be_hidden()
        for job in (one, two):
            page.locator(f"#job-{job}").get_by_role("checkbox").check()
        page.evaluate("window.scrollTo(0, 120)")
        newer = catalog.queue()
        expect_one(page, f"#job-{newer}")
        for job, selected in ((one, True), (two, True), (other, False), (newer, False)):
            sync_api.expect(page.locator(f"#job-{job}").get_by_role("checkbox")).to_be_checked(
                checked=selected
            )
        sync_api.expect(page.locator(f"#job-{two}").get_by_role("checkbox")).to_be_focused()
        sync_api.expect(page.locator("#selected")).to_have_text("2 selected")
        assert page.evaluate("window.scrollY") == 120
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator("#batch").get_by_role("button", name="Cancel").click()
        sync_api.expect(page.locator("#notice")).to_have_text("2 of 2 jobs asked to stop.")
        sync_api.expect(page.locator(f"#job-{one}")).to_have_count(0)
        assert [catalog.state(job) for job in (one, two, other, newer)] == ["cancelled"] * 2 + ["queued"] * 2
        sync_api.expect(page.locator("#batch")).to_be_hidden()

    def test_a_job_is_run_again_with_changes(self, page: sync_api.Page, catalog: Catalog) -> None:
        job = catalog.queue()
        page.goto(f"/ui/jobs/{job}")
        text = page.get_by_role("textbox", name="What to ask for, as JSON")
        asked = text.input_value()
        text.fill(asked.replace("0,\n    1,", "0,\n    7,"))
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_url(lambda url: "/ui/jobs/" in url and job not in url)
        sync_api.expect(page.locator("dd", has_text="0, 2, 7")).to_have_count(1)


class TestStudy:
    def test_figures_come_with_the_results_tell_their_values_and_hide_a_curve(
        self, page: sync_api.Page, catalog: Catalog
    ) -> None:
        asked = {"sources": ["mlp_1"], "targets": ["mlp_1"], "datasets": ["digits"], "seeds": [0]}
        arms = [{"name": "dense", "method": "dense"}]
        study = page.request.post("/studies", data=asked | {"arms": arms}).json()
        page.goto(f"/ui/studies/{study['id']}")
        sync_api.expect(page.locator("#figures")).to_be_hidden()
        (job,) = (job["job"] for job in study["jobs"])
        catalog.run(job)
        catalog.succeed(job)
        curve = expect_one(page, "#figure-cost-digits-mlp_1 .curve")
        curve.focus()
        sync_api.expect(page.locator(".readout")).to_have_text(
            "dense: 92.50 at 1.5 device-seconds per seed", timeout=10_000
        )
        page.get_by_role("button", name="dense").click()
        sync_api.expect(page.locator("#figures .curve")).to_have_count(0)
        sync_api.expect(page.get_by_role("button", name="dense")).to_be_focused()
        assert page.url.endswith("?hide=cost-digits-mlp_1%3Adense")
        page.reload()
        shown = page.get_by_role("button", name="dense")
        sync_api.expect(shown).to_have_attribute("aria-pressed", "false")
        sync_api.expect(page.locator("#figures .curve")).to_have_count(0)
        shown.click()
        sync_api.expect(page.locator("#figures .curve")).to_have_count(1)
        assert "hide" not in page.url


class TestTicket:
    def test_from_a_file_to_the_job_that_stretches_it(
        self, page: sync_api.Page, catalog: Catalog, tmp_path: Path
    ) -> None:
        network = architecture("mlp_2", (1, 8, 8), 10)
        masks = {spec.name: np.random.default_rng(1).random(spec.shape) < 0.2 for spec in network.prunable}
        ticket = Ticket.from_dense(network, 0, masks, initialise(network, 1))
        path = tmp_path / "mine.ticket.safetensors"
        with path.open("wb") as stream:
            write(ticket, Metadata(dataset="digits", method="imp", seed=1, level=7), stream)
        page.goto("/ui/upload")
        page.set_input_files("#file", path)
        sync_api.expect(page.locator("#found")).to_contain_text(f"{ticket.survivors:,} of 140,200")
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(lambda url: "/ui/tickets/" in url)
        assert (
            page.locator("#mask img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
        )
        page.locator("#mask .scroll").press("+")
        sync_api.expect(page.locator("#mask img")).to_have_attribute("width", "128")
        assert "zoom=2" in page.url
        page.get_by_role("link", name="Stretch or squeeze").click()
        page.get_by_label("target architecture").fill("mlp_4")
        sync_api.expect(page.locator("#plan h2").first).to_have_text("mlp_2 → mlp_4")
        assert "architecture=mlp_4" in page.url
        page.get_by_label("unit map").fill("0:0;1:1,2,3;2:5")
        sync_api.expect(page.locator("#wrong-unit_map")).not_to_be_empty()
        page.get_by_role("link", name="Back to the order").click()
        page.locator('a[aria-label^="target 2"]').click()
        page.locator('a[aria-label^="source 1"]').click()
        sync_api.expect(page.get_by_label("unit map")).to_have_value("0:0;1:1,2,3;2:4")
        page.reload()
        sync_api.expect(page.get_by_label("unit map")).to_have_value("0:0;1:1,2,3;2:4")
        page.get_by_role("button", name="Make the ticket").click()
        page.wait_for_url(lambda url: "/ui/jobs/" in url)
        expect_one(page, "#status .badge", "queued")


class TestCompare:
    def test_curves_are_laid_over_one_another_hidden_and_added_from_another_job(
        self, page: sync_api.Page, catalog: Catalog
    ) -> None:
        one, other = catalog.queue(), catalog.queue()
        for job in (one, other):
            catalog.run(job)
            catalog.succeed(job, epochs=3)
        page.goto(f"/ui/compare?job={one}")
        curve = expect_one(page, "#figure-accuracy .curve")
        curve.focus()
        page.keyboard.press("ArrowLeft")
        sync_api.expect(page.locator("#figure-accuracy .readout")).to_have_text(
            "mlp_2 · seed 0 · level 0: 50.00 at 2 epoch"
        )
        page.goto(f"/jobs/{other}")
        page.get_by_role("link", name="Add them to the comparison").click()
        sync_api.expect(page.locator("#figure-accuracy .curve")).to_have_count(2)
        assert page.url.endswith(f"/ui/compare?run={one}%3A0&run={other}%3A0")
        page.locator("#figure-train_loss .legend button").first.click()
        sync_api.expect(page.locator("#figure-train_loss .curve")).to_have_count(1)
        page.reload()
        sync_api.expect(page.locator("#figure-accuracy .curve")).to_have_count(2)
        sync_api.expect(page.locator("#figure-train_loss .curve")).to_have_count(1)
        # The links that lead on know of what was hidden after they were made.
        page.locator("#figure-test_loss .legend button").last.click()
        sync_api.expect(page.locator("#add input[name=hide]")).to_have_count(2)
        page.go_back()
        page.go_forward()
        sync_api.expect(page.locator("#figure-test_loss .curve")).to_have_count(1)
