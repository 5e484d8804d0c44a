from collections.abc import Callable, Iterator

import pytest

from core.catalog import jobs
from core.catalog.database import Database
from core.jobs.specs import TrainSpec


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def spec() -> TrainSpec:
    return TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")


@pytest.fixture
def queued(database: Database, spec: TrainSpec) -> Callable[..., str]:
    def create(max_attempts: int = 3) -> str:
        with database.write() as session:
            return jobs.create(session, spec, max_attempts).id

    return create
