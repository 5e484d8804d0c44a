"""Keys that are made in an installation's database itself, and artifacts that it does not name."""

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.catalog import keys
from core.catalog.artifacts import LocalStore
from core.catalog.database import Database
from core.catalog.key_text import KeyText
from core.catalog.keys import Holder
from core.settings import Settings


def run(home: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["admin", *words, "--home", str(home)])
    return done.exit_code, done.stdout


def holder(home: Path, text: str) -> Holder | None:
    database = Database(Settings(home=home).database)
    try:
        with database.everywhere().read() as session:
            return keys.holder(session, KeyText.read(text))
    finally:
        database.close()


class TestAdmin:
    def test_a_first_key_is_printed_alone_before_anything_was_started(self, tmp_path: Path) -> None:
        status, printed = run(tmp_path, "key", "mine")
        assert status == 0
        text = printed.removesuffix("\n")
        assert holder(tmp_path, text) == Holder("default", "admin", KeyText.read(text).id)

    def test_one_to_a_new_project_enters_it(self, tmp_path: Path) -> None:
        _, printed = run(tmp_path, "key", "theirs", "--project", "vision", "--scope", "read", "--days", "3")
        text = printed.strip()
        assert holder(tmp_path, text) == Holder("vision", "read", KeyText.read(text).id)
        assert run(tmp_path, "projects") == (0, "default\nvision\n")

    def test_a_revoked_one_is_good_no_more(self, tmp_path: Path) -> None:
        text = run(tmp_path, "key", "theirs", "--project", "vision")[1].strip()
        identity = KeyText.read(text).id
        assert run(tmp_path, "revoke", identity)[0] == 0
        assert holder(tmp_path, text) is None
        assert run(tmp_path, "revoke", "0" * 12)[0] == 1

    @pytest.mark.parametrize("name", ["A", "../x", ""])
    def test_a_bad_name_of_a_project_is_refused(self, tmp_path: Path, name: str) -> None:
        assert run(tmp_path, "key", "x", "--project", name)[0] == 2


class TestCollect:
    def test_what_nothing_names_goes_once_it_is_old(self, tmp_path: Path) -> None:
        with (store := LocalStore(tmp_path / "artifacts")).stage() as staged:
            staged.write(b"orphan")
            digest = staged.commit()
        assert run(tmp_path, "collect")[1].startswith("0 artifacts, 0 bytes")
        old = time.time() - 3 * 86_400
        os.utime(store.path(digest), (old, old))
        words = f"{digest}\n1 artifacts, 6 bytes, and 0 trainings"
        assert run(tmp_path, "collect", "--days", "5")[1].startswith("0 artifacts")
        assert run(tmp_path, "collect", "--dry-run") == (0, f"{words} would be removed\n")
        assert store.has_intact(digest)
        assert run(tmp_path, "collect", "--days", "2") == (0, f"{words} removed\n")
        assert not store.has_intact(digest)

    def test_a_grace_of_minutes_is_refused(self, tmp_path: Path) -> None:
        assert run(tmp_path, "collect", "--days", "0.01")[0] == 2
