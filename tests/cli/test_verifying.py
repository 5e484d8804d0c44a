"""`doctor --verify` looks at what the database says happened, beside the artifacts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from cli.main import app
from core.catalog import jobs
from core.catalog.database import Database
from core.catalog.tables import Job
from core.jobs.specs import TrainSpec
from core.settings import Settings
from core.settings import settings as environment


@pytest.fixture
def database(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    shutil.copyfile(sqlite_template, tmp_path / "elasticket.db")
    monkeypatch.setenv("ELASTICKET_HOME", str(tmp_path))
    environment.cache_clear()
    opened = Database(Settings(home=tmp_path).database)
    with opened.write() as session:
        jobs.create(session, TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp"), 3)
    yield opened
    opened.close()
    environment.cache_clear()


def verify(*options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", "--verify", *options])
    return done.exit_code, done.stdout


class TestHistory:
    def test_one_that_holds_is_not_spoken_of(self, database: Database) -> None:
        assert verify() == (0, "0 of 0 artifacts are whole; 0.0 MiB read\n")

    def test_one_that_contradicts_itself_is_told_and_fails(self, database: Database) -> None:
        with database.write() as session:
            session.execute(update(Job).values(state="failed"))
        status, told = verify()
        assert status == 1
        assert "breaks a promise: terminal states are final; it is failed, and the last" in told
        status, told = verify("--json")
        assert status == 1
        broken = json.loads(told)["violations"]
        assert "terminal states are final" in {one["promise"] for one in broken}
