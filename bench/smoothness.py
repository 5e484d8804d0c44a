"""How long a browser takes to bring the list of jobs up to date, beside a catalog that changes."""

from __future__ import annotations

import shutil
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from playwright.sync_api import Page, sync_playwright

from api.app import create_app
from core.settings import Settings

_WATCH = """
window.long = [];
new PerformanceObserver((list) => window.long.push(...list.getEntries().map((one) => one.duration)))
  .observe({ type: "longtask", buffered: true });
"""
_UPDATE = """
async () => {
  const { refresh } = await import("/static/live.js");
  const shown = new Promise((resolve) =>
    document.addEventListener("refreshed", () => resolve(performance.now()), { once: true }));
  performance.clearResourceTimings();
  window.long.length = 0;
  await refresh();
  const [answer] = performance.getEntriesByType("resource").filter((one) => one.initiatorType === "fetch");
  const taken = (await shown) - answer.responseEnd;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return [taken, Math.max(0, ...window.long)];
}
"""


@dataclass(frozen=True)
class Updates:
    """Milliseconds: the median of an update from answer to page, the slowest, and the longest task of any."""

    median: float
    slowest: float
    longest_task: float


def updates(settings: Settings, path: str, change: Callable[[], None], number: int) -> Updates | None:
    """Change the catalog and let an open page follow, so many times; nothing where there is no `chromium`."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    with _serving(settings) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(_WATCH)
        page.goto(url + path)
        found = [_update(page, change) for _ in range(number)]
        browser.close()
    taken, tasks = zip(*found, strict=True)
    return Updates(statistics.median(taken), max(taken), max(tasks))


def _update(page: Page, change: Callable[[], None]) -> tuple[float, float]:
    change()
    taken, task = page.evaluate(_UPDATE)
    return float(taken), float(task)


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    """The application on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
