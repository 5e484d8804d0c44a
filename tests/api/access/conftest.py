"""An installation that asks for keys, and keys to two of its projects."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from api.app import create_app
from core.catalog import keys
from core.catalog.database import Database
from core.catalog.keys import Scope
from core.settings import Settings

Keyed = Callable[..., httpx.Client]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "keys"})


@pytest.fixture
def key(database: Database) -> Callable[..., str]:
    """Makes a key; the key."""

    def make(project: str = "default", scope: Scope = "read", seconds: float | None = None) -> str:
        with database.everywhere().write() as session:
            keys.ensure_project(session, project)
        with database.of(project).write() as session:
            return keys.create(session, "a key", scope, seconds)[1].text

    return make


@pytest.fixture
def keyed(serve: Callable[..., object], settings: Settings, key: Callable[..., str]) -> Iterator[Keyed]:
    """Clients with keys of their own."""
    opened = []
    with serve(create_app(settings)) as address:  # type: ignore[attr-defined]

        def open_(project: str = "default", scope: Scope = "read", **more: object) -> httpx.Client:
            headers = {"Authorization": f"Bearer {key(project, scope)}"}
            opened.append(httpx.Client(base_url=address, timeout=30, headers=headers))
            return opened[-1]

        open_.address = address  # type: ignore[attr-defined]
        yield open_
        for client in opened:
            client.close()


@pytest.fixture
def stranger(keyed: Keyed) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=keyed.address, timeout=30) as client:  # type: ignore[attr-defined]
        yield client
