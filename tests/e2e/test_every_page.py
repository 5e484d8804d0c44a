"""Every page in a real Chromium, over the real service: nothing goes wrong, is cut off, or asks another host."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

from tests.browsing import CHROMIUM, DESKTOP, PHONE, chromium, watch  # noqa: E402
from tests.e2e.every_page import View, fill  # noqa: E402

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),  # all pages are one test, also on a busy machine
    pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on the PATH to open the pages with"),
]

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SEEN = {"type": "rule", "values": ["color-contrast", "target-size", "scrollable-region-focusable"]}
"""The rules whose answer depends on the window and on the scheme."""


@pytest.fixture(scope="module")
def views(installation: "Installation", tmp_path_factory: pytest.TempPathFactory) -> list[View]:
    return fill(installation, tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def context(installation: "Installation") -> Iterator[sync_api.BrowserContext]:
    with chromium() as browser:
        yield browser.new_context(base_url=installation.url, reduced_motion="reduce")


def faults(
    page: sync_api.Page, view: View, viewport: dict[str, int], scheme: str, rules: object
) -> list[str]:
    """What is wrong with a page as it is now: cut off on the right, or hard to use (axe)."""
    name = f"{viewport['width']}, {scheme}"
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    sideways = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    found = [f"{name}: scrolls sideways"] if sideways else []
    if view.name == "api":
        return found  # a library's page
    answer = axe.Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    return found + [
        f"{name}: {one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in answer.response["violations"]
    ]


class TestEveryPage:
    @pytest.mark.parametrize("size", ["desktop", pytest.param("phone", marks=pytest.mark.nightly)])
    def test_nothing_goes_wrong_on_it(
        self, views: list[View], context: sync_api.BrowserContext, installation: "Installation", size: str
    ) -> None:
        wrong: list[str] = []
        for view in views:
            page = context.new_page()
            page.set_default_timeout(20_000)
            met = watch(page, installation.url, view.status)
            page.set_viewport_size(DESKTOP)
            view.open(page)
            met += (
                faults(page, view, DESKTOP, "light", STANDARDS)
                if size == "desktop"
                else faults(page, view, PHONE, "dark", SEEN)
            )
            page.close()
            wrong += [f"{view.name}: {what}" for what in met]
        assert not wrong, "\n".join(wrong)
