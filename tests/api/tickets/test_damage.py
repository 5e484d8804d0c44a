"""Files of the artifact store that are gone or damaged: told by every route that reads them, and mended by uploads."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from core.catalog import tickets
from core.catalog.artifacts import LocalStore
from core.catalog.database import Database
from core.settings import Settings


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def store(settings: Settings) -> LocalStore:
    return LocalStore(settings.artifact_directory)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[: len(content) // 2])


@pytest.fixture
def digest(database: Database) -> Callable[[str], str]:
    def of(identity: str) -> str:
        with database.read() as session:
            return tickets.file_digest(session, identity)

    return of


READERS = [
    "/tickets/{}/file",
    "/tickets/{}/layers",
    "/tickets/{}/layers/fc_layers.0.weight/mask.png",
    "/tickets/{}/compare/{}",
]


class TestReading:
    @pytest.mark.parametrize(
        ("harm", "slug"), [(flip, "file-damaged"), (cut, "file-damaged"), (Path.unlink, "file-missing")]
    )
    def test_every_route_names_the_artifact(
        self,
        client: httpx.Client,
        upload: Callable,
        store: LocalStore,
        digest: Callable,
        harm: Callable,
        slug: str,
    ) -> None:
        identity = upload()
        assert client.get(f"/tickets/{identity}/file").status_code == 200
        harm(store.path(digest(identity)))
        for path in READERS:
            answer = client.get(path.format(identity, identity))
            problem = answer.json()
            assert (answer.status_code, problem["type"]) == (404, f"urn:elasticket:problem:{slug}"), path
            assert problem["artifact"] == digest(identity)


class TestUploadingAgain:
    @pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
    def test_the_same_file_takes_its_place(
        self,
        client: httpx.Client,
        upload: Callable,
        make_ticket: Callable,
        store: LocalStore,
        digest: Callable,
        harm: Callable,
    ) -> None:
        identity = upload()
        harm(store.path(digest(identity)))
        again = client.post("/tickets", content=make_ticket(0))
        assert (again.status_code, again.json()["id"]) == (200, identity)
        assert client.get(f"/tickets/{identity}/file").content == make_ticket(0)

    def test_another_file_of_the_ticket_becomes_its_file(
        self,
        client: httpx.Client,
        upload: Callable,
        make_ticket: Callable,
        store: LocalStore,
        digest: Callable,
    ) -> None:
        identity, other = upload(), make_ticket(0, dataset="mnist", level=3)
        flip(store.path(digest(identity)))
        assert client.post("/tickets", content=other).json()["id"] == identity
        answer = client.get(f"/tickets/{identity}/file")
        assert answer.content == other
        assert answer.headers["ETag"] == f'"{digest(identity)}"'
        assert sum(client.get(f"/tickets/{identity}").json()["file"].values()) == len(other)

    def test_of_a_whole_ticket_the_first_file_stays(
        self, client: httpx.Client, upload: Callable, make_ticket: Callable, files: Callable
    ) -> None:
        identity = upload()
        before = files()
        client.post("/tickets", content=make_ticket(0, dataset="mnist")).raise_for_status()
        assert files() == before
        assert client.get(f"/tickets/{identity}/file").content == make_ticket(0)


class TestAnotherFormat:
    def test_a_copy_that_is_gone_is_made_again(
        self, client: httpx.Client, upload: Callable, database: Database, store: LocalStore
    ) -> None:
        identity = upload()
        with store.stage() as staged:
            staged.write(b"copy")
            copy = staged.commit()
        with database.write() as session:
            tickets.add_copy(session, identity, "safetensors", copy)
        path = f"/tickets/{identity}/file?format=safetensors"
        assert client.get(path).content == b"copy"
        store.path(copy).unlink()
        answer = client.get(path, headers={"Prefer": "wait=0"})
        assert answer.status_code == 202
        assert answer.json()["kind"] == "export"
