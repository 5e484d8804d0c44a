"""A real Chromium: a tab in which anything that goes wrong is found at its end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, Route

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
    """A tab; whatever goes wrong in it is an AssertionError when it is closed."""
    context = browser.new_context(base_url=server, viewport=DESKTOP)
    page = context.new_page()
    page.set_default_timeout(10_000)
    wrong = watch(page, server)
    yield page
    context.close()
    assert wrong == []


def watch(page: Page, server: str, status: int = 200) -> list[str]:
    """What goes wrong in a tab from now on: console errors, failed requests, any to another host, which is stopped.

    `status` is what the page itself may be answered with.
    """
    wrong: list[str] = []

    def said(message: ConsoleMessage) -> None:
        # Chromium tells of every status like this, that of the page itself too.
        meant = status != 200 and "Failed to load resource" in message.text
        if message.type in ("error", "warning") and not meant:
            wrong.append(message.text)

    def answered(response: Response) -> None:
        if response.status >= 400 and response.status != status:
            wrong.append(f"{response.status} {response.url}")

    def failed(request: Request) -> None:
        # A page that is left, or whose job has ended, closes its event stream.
        if request.failure != "net::ERR_ABORTED":
            wrong.append(f"failed {request.url}: {request.failure}")

    def stop(route: Route) -> None:
        wrong.append(f"asked {route.request.url}")
        route.abort()

    # A pattern is matched where the browser is driven: a function here would hold up every request.
    page.route(re.compile(f"^(?!{re.escape(server)}/)(https?|wss?):"), stop)
    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", answered)
    page.on("requestfailed", failed)
    return wrong
