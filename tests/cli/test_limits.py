"""Quotas, rules of retention and the audit log, as an operator sets and reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.catalog import quotas, retention
from core.catalog.database import Database
from core.catalog.quotas import Quota
from core.settings import Settings


def run(home: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["admin", *words, "--home", str(home)])
    return done.exit_code, done.stdout


@pytest.fixture
def home(tmp_path: Path, sqlite_template: Path) -> Path:
    (tmp_path / "elasticket.db").write_bytes(sqlite_template.read_bytes())
    return tmp_path


class TestQuota:
    def test_it_is_shown_set_and_lifted(self, home: Path) -> None:
        assert run(home, "quota", "default") == (0, "bytes    0 of any number\nwaiting  0 of any number\n")
        assert run(home, "quota", "default", "--bytes", "20G", "--waiting", "100")[0] == 0
        assert self.kept(home) == Quota(20 << 30, 100)
        assert run(home, "quota", "default", "--waiting", "none")[1].endswith("waiting  0 of any number\n")
        assert self.kept(home) == Quota(20 << 30, None)

    def kept(self, home: Path) -> Quota:
        database = Database(Settings(home=home).database)
        with database.read() as session:
            found = quotas.quota(session)
        database.close()
        return found

    @pytest.mark.parametrize("wrong", ["-1", "5X", "1.5G", ""])
    def test_what_is_no_number_is_refused(self, home: Path, wrong: str) -> None:
        assert run(home, "quota", "default", f"--bytes={wrong}")[0] == 2

    def test_a_project_that_is_not_there_is_told(self, home: Path) -> None:
        assert run(home, "quota", "nobodys")[0] == 1


class TestRetention:
    def test_rules_are_shown_set_and_lifted(self, home: Path) -> None:
        status, shown = run(home, "retention", "default", "--keep", "logs=30", "--keep", "weights=7.5")
        assert status == 0
        assert [line.split() for line in shown.splitlines()] == [
            ["logs", "30", "days"],
            ["weights", "7.5", "days"],
            ["jobs", "ever"],
            ["keys", "ever"],
            ["audit", "ever"],
        ]
        run(home, "retention", "default", "--keep", "logs=ever")
        database = Database(Settings(home=home).database)
        with database.read() as session:
            assert retention.rules(session) == {"weights": 7.5}
        database.close()

    def test_a_dry_run_tells_what_would_go_and_changes_nothing(self, home: Path) -> None:
        run(home, "quota", "default", "--waiting", "5")
        words = ("retention", "default", "--keep", "audit=0")
        assert run(home, *words, "--dry-run") == (0, "audit    1 would go\n")
        assert "quota" in run(home, "audit")[1]
        assert run(home, "retention", "default", "--dry-run") == (0, "no rules\n")
        run(home, *words, "--now")
        assert "quota" not in run(home, "audit")[1]

    @pytest.mark.parametrize("wrong", ["logs", "logs=", "logs=-1", "tickets=3", "logs=soon"])
    def test_what_is_no_rule_is_refused(self, home: Path, wrong: str) -> None:
        assert run(home, "retention", "default", "--keep", wrong)[0] == 2


class TestAudit:
    def test_commands_on_the_machine_are_entered(self, home: Path) -> None:
        key = run(home, "key", "theirs", "--project", "vision")[1].split("_")[1]
        run(home, "revoke", key)
        run(home, "quota", "default", "--waiting", "5")
        lines = run(home, "audit")[1].splitlines()[2:]
        assert [line.split()[2:6] for line in lines] == [
            ["operator", "ADMIN", "quota", "default"],
            ["operator", "ADMIN", "revoke", key],
            ["operator", "ADMIN", "key", key],
        ]
        assert len(run(home, "audit", "--project", "vision")[1].splitlines()) == 4
        assert len(run(home, "audit", "--of", key, "--limit", "1")[1].splitlines()) == 3
