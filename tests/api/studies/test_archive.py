"""Studies out of one installation and into another."""

import io
import json
import shutil
import zipfile
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from api.app import create_app
from api.problems import KEY_REUSED, TOO_LARGE
from api.studies.imports import INVALID_ARCHIVE
from core.catalog import studies, ticket_lists
from core.catalog.artifacts import LocalStore
from core.catalog.attempts import ProducedFile
from core.catalog.database import Database
from core.catalog.tables import Job, Study
from core.settings import Settings
from core.tickets import read, ticket_id

ASKED = {
    "datasets": ["digits"],
    "sources": ["mlp_1"],
    "targets": ["mlp_1"],
    "levels": [5],
    "arms": [{"name": "IMP", "method": "imp"}],
    "seeds": [0],
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def work(client, worker, database, settings, make_ticket, outcome):
    """Does the two jobs of a study: a ticket is found, and trained to so many correct answers of 100."""

    def do(study: str, correct: int = 91) -> list[str]:
        done = []
        for kind in ("find", "train"):
            rows = {job["kind"]: job["job"] for job in client.get(f"/studies/{study}").json()["jobs"]}
            attempt = worker.claim(rows[kind])
            if kind == "find":
                store = LocalStore(settings.artifact_directory)
                with store.stage() as staged:
                    staged.write(make_ticket(0))
                    digest = staged.commit()
                file = read(store.path(digest))
                made = ProducedFile(ticket_id(file.ticket), digest, file)
                worker.succeed(rows[kind], attempt, files=[made])
            else:
                worker.succeed(rows[kind], attempt, outcome(made.identity, correct))
            with database.write() as session:
                studies.advance(session, study, 3)
            done.append(rows[kind])
        return done

    return do


@pytest.fixture
def study(client, work) -> str:
    """A study that is done."""
    made = client.post("/studies", json=ASKED).json()["id"]
    work(made)
    assert client.get(f"/studies/{made}").json()["counts"] == {"succeeded": 2}
    return made


@pytest.fixture
def archive(client, study) -> bytes:
    return client.get(f"/studies/{study}/archive").content


@pytest.fixture
def empty(tmp_path, sqlite_template, serve):
    """Another installation, with nothing in it: its client and its catalog."""
    path = tmp_path / "elsewhere.db"
    shutil.copyfile(sqlite_template, path)
    settings = Settings(
        home=tmp_path / "elsewhere", database_url=f"sqlite:///{path}", max_upload_bytes=1 << 20
    )
    catalog = Database(settings.database)
    with serve(create_app(settings)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client, catalog
    catalog.close()


def files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def changed(content: bytes, change: Any) -> bytes:
    """The archive with another study.json."""
    members = files(content)
    told = json.loads(members["study.json"])
    change(told)
    return zipped(members | {"study.json": json.dumps(told).encode()})


def send(client: httpx.Client, content: bytes, query: str = "", **headers: str) -> httpx.Response:
    headers |= {"Content-Type": "application/zip"}
    return client.post(f"/studies/import{query}", content=content, headers=headers)


def counted(catalog: Database) -> tuple[int, int, int]:
    with catalog.read() as session:
        number = [session.scalar(select(func.count()).select_from(table)) for table in (Study, Job)]
        return number[0], number[1], len(ticket_lists.page(session, 100).rows)


class TestArchive:
    def test_it_holds_what_was_asked_and_what_came_of_it(self, client, study, archive, make_ticket):
        members = files(archive)
        (name,) = (name for name in members if name.startswith("tickets/"))
        identity = name.removeprefix("tickets/").removesuffix(".ticket.safetensors")
        assert list(members) == ["README.txt", "histories.jsonl", "study.json", "table.csv", name]
        assert members[name] == make_ticket(0)
        told = json.loads(members["study.json"])
        shown = client.get(f"/studies/{study}").json()
        assert (told["spec"], told["tickets"]) == (shown["spec"], [identity])
        assert [(job["key"], job["state"]) for job in told["jobs"]] == [
            (job["key"], "succeeded") for job in shown["jobs"]
        ]
        find, train = told["jobs"]
        assert (find["tickets"], train["spec"]["tickets"]) == ([identity], [identity])
        assert train["runs"][0]["weights_digest"] == "0" * 64
        assert told["fingerprints"][train["runs"][0]["fingerprint"]] == {}
        assert (train["results"][0]["correct"], train["results"][0]["point"]) == (91, "last")
        assert members["table.csv"].decode() == client.get(f"/studies/{study}/table?format=csv").text
        (line,) = members["histories.jsonl"].splitlines()
        assert json.loads(line) == {"key": train["key"], "run": 0, "history": [{"epoch": 1}]}
        assert b"elasticket reproduce" in members["README.txt"]

    def test_the_same_study_is_the_same_bytes(self, client, study, archive):
        again = client.get(f"/studies/{study}/archive")
        assert again.content == archive
        assert again.headers["content-disposition"] == f'attachment; filename="study-{study[:8]}.zip"'
        assert client.head(f"/studies/{study}/archive").headers["content-type"] == "application/zip"

    def test_of_an_unfinished_study_it_is_what_is_there(self, client):
        made = client.post("/studies", json=ASKED).json()
        told = json.loads(files(client.get(made["links"]["archive"]).content)["study.json"])
        assert (told["finished_at"], told["tickets"]) == (None, [])
        assert [(job["state"], job["spec"] is None) for job in told["jobs"]] == [
            ("queued", False),
            ("waiting", True),
        ]

    def test_what_is_not_there_is_not_found(self, client):
        assert client.get(f"/studies/{'0' * 32}/archive").status_code == 404


class TestImport:
    def test_into_an_empty_installation_its_tickets_come_and_it_is_begun_from_nothing(
        self, client, study, archive, empty
    ):
        other, catalog = empty
        answer = send(other, archive)
        assert answer.status_code == 202
        body = answer.json()
        assert answer.headers["location"] == f"/studies/{body['id']}"
        assert body["spec"] == client.get(f"/studies/{study}").json()["spec"]
        assert body["counts"] == {"queued": 1, "waiting": 1}
        assert counted(catalog) == (1, 1, 1)
        found = body["reproduction"]
        assert found["tickets"] == {"same": 0, "different": 0, "to_come": 1}
        assert (found["complete"], found["different"], found["same_fingerprint"]) == (False, [], None)
        (ticket,) = other.get("/tickets").json()["items"]
        assert (ticket["provenance"][0]["method"], ticket["provenance"][0]["job"]) == ("imp", None)
        file = other.get(f"/tickets/{ticket['id']}/file").content
        assert file == client.get(f"/tickets/{ticket['id']}/file").content

    def test_exact_mode_may_be_asked_for(self, archive, empty):
        other, _ = empty
        assert not send(other, archive).json()["spec"]["exact"]
        assert send(other, archive, "?exact=true").json()["spec"]["exact"]

    def test_what_comes_out_otherwise_is_told(self, client, archive):
        def other(told):
            told["jobs"][1]["runs"][0]["weights_digest"] = "1" * 64
            told["jobs"][1]["results"][0]["correct"] = 90
            told["fingerprints"][0]["threads"] = 8

        body = send(client, changed(archive, other)).json()
        found = body["reproduction"]
        key = body["jobs"][1]["key"]
        assert found["different"] == [
            {"key": key, "what": "weights", "number": 0, "expected": "1" * 64, "got": "0" * 64},
            {"key": key, "what": "accuracies", "number": 0, "expected": 0.9, "got": 0.91},
        ]
        assert found["circumstances"] == [{"name": "threads", "archive": [8], "here": [None]}]
        assert found["same_fingerprint"] is False
        page = client.get(f"/ui/studies/{body['id']}").text
        assert "trained weights: 1 different" in page

    def test_a_study_that_was_not_imported_has_nothing_to_compare(self, client, study):
        assert client.get(f"/studies/{study}").json()["reproduction"] is None

    def test_the_same_request_under_its_key_makes_one_study(self, archive, empty):
        other, catalog = empty
        first, again = (send(other, archive, **{"Idempotency-Key": "k"}) for _ in range(2))
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["idempotency-replayed"] == "true"
        assert counted(catalog)[0] == 1
        reused = send(other, archive, "?exact=true", **{"Idempotency-Key": "k"})
        assert reused.json()["type"] == KEY_REUSED.type

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            (lambda told: told.update(format="elasticket-study/9"), "study.json, '/format'"),
            (lambda told: told["spec"].update(datasets=["atlantis"]), "study.json, /spec/datasets"),
            (lambda told: told["spec"].update(more=1), "study.json, /spec/more"),
            (lambda told: told["jobs"][1].update(key="another"), "study.json, /jobs/1/key"),
            (lambda told: told.update(tickets=[]), "study.json, /jobs/0/tickets"),
        ],
    )
    def test_what_is_wrong_in_it_is_told_and_nothing_is_changed(
        self, archive, empty, tmp_path, change, where
    ):
        other, catalog = empty
        answer = send(other, changed(archive, change))
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (422, INVALID_ARCHIVE.type)
        assert problem["where"] == where
        assert problem["accepted"]
        assert counted(catalog) == (0, 0, 0)
        assert [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()] == []

    def test_a_study_that_cannot_be_done_here_is_refused(self, archive, empty):
        other, catalog = empty
        answer = send(other, changed(archive, lambda told: told["spec"].update(levels=[60], scale="paper")))
        assert answer.status_code == 422
        assert counted(catalog) == (0, 0, 0)

    def test_another_file_and_a_larger_one_are_refused(self, empty):
        other, _ = empty
        assert send(other, b"no zip").json()["type"] == INVALID_ARCHIVE.type
        answer = send(other, bytes((1 << 20) + 1))
        assert (answer.status_code, answer.json()["type"]) == (413, TOO_LARGE.type)


class TestReproduction:
    @pytest.fixture
    def database_url(self, postgres_url) -> str:
        """On PostgreSQL, which keeps JSON in another way."""
        return postgres_url()

    def test_where_it_was_done_already_it_is_the_same_at_once(self, client, archive):
        body = send(client, archive).json()
        found = client.get(f"/studies/{body['id']}").json()["reproduction"]
        assert body["counts"] == {"succeeded": 2}
        assert [found[what]["same"] for what in ("tickets", "weights", "accuracies")] == [1, 1, 1]
        assert (found["complete"], found["different"], found["same_fingerprint"]) == (True, [], True)
