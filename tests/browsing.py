"""A real Chromium: a tab in which anything that goes wrong is found at its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--headless",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def tab(browser: Browser, server: str) -> Iterator[Page]:
    """A tab; a console error, a failed request or one to another host is an AssertionError when it is closed."""
    context = browser.new_context(base_url=server, viewport=DESKTOP)
    page = context.new_page()
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: _foreign(request.url, server) and wrong.append(f"asked {request.url}"))
    page.on(
        "response",
        lambda response: response.status >= 400 and wrong.append(f"{response.status} {response.url}"),
    )
    # A page that is left, or whose job has ended, closes its event stream.
    page.on(
        "requestfailed",
        lambda request: request.failure != "net::ERR_ABORTED" and wrong.append(f"failed {request.url}"),
    )
    yield page
    context.close()
    assert wrong == []


def _foreign(url: str, server: str) -> bool:
    return urlsplit(url).netloc != urlsplit(server).netloc
