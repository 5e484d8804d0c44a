"""`docs/` as pages: they build without a warning, lead to what is there, and ask no other host for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""What a browser fetches by itself. Links of sentences may lead anywhere."""


class Fetched(HTMLParser):
    """The addresses that a page makes a browser fetch."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name == FETCHED.get(tag)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    command = [sys.executable, "-m", "sphinx", *options, "-d", str(folder / "state"), "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class TestSite:
    def test_has_a_page_for_every_document_and_all_are_in_the_contents(self, site: Path) -> None:
        contents = (site / "index.html").read_text()
        for document in (ROOT / "docs").glob("*.md"):
            assert (site / f"{document.stem}.html").is_file()
            assert document.stem == "index" or f'href="{document.stem}.html"' in contents

    def test_fetches_nothing_from_another_host(self, site: Path) -> None:
        pages = list(site.glob("*.html"))
        assert len(pages) > 15
        for page in pages:
            addresses = Fetched(page).addresses
            assert addresses
            assert [address for address in addresses if re.match(r"(https?:)?//", address)] == [], page.name
        styles = "".join(sheet.read_text() for sheet in (site / "_static").rglob("*.css"))
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", styles) == []

    def test_is_searched_without_a_server(self, site: Path) -> None:
        index = (site / "searchindex.js").read_text()
        assert index.startswith("Search.setIndex(")
        assert '"magnitud"' in index or "magnitud:" in index


class TestReadme:
    def test_leads_to_what_is_there(self) -> None:
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text())
        assert len(targets) > 10
        assert [target for target in targets if not (ROOT / target).exists()] == []
