"""Every page in a real Chromium, over the real service: nothing goes wrong, is cut off, or asks another host."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

from tests.e2e.every_page import View, fill  # noqa: E402
from tests.e2e.screenshots import ARGUMENTS, CHROMIUM  # noqa: E402

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),  # all pages are one test, also on a busy machine
    pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on the PATH to open the pages with"),
]

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SEEN = {"type": "rule", "values": ["color-contrast", "target-size", "scrollable-region-focusable"]}
"""The rules whose answer depends on the window and on the scheme."""


@pytest.fixture(scope="module")
def views(installation: "Installation", tmp_path_factory: pytest.TempPathFactory) -> list[View]:
    return fill(installation, tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def context(installation: "Installation") -> Iterator[sync_api.BrowserContext]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_context(base_url=installation.url, reduced_motion="reduce")
        browser.close()


class Watched:
    """A tab, and what goes wrong in it. What it asks of another host is stopped."""

    def __init__(self, context: sync_api.BrowserContext, view: View, here: str) -> None:
        self.view, self.here, self.wrong = view, urlsplit(here).netloc, list[str]()
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.route(lambda url: self._foreign(url), self._stop)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", self._answered)
        self.page.on("requestfailed", self._failed)

    def _foreign(self, url: str) -> bool:
        return urlsplit(url).scheme in ("http", "https", "ws") and urlsplit(url).netloc != self.here

    def _stop(self, route: sync_api.Route) -> None:
        self.wrong.append(f"asked {route.request.url}")
        route.abort()

    def _said(self, message: sync_api.ConsoleMessage) -> None:
        # Chromium tells of every status like this, that of the page itself too.
        meant = self.view.status != 200 and "Failed to load resource" in message.text
        if message.type in ("error", "warning") and not meant:
            self.wrong.append(message.text)

    def _answered(self, response: sync_api.Response) -> None:
        if response.status >= 400 and response.status != self.view.status:
            self.wrong.append(f"{response.status} {response.url}")

    def _failed(self, request: sync_api.Request) -> None:
        # A page whose job has ended closes its event stream.
        if request.failure != "net::ERR_ABORTED" or "/events" not in request.url:
            self.wrong.append(f"failed {request.url}: {request.failure}")

    def look(self, viewport: dict[str, int], scheme: str, rules: object) -> None:
        """Hold the page as it is to what is asked of every page."""
        name = f"{viewport['width']}, {scheme}"
        self.page.set_viewport_size(viewport)
        self.page.emulate_media(color_scheme=scheme)
        if not self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
            self.wrong.append(f"{name}: scrolls sideways")
        if self.view.name == "api":
            return
        found = axe.Axe().run(self.page, options={"runOnly": rules, "resultTypes": ["violations"]})
        self.wrong += [
            f"{name}: {one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found.response["violations"]
        ]


class TestEveryPage:
    def test_nothing_goes_wrong_on_it(
        self, views: list[View], context: sync_api.BrowserContext, installation: "Installation"
    ) -> None:
        wrong: list[str] = []
        for view in views:
            watched = Watched(context, view, installation.url)
            watched.page.set_viewport_size(DESKTOP)
            view.open(watched.page)
            watched.look(DESKTOP, "light", STANDARDS)
            watched.look(PHONE, "dark", SEEN)
            watched.page.close()
            wrong += [f"{view.name}: {what}" for what in watched.wrong]
        assert not wrong, "\n".join(wrong)
