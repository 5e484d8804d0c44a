"""Installations that the tests drive."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.installation import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    started = Installation(tmp_path_factory.mktemp("home"))
    started.start()
    yield started
    started.end()


MakeInstallation = Callable[..., Installation]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[MakeInstallation]:
    """Starts installations, each in a home of its own."""
    made: list[Installation] = []

    def start(name: str, **environment: str) -> Installation:
        made.append(started := Installation(tmp_path / name, **environment))
        started.start()
        return started

    yield start
    with ThreadPoolExecutor() as pool:
        list(pool.map(Installation.end, made))


@pytest.fixture
def elsewhere(install: MakeInstallation) -> Installation:
    return install("elsewhere")
