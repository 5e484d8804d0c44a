"""What people do with the pages, each from its beginning to its end, on a whole installation with real workers."""

import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest

from core.families import architecture
from core.families.initialisation import initialise
from core.tickets import Metadata, Ticket, ticket_id, write
from tests.browsing import CHROMIUM, chromium, tab
from tests.e2e.conftest import Installation

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on the PATH to open the pages with"),
]

PATIENCE = 60_000
"""Milliseconds that a job may take on a machine that has other things to do."""
HOSTILE = '<img src=x onerror="owned=1">"\'\u202egnp.\u2066&amp;'
LIGHT_AND_DARK = ("light", "dark")
READABLE = 4.5
"""WCAG 2.2, 1.4.3: the contrast of text with what is behind it."""

DROP = """async ([name, data]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  transfer.items.add(new File([bytes], name));
  return transfer;
}"""
# A page that was loaded again has forgotten what it has seen.
WATCH = """() => {
  window.seen = { states: [], points: new Set() };
  const look = () => {
    const state = document.querySelector("#status .badge").textContent;
    if (state !== seen.states.at(-1)) seen.states.push(state);
    const drawn = [...document.querySelectorAll("#accuracy polyline")].map((one) => one.getAttribute("points"));
    seen.points.add(drawn.join(";"));
  };
  look();
  const everything = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver(look).observe(document.body, everything);
}"""
SEEN = "({ states: seen.states, drawings: seen.points.size })"
COLOURS = """(selector) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const node = document.querySelector(selector);
  let behind = node;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  return [numbers(getComputedStyle(node).color), numbers(getComputedStyle(behind).backgroundColor)];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """As a user has it: with leases and checkpoints that leave a slow machine the time to train."""
    started = Installation(tmp_path_factory.mktemp("home"), LEASE_SECONDS="30", CHECKPOINT_SECONDS="15")
    started.start()
    yield started
    started.end()


@pytest.fixture
def page(browser: sync_api.Browser, installation: Installation) -> Iterator[sync_api.Page]:
    with tab(browser, installation.url) as page:
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield page


def ticket_file(seed: int, **details: object) -> tuple[str, bytes]:
    """A ticket of mlp_3, with two units that can be told apart; its id and its file."""
    network = architecture("mlp_3", (1, 8, 8), 10)
    generator = np.random.default_rng(seed)
    density = dict(zip((one.name for one in network.prunable), (0.5, 0.1, 0.4, 0.5, 1.0), strict=False))
    masks = {one.name: generator.random(one.shape) < density[one.name] for one in network.prunable}
    ticket = Ticket.from_dense(network, 0, masks, initialise(network, seed))
    metadata = Metadata(dataset="digits", method="imp", seed=seed, level=3, details=dict(details))
    write(ticket, metadata, stream := io.BytesIO())
    return ticket_id(ticket), stream.getvalue()


def contrast(one: list[float], other: list[float]) -> float:
    """WCAG 2.2, contrast ratio of two sRGB colours."""

    def luminance(colour: list[float]) -> float:
        shares = [part / 255 for part in colour]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


class TestFromAFileToAResult:
    def test_each_step_leads_to_the_next(self, page: sync_api.Page, installation: Installation) -> None:
        ticket, content = ticket_file(1)
        self.recognised_before_it_is_kept(page, installation, content)
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(f"**/ui/tickets/{ticket}")
        self.stretched(page)
        child = self.made(page)
        expect(page.locator("ol.lineage .ancestor")).to_contain_text(ticket[:8])
        expect(page.locator("ol.lineage .this")).to_contain_text("ett")
        job = self.trained(page)
        page.locator(f"a[href='/ui/tickets/{child}']:visible").first.click()
        results = page.locator("section", has=page.locator("#results-title")).locator("tbody tr")
        expect(results).to_have_count(2)
        for row in results.all():
            expect(row).to_contain_text(job[:8])
            expect(row.locator("td").nth(1)).to_contain_text("%")

    def recognised_before_it_is_kept(
        self, page: sync_api.Page, installation: Installation, content: bytes
    ) -> None:
        page.goto("/")
        page.get_by_role("link", name="Upload").click()
        page.wait_for_url("**/ui/upload")  # loaded, with the script that takes what is dropped
        dropped = ["mine.ticket.safetensors", base64.b64encode(content).decode()]
        page.dispatch_event("#drop", "drop", {"dataTransfer": page.evaluate_handle(DROP, dropped)})
        expect(page.locator("#found")).to_contain_text("mlp_3")
        expect(page.locator("#found")).to_contain_text("level 3")
        assert installation.http.get("/tickets").json()["items"] == []

    def stretched(self, page: sync_api.Page) -> None:
        page.get_by_role("link", name="Stretch or squeeze").click()
        page.evaluate("window.marked = true")
        page.get_by_label("target architecture").fill("mlp_4")
        expect(page.locator("#plan h2").first).to_have_text("mlp_3 → mlp_4")
        expect(page.locator("#plan")).to_contain_text("0:0;1:1,3;2:2;3:4")
        survivors = page.locator(".totals > div").last.locator("strong")
        before = survivors.inner_text()
        page.get_by_label("unit map").fill("0:0;1:1;2:2,3;3:4")
        expect(survivors).not_to_have_text(before)
        assert page.evaluate("window.marked") is True

    def made(self, page: sync_api.Page) -> str:
        """The stretched ticket, which its job's page leads to."""
        page.get_by_role("button", name="Make the ticket").click()
        page.wait_for_url("**/ui/jobs/*")
        expect(page.locator("#status .badge").first).to_have_text("succeeded")
        page.locator("main a", has_text="mlp_4").first.click()
        page.wait_for_url("**/ui/tickets/*")
        return page.url.rsplit("/", 1)[1]

    def trained(self, page: sync_api.Page) -> str:
        """The job that trains the ticket twice, followed on its page from its first state to its last."""
        page.get_by_label("epochs").fill("40")
        page.get_by_label("learning rate").fill("0.05")
        page.get_by_label("seeds").fill("0, 1")
        page.get_by_role("button", name="Train it").click()
        page.wait_for_url("**/ui/jobs/*")
        page.evaluate(WATCH)
        expect(page.locator("#accuracy polyline")).to_have_count(2)
        expect(page.locator("#status .badge").first).to_have_text("succeeded")
        seen = page.evaluate(SEEN)
        assert len(seen["states"]) > 1
        assert seen["drawings"] > 2
        return page.url.rsplit("/", 1)[1]


class TestRunning:
    def test_a_filter_outlives_reloading_and_a_running_job_is_cancelled_where_it_stands(
        self, page: sync_api.Page, installation: Installation
    ) -> None:
        body = {"architecture": "mlp_2", "dataset": "digits", "parameters": {"level": 20}}
        job = installation.submit("find", body)
        page.goto("/?kind=find&order=oldest")
        page.get_by_role("searchbox", name="search").fill("mlp_2")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**q=mlp_2**")
        expect(page.locator(f"#job-{job} .badge")).to_have_text("running")
        address = page.url
        page.reload()
        assert page.url == address
        expect(page.get_by_role("searchbox", name="search")).to_have_value("mlp_2")
        expect(page.get_by_role("group", name="Kind").locator("[aria-current]")).to_have_text("find")
        expect(page.get_by_role("group", name="Order").locator("[aria-current]")).to_have_text("oldest first")
        page.evaluate("window.marked = true")
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator(f"#job-{job}").get_by_role("button", name="Cancel").click()
        expect(page.locator(f"#ended #job-{job} .badge")).to_have_text("cancelled")
        assert page.evaluate("window.marked") is True
        assert page.url == address


class TestStudy:
    def test_its_table_fills_while_it_is_looked_at_and_its_names_are_text(
        self, page: sync_api.Page, installation: Installation
    ) -> None:
        arms = [{"name": "dense", "method": "dense"}, {"name": HOSTILE, "method": "random"}]
        asked = {"sources": ["mlp_1"], "targets": ["mlp_1"], "datasets": ["digits"], "seeds": [0, 1]}
        asked |= {"levels": [2], "arms": arms, "recipe": {"length": "5ep"}}
        study = installation.http.post("/studies", json=asked).raise_for_status().json()["id"]
        page.goto(f"/ui/studies/{study}")
        page.evaluate("window.marked = true")
        rows = page.locator("table.answer tbody tr")
        expect(rows).to_have_count(2)
        before = rows.all_inner_texts()
        expect(page.locator("#study[data-still]")).to_have_count(1)
        assert all("±" not in row for row in before)
        for row in rows.all():
            expect(row).to_contain_text("±")
        assert page.evaluate("window.marked") is True
        shown = page.locator(".legend button", has_text="img src=x").first
        assert shown.inner_text() == HOSTILE
        shown.click()
        page.reload()
        expect(page.locator(".legend button[aria-pressed=false]")).to_have_text(HOSTILE)
        assert_text(page)


class TestHostileNames:
    def test_they_are_text_on_every_page_that_shows_them(
        self, page: sync_api.Page, installation: Installation
    ) -> None:
        ticket, content = ticket_file(2, **{HOSTILE: HOSTILE})
        page.goto("/ui/upload")
        page.set_input_files("#file", {"name": f"{HOSTILE}.safetensors", "mimeType": "", "buffer": content})
        expect(page.locator("#found")).to_contain_text("mlp_3")
        assert_text(page)
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(f"**/ui/tickets/{ticket}")
        shown = page.locator("summary", has_text="1 entry")
        shown.click()
        assert HOSTILE.replace('"', '\\"') in page.locator("details[open] pre").inner_text()
        assert_text(page)
        pages = {
            "/": "q",
            "/ui/tickets": "tag",
            f"/ui/tickets/{ticket}": "length",
            f"/ui/tickets/{ticket}/stretch": "via",
            "/ui/plan": "targets",
            "/ui/compare": "job",
            "/ui/compare-tickets": "a",
        }
        for path, field in pages.items():
            page.goto(str(installation.http.build_request("GET", path, params={field: HOSTILE}).url))
            values = "[...document.querySelectorAll('input, textarea')].map((one) => one.value).join(' ')"
            assert HOSTILE in page.inner_text("main") + page.evaluate(values), path
            assert_text(page)


def assert_text(page: sync_api.Page) -> None:
    """Nothing on the page was made of a name."""
    assert page.locator("img[src='x'], [onerror]").count() == 0
    assert page.evaluate("typeof window.owned") == "undefined"


class TestDark:
    @pytest.mark.parametrize(
        "path", ["/", "/ui/tickets", "/ui/upload", "/ui/studies", "/ui/plan", "/ui/fleet"]
    )
    def test_the_colours_change_and_text_stays_readable(self, page: sync_api.Page, path: str) -> None:
        found = {}
        for scheme in LIGHT_AND_DARK:
            page.emulate_media(color_scheme=scheme)
            page.goto(path)
            found[scheme] = {one: page.evaluate(COLOURS, one) for one in ("body", "h1", "nav a")}
        for one, (ink, paper) in found["light"].items():
            assert found["dark"][one] != [ink, paper]
            assert sum(paper) > sum(ink), one
            assert sum(found["dark"][one][1]) < sum(found["dark"][one][0]), one
        for colours in (*found["light"].values(), *found["dark"].values()):
            assert contrast(*colours) >= READABLE
