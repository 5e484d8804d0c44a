"""The database away or busy, and a full disk: requests are told to come back, and nothing acknowledged is lost."""

import errno
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from api.app import create_app
from core.settings import Settings
from tests.locking import locked
from tests.proxy import Proxy

FIND = {"architecture": "mlp_1", "dataset": "digits"}


def is_told_that_there_is_no_room(answer: httpx.Response) -> None:
    assert answer.status_code == 507, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:elasticket:problem:no-room"


def is_told_to_come_back(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:elasticket:problem:not-ready"


class TestLockedSQLite:
    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_writers_are_told_to_come_back_readers_are_served_and_what_was_accepted_is_there(
        self, client: httpx.Client, database_url: str
    ) -> None:
        accepted = client.post("/find", json=FIND).json()["id"]
        with locked(make_url(database_url).database or ""), ThreadPoolExecutor(20) as pool:
            # More at a time than there are connections.
            refused = [pool.submit(client.post, "/find", json=FIND) for _ in range(20)]
            assert client.get(f"/jobs/{accepted}").json()["state"] == "queued"
            for answer in refused:
                is_told_to_come_back(answer.result())
        assert client.post("/find", json=FIND).status_code == 202
        assert len(client.get("/jobs").json()["items"]) == 2


class TestPostgres:
    @pytest.fixture
    def proxy(self, postgres: str) -> Iterator[Proxy]:
        running = Proxy(Path(str(make_url(postgres).query["host"])) / ".s.PGSQL.5432")
        yield running
        running.close()

    @pytest.fixture
    def database_url(self, postgres_url: Callable[[], str], proxy: Proxy) -> str:
        url = make_url(postgres_url()).set(host="127.0.0.1", port=proxy.port, query={})
        return url.render_as_string(hide_password=False)

    def test_cut_off_requests_are_told_to_come_back_and_served_when_it_is_back(
        self, client: httpx.Client, proxy: Proxy
    ) -> None:
        accepted = client.post("/find", json=FIND).json()["id"]
        proxy.cut()
        for method, path in (("GET", "/jobs"), ("POST", "/find"), ("GET", f"/jobs/{accepted}")):
            is_told_to_come_back(client.request(method, path, json=FIND if method == "POST" else None))
        assert client.get("/readyz").status_code == 503
        proxy.heal()
        assert client.get(f"/jobs/{accepted}").json()["state"] == "queued"
        assert client.post("/find", json=FIND).status_code == 202

    def test_connections_that_an_administrator_ended_are_made_again(
        self, client: httpx.Client, settings: Settings, postgres: str
    ) -> None:
        client.post("/find", json=FIND).raise_for_status()
        engine = create_engine(make_url(postgres).set(drivername="postgresql+psycopg"))
        for _ in range(3):
            with engine.connect() as connection:
                query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                connection.execute(text(query), {"name": make_url(settings.database).database})
            assert client.post("/find", json=FIND).status_code == 202
        engine.dispose()
        assert len(client.get("/jobs").json()["items"]) == 4

    @pytest.mark.nightly
    def test_in_a_black_hole_no_request_waits_longer_than_half_a_minute(
        self, client: httpx.Client, proxy: Proxy
    ) -> None:
        client.post("/find", json=FIND).raise_for_status()
        proxy.hole()
        begun = time.monotonic()
        client.timeout = httpx.Timeout(60)
        with ThreadPoolExecutor(30) as pool:
            for answer in [pool.submit(client.post, "/find", json=FIND) for _ in range(30)]:
                is_told_to_come_back(answer.result())
        print(f"the last was told after {time.monotonic() - begun:.1f} s")
        assert time.monotonic() - begun < 45
        proxy.reset_once()
        proxy.heal()
        assert client.post("/find", json=FIND).status_code == 202

    @pytest.mark.nightly
    def test_restarted_it_is_used_again(self, client: httpx.Client, restart_postgres: Callable) -> None:
        accepted = client.post("/find", json=FIND).json()["id"]
        restart_postgres()
        assert client.get(f"/jobs/{accepted}").json()["state"] == "queued"
        assert client.post("/find", json=FIND).status_code == 202


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB, where this user may mount one."""
    (folder := tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    with (ballast := disk / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017
    return ballast


class TestFullDisk:
    def test_of_the_database_requests_are_told_that_there_is_no_room(
        self, small_disk: Path, sqlite_url: str, serve: Callable
    ) -> None:
        home = small_disk / "home"
        home.mkdir()
        (home / "elasticket.db").write_bytes(Path(make_url(sqlite_url).database or "").read_bytes())
        with serve(create_app(Settings(home=home))) as address, httpx.Client(base_url=address) as client:
            accepted = client.post("/find", json=FIND).json()["id"]
            ballast = fill(small_disk)
            answers = [client.post("/find", json=FIND) for _ in range(20)]
            refused = [answer for answer in answers if answer.status_code != 202]
            assert refused
            for answer in refused:
                is_told_that_there_is_no_room(answer)
            assert client.get(f"/jobs/{accepted}").json()["state"] == "queued"
            assert client.get("/readyz").status_code == 503
            ballast.unlink()
            assert client.post("/find", json=FIND).status_code == 202
            kept = {job["id"] for job in client.get("/jobs?limit=100").json()["items"]}
            made = {answer.json()["id"] for answer in answers if answer.status_code == 202}
            assert {accepted} | made <= kept
            assert len(kept) == 2 + len(made)
        assert not list(home.rglob(".staged-*"))
