"""Pictures of every page, on a desk and on a phone, light and dark: python -m tests.e2e.screenshots FOLDER"""

import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser

from tests.browsing import CHROMIUM, DESKTOP, PHONE, chromium
from tests.e2e.every_page import View, fill
from tests.e2e.installation import Installation

SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]


def main() -> None:
    """Start an installation, fill it, and write PAGE-WIDTH-SCHEME.png of every page."""
    if CHROMIUM is None:
        sys.exit("No `chromium` on the PATH to open the pages with: apt-get install chromium")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        installation = Installation(Path(home))
        try:
            installation.start()
            views = fill(installation, Path(home))
            print(f"{time.monotonic() - began:5.0f} s  an installation with {len(views)} pages")
            with chromium() as browser:
                for view in views:
                    shoot(browser, installation.url, view, folder)
        finally:
            installation.end()
    print(f"{time.monotonic() - began:5.0f} s  pictures in {folder}")


def shoot(browser: Browser, url: str, view: View, folder: Path) -> None:
    """One page in every size and scheme."""
    page = browser.new_page(base_url=url, reduced_motion="reduce")
    page.set_default_timeout(60_000)
    page.set_viewport_size(DESKTOP)
    view.open(page)
    for size, scheme in product((DESKTOP, PHONE), SCHEMES):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=folder / f"{view.name}-{size['width']}-{scheme}.png", full_page=True)
    page.close()


if __name__ == "__main__":
    main()
