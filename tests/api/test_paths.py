"""Names that would lead out of a folder, wherever a name is given: none is followed, and nothing changes."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import select

from core.catalog.database import Database
from core.catalog.tables import Base
from core.settings import Settings
from tests.tables import stated, table

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
CANARY = "canary-ukhz31"
NAMES = [
    "../" * 3 + "secret.txt",
    "../" * 12 + "etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "....//....//secret.txt",
    "..\\..\\secret.txt",
    "..%2f..%2fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%c0%af..%c0%afsecret.txt",
    "..%00/secret.txt",
    "secret.txt%00.png",
    "./../secret.txt",
    "a/../../secret.txt",
    "..;/secret.txt",
    "file:///etc/passwd",
    "http://127.0.0.1:1/secret.txt",
    "C:\\secret.txt",
    "~/secret.txt",
    "$HOME/secret.txt",
    ".",
    "..",
]
IN_PATHS = {
    "a static file": "/static/{}",
    "a file of the API's documentation": "/docs/assets/{}",
    "a page": "/ui/{}",
    "a ticket": "/tickets/{}",
    "a ticket's file": "/tickets/{}/file",
    "a ticket's layer": "/tickets/TICKET/layers/{}/mask.png",
    "a job's log": "/jobs/{}/log",
    "a study's archive": "/studies/{}/archive",
    "a study's figure": "/studies/STUDY/figures/{}",
    "an architecture": "/architectures/{}",
}
IN_QUERIES = {
    "a format to download": "/tickets/TICKET/file?format={}",
    "where a list goes on": "/tickets?after={}",
    "a dataset to filter by": "/tickets?dataset={}",
}

Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def ask(address: str) -> Iterator[Ask]:
    """Sends a target as it is: other clients tidy it first."""
    place = urlsplit(address)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:

        def send(method: str, target: str, body: bytes | None = None, kind: str = "application/json") -> Any:
            connection.putrequest(method, target)
            connection.putheader("Content-Type", kind)
            connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()

        yield send


@pytest.fixture
def everything(settings: Settings, database: Database) -> Callable[[], str]:
    """A digest of all rows and all files."""

    def digest() -> str:
        told = hashlib.sha256()
        with database.read() as session:
            for one in Base.metadata.sorted_tables:
                told.update(repr(sorted(map(repr, session.execute(select(one))))).encode())
        for path in sorted(settings.root.rglob("*")):
            if path.is_file() and not path.name.startswith("elasticket.db"):
                told.update(f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
        return told.hexdigest()

    return digest


def archive(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("study.json", "{}")
        packed.writestr(name.replace("\0", ""), CANARY)
    return stream.getvalue()


def form(name: str) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + b"no ticket\r\n--b--\r\n"


def bodies(name: str) -> Iterator[tuple[str, str, str, bytes, str]]:
    """What is sent to be refused for a name in it: the place, the method and path, the body and its type."""
    plain = {"architecture": "mlp_1", "dataset": "digits"}
    for field in plain:
        yield (
            f"the {field} of a job",
            "POST",
            "/find",
            json.dumps(plain | {field: name}).encode(),
            "application/json",
        )
    train = {"tickets": [name], "dataset": "digits"}
    yield "the ticket of a job", "POST", "/train", json.dumps(train).encode(), "application/json"
    yield "a member of a study's archive", "POST", "/studies/import", archive(name), "application/zip"
    yield "the name of an uploaded file", "POST", "/tickets", form(name), "multipart/form-data; boundary=b"


class TestNames:
    def test_that_lead_elsewhere_are_refused_wherever_they_are_given(
        self, ask: Ask, upload: Callable[..., str], everything: Callable[[], str], settings: Settings
    ) -> None:
        ticket = upload()
        study = json.loads(ask("POST", "/studies", b'{"study": "elth_fc", "scale": "small"}')[1])["id"]
        for folder in (settings.root, settings.artifact_directory, settings.root.parent):
            (folder / "secret.txt").write_text(CANARY)
        before = everything()
        answered: dict[str, Counter[int]] = {}

        def look(
            place: str, method: str, target: str, body: bytes | None, kind: str = "application/json"
        ) -> None:
            target = target.replace("TICKET", ticket).replace("STUDY", study)
            status, text = ask(method, target, body, kind)
            assert CANARY.encode() not in text, target
            assert b"root:" not in text, target
            answered.setdefault(place, Counter())[status] += 1

        for name in NAMES:
            for place, target in (IN_PATHS | IN_QUERIES).items():
                # As it is where a line of HTTP can say it so, and with all of it escaped.
                for words in {quote(name, safe="/%.;:~$"), quote(name, safe="")}:
                    look(place, "GET", target.format(words), None)
            for place, method, target, body, kind in bodies(name):
                look(place, method, target, body, kind)
        assert everything() == before
        assert {status for counts in answered.values() for status in counts} <= {400, 404, 422}
        rows = [
            (place, sum(counts.values()), ", ".join(map(str, sorted(counts))))
            for place, counts in answered.items()
        ]
        assert stated(DOCUMENT, "paths", table(("where", "names tried", "answered"), rows)), rows
