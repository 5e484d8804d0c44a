"""Text that would be a program if a page took it for markup: in every place where a stranger's words are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from core.catalog import attempts, claims
from core.catalog.attempts import Report
from core.catalog.jobs import JobEvent
from tests.tables import stated, table

DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"
PAYLOADS = [
    "<script>owned()</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=owned()>",
    "<svg onload=owned()>",
    "<svg><script>owned()</script></svg>",
    "<iframe srcdoc='<script>owned()</script>'>",
    "<a href=javascript:owned()>x</a>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<style>*{background:url(//evil.example)}</style>",
    "<object data=//evil.example>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=owned()>",
    '"><script>owned()</script>',
    "'><img src=x onerror=owned()>",
    '" onmouseover="owned()',
    "' autofocus onfocus='owned()",
    "` onclick=owned() `",
    "</textarea><script>owned()</script>",
    "</title><script>owned()</script>",
    "</script><script>owned()</script>",
    "--><script>owned()</script><!--",
    "javascript:owned()",
    "data:text/html,<script>owned()</script>",
    "{{ 7 * 7 }}<img src=x onerror=owned()>",
    "&lt;script&gt;owned()&lt;/script&gt;",
    "\u202e<script>owned()</script>",
    "<script\x0c>owned()</script>",
    "<<script>script>owned()</script>",
    "\r\nSet-Cookie: owned=1\r\n\r\n<script>owned()</script>",
]
LINKS = {"href", "src", "action", "formaction", "data", "poster", "xlink:href", "srcdoc", "srcset"}
NEVER = {"iframe", "object", "embed", "base", "frame", "applet", "style", "math", "foreignobject"}


class Page(HTMLParser):
    """What a browser would act on in a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.bad: list[str] = []
        self.fields: set[str] = set()
        self.links: set[str] = set()
        self._script = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self._script = tag == "script"
        wrong = [f"<{tag}>"] if tag in NEVER else []
        wrong += [
            name for name in given if name.startswith("on") or name in ("style", "srcdoc", "http-equiv")
        ]
        wrong += [
            f"{name}={value}"
            for name, value in given.items()
            if name in LINKS and not re.match(r"[/?#](?!/)|$", value)
        ]
        if tag == "script" and not given.get("src", "").startswith("/static/"):
            wrong.append("<script>")
        self.bad += wrong
        if tag in ("input", "select", "textarea") and "name" in given:
            self.fields.add(given["name"])

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.bad.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._script = False


def harmless(answer: Any) -> bool:
    """Whether nothing of an answer would run in a browser."""
    assert answer.status_code < 500, answer.text
    assert "set-cookie" not in answer.headers
    if not answer.headers["content-type"].startswith("text/html"):
        return answer.headers["x-content-type-options"] == "nosniff"
    bad = Page(answer.text).bad
    assert bad == [], f"{answer.url}: {bad}"
    return True


@pytest.fixture
def full(catalog: Any) -> tuple[str, str]:
    """A job and a ticket, in all of whose words are the payloads."""
    job, ticket = catalog.queued(), catalog.upload(catalog.found(note=PAYLOADS), *PAYLOADS[:16])
    everything = " ".join(PAYLOADS).replace("\0", "")
    with catalog.database.write() as session:
        claimed = claims.claim(session, job, PAYLOADS[2], 3600)
        assert claimed is not None
        events = [JobEvent("log", {"text": words}) for words in PAYLOADS]
        curve = {
            "step": 1,
            "learning_rate": 0.1,
            "train_loss": 1.0,
            "test_loss": 1.0,
            "correct": 1,
            "total": 9,
        }
        events += [JobEvent("epoch", {"training": words, "epoch": 1, **curve}) for words in PAYLOADS[:12]]
        progress = {"done": 1, "total": 9, "doing": everything, "eta_seconds": None}
        attempts.heartbeat(session, job, claimed.attempt, 3600, Report(events=events, progress=progress))
    return job, ticket


def shown(client: TestClient, catalog: Any, job: str, ticket: str) -> Iterator[tuple[str, str]]:
    """Places whose words come out of the catalog, each with the page that shows them."""
    pages = [
        "/",
        f"/ui/jobs/{job}",
        "/ui/fleet",
        "/ui/tickets",
        f"/ui/tickets/{ticket}",
        f"/ui/tickets/{ticket}/stretch",
    ]
    for running in (True, False):
        if not running:
            catalog.failed(job, " ".join(PAYLOADS), reason=PAYLOADS[0])
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == 200
            assert harmless(answer)
    text = client.get(f"/ui/jobs/{job}").text
    assert "owned()" in text
    assert "&lt;script&gt;" in text
    yield (
        "a job's log, progress, trainings and error; its worker's name",
        "its page, the list of jobs, the fleet",
    )
    assert "owned()" in client.get(f"/ui/tickets/{ticket}").text
    yield "a ticket's tags and details", "its page, the list of tickets, the form to stretch it"


class TestText:
    def test_of_strangers_stays_text_on_every_page(
        self, client: TestClient, catalog: Any, full: tuple[str, str]
    ) -> None:
        job, ticket = full
        rows = [(place, page, "shown as text") for place, page in shown(client, catalog, job, ticket)]
        tried = 0
        pages = [
            "/",
            "/ui/tickets",
            "/ui/plan",
            "/ui/studies",
            "/ui/compare",
            "/ui/fleet",
            f"/ui/tickets/{ticket}/stretch",
        ]
        for page in pages:
            fields = Page(client.get(page).text).fields | {"after", "refs"}
            for number, field in enumerate(sorted(fields)):
                for words in PAYLOADS if field == "q" else PAYLOADS[number % 12 :: 12]:
                    assert harmless(client.get(page, params={field: words}))
                    tried += 1
        rows.append(
            (
                "any field of any form, in the address",
                "the pages with forms",
                "shown as text, or refused as text",
            )
        )
        for words in PAYLOADS:
            for place in ("/nothing/{}", "/ui/jobs/{}", "/ui/tickets/{}", "/studies/{}", "/static/{}"):
                assert harmless(client.get(place.format(quote(words, safe=""))))
                tried += 1
        rows.append(("a part of a path", "the page of the error", "refused as text"))
        for words in PAYLOADS:
            files = {"file": (words.replace("\r", "").replace("\n", ""), b"no ticket")}
            answer = client.post(
                "/ui/upload", files=files, data={"tags": words, "architecture": words, "do": "check"}
            )
            assert answer.status_code == 422
            assert harmless(answer)
            tried += 1
        rows.append(
            ("a file's name, the fields beside it", "the form to upload", "shown as text, or refused as text")
        )
        before = len(client.get("/tickets", headers={"Accept": "application/json"}).json()["items"])
        for words in PAYLOADS:
            body = {"architecture": words, "dataset": words}
            for path, given in (
                ("/find", body),
                ("/studies", {"study": words}),
                ("/architectures", {"name": words}),
            ):
                answer = client.post(path, json=given, headers={"Accept": "text/html"})
                assert answer.status_code == 422
                assert harmless(answer)
                tried += 1
        rows.append(("names of architectures, datasets and studies", "", "refused by the API"))
        assert len(client.get("/tickets", headers={"Accept": "application/json"}).json()["items"]) == before
        assert tried > 250
        head = ("where", "shown on", f"{len(PAYLOADS)} texts")
        assert stated(DOCUMENT, "hostile text", table(head, rows)), "ELASTICKET_WRITE_DOCUMENTS=1 writes it"


class TestPage:
    @pytest.mark.parametrize("words", [words for words in PAYLOADS if re.search(r"<\w", words)])
    def test_finds_what_is_not_escaped(self, words: str) -> None:
        assert Page(f"<p title='{words}'>{words}</p><p title=\"{words}\">").bad
