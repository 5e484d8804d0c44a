"""The commands of studies against a server that answers what the test says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.studies.examples import STUDY, TABLE
from cli import options
from cli.main import app

ID = "7c5e" * 8
DIFFERENCE = {"key": "a/train", "what": "weights", "number": 0, "expected": "11", "got": "22"}


def study(*, finished: bool = True, different: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    state = "succeeded" if finished else "running"
    body: dict[str, Any] = STUDY | {
        "id": ID,
        "spec": {"study": "rivals", "sources": ["mlp_2"], "targets": ["mlp_3"], "datasets": ["digits"]},
        "created_at": "2026-01-01T12:00:00Z",
        "finished_at": "2026-01-01T12:01:00Z" if finished else None,
        "counts": {state: 1},
        "jobs": [STUDY["jobs"][0] | {"key": "digits/mlp_3/a/train", "state": state, "fraction": 1.0}],
    }
    if different is not None:
        tally = {"same": 1, "different": 0, "to_come": 0}
        body["reproduction"] = {
            "said": "tickets: 1 same",
            "complete": finished,
            **dict.fromkeys(("tickets", "weights", "accuracies"), tally),
            "different": different,
            "same_fingerprint": True,
            "circumstances": [],
        }
    return body


@pytest.fixture
def run(server: Any) -> Any:
    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--server", server.url])

    return invoke


def answers(server: Any, **paths: Any) -> None:
    """What is answered: `studies` under /studies, `import_` under /studies/import, others below the study."""
    places = {"studies": "/studies", "import_": "/studies/import", "shown": f"/studies/{ID}"}
    server.answers = {}
    for name, body in paths.items():
        raw = isinstance(body, bytes)
        content = body if raw else json.dumps(body).encode()
        kind = "text/plain; charset=utf-8" if raw else "application/json"
        server.answers[places.get(name, f"/studies/{ID}/{name}")] = [(200, kind, content)]


def sent(server: Any) -> dict[str, Any]:
    _, _, _, body = server.seen[0]
    found: dict[str, Any] = json.loads(body)
    return found


class TestStudy:
    def test_one_by_name_with_fields_replaced(self, server: Any, run: Any) -> None:
        answers(server, studies=study(finished=False))
        fields = ("datasets=digits", "seeds=0,1", "recipe.length=20ep", "recipe.lr=0.1", "exact=true")
        words = [word for field in fields for word in ("--set", field)]
        result = run("study", "elth_depth", "--scale", "small", *words)
        assert result.exit_code == 0, result.output
        assert sent(server) == {
            "study": "elth_depth",
            "scale": "small",
            "datasets": ["digits"],
            "seeds": [0, 1],
            "recipe": {"length": "20ep", "lr": 0.1},
            "exact": True,
        }
        assert f"study {ID}: under way" in result.output
        assert "rivals: mlp_2 → mlp_3 on digits" in result.output

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("s.yaml", "sources: [mlp_2]\nrecipe:\n  lr: 5e-2\n"),
            ("s.json", '{"sources": ["mlp_2"], "recipe": {"lr": 0.05}}'),
        ],
    )
    def test_one_from_a_file(self, server: Any, run: Any, tmp_path: Path, name: str, content: str) -> None:
        answers(server, studies=study())
        (tmp_path / name).write_text(content)
        result = run("study", str(tmp_path / name), "--set", "recipe.length=3ep", "--set", "levels=[2, 3]")
        assert result.exit_code == 0, result.output
        assert sent(server) == {
            "sources": ["mlp_2"],
            "recipe": {"lr": 0.05, "length": "3ep"},
            "levels": [2, 3],
        }

    def test_a_file_that_cannot_be_read_is_told_with_its_line(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "s.yaml").write_text("a: 1\na: 2\n")
        result = run("study", str(tmp_path / "s.yaml"))
        assert result.exit_code == 2
        assert "each key once" in result.output
        assert run("study", str(tmp_path / "missing.json")).exit_code == 2

    def test_a_dry_run_lists_the_jobs(self, server: Any, run: Any) -> None:
        found = {"key": "a", "kind": "find", "trainings": 30, "steps": 7, "device_seconds": 0, "done": "4b"}
        trained = found | {
            "key": "b",
            "kind": "train",
            "trainings": 3,
            "device_seconds": 4000.2,
            "done": None,
        }
        plan = {"jobs": {"find": 1, "train": 1}, "keys": ["a", "b"], "cells": 1, "planned": [found, trained]}
        answers(server, studies=plan | {"trainings": 3, "device_seconds": 4000.2, "assumptions": ["a guess"]})
        result = run("study", "rivals", "--dry-run")
        assert "2 jobs: 1 find, 1 train; 1 row\n3 trainings, 1:06:40 of a device\n" in result.output
        assert re.search(r"^a +30 +done before\nb +3 +1:06:40\n\na guess.$", result.output, re.M)
        assert server.seen[0][1] == "/studies?dry_run=true"

    def test_waited_for_it_ends_with_its_table(self, server: Any, run: Any) -> None:
        answers(server, studies=study(finished=False), shown=study(), table=b"the table")
        result = run("study", "rivals", "--wait")
        assert result.exit_code == 0, result.output
        assert result.output.endswith(f"study {ID}\n\nthe table\n")

    def test_the_list(self, server: Any, run: Any) -> None:
        answers(server, studies={"items": [study()], "next": None})
        assert f"{ID}  2026-01-01T12:00  rivals: mlp_2 → mlp_3 on digits  yes" in run("studies").output


class TestTable:
    def test_it_is_printed_as_the_server_writes_it(self, server: Any, run: Any) -> None:
        answers(server, table="97.50 ± 0.71\r\n".encode())
        result = run("table", ID, "--format", "latex")
        assert result.output == "97.50 ± 0.71\n"
        assert server.seen[0][1] == f"/studies/{ID}/table?format=latex"


class TestArchive:
    def test_it_is_saved(
        self, server: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        answers(server, archive=b"PK...")
        assert run("archive", ID).output == f"study-{ID[:8]}.zip: 5 bytes\n"
        assert (tmp_path / f"study-{ID[:8]}.zip").read_bytes() == b"PK..."

    def test_one_that_breaks_off_leaves_nothing(
        self, server: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(options, "PATIENCE", 0.05)
        answers(server, archive=b"PK" + server.CUT)
        result = run("archive", ID, "-o", str(tmp_path / "a.zip"))
        assert result.exit_code == 1
        assert list(tmp_path.iterdir()) == []


class TestReproduce:
    @pytest.fixture
    def archive(self, tmp_path: Path) -> str:
        (tmp_path / "a.zip").write_bytes(b"PK...")
        return str(tmp_path / "a.zip")

    def test_the_archive_is_sent_and_the_study_shown(self, server: Any, run: Any, archive: str) -> None:
        answers(server, import_=study(finished=False, different=[]))
        result = run("reproduce", archive, "--exact")
        assert result.exit_code == 0, result.output
        _, path, headers, body = server.seen[0]
        assert (path, headers["content-type"], body) == (
            "/studies/import?exact=true",
            "application/zip",
            b"PK...",
        )
        assert "tickets: 1 same" in result.output

    def test_waited_for_a_difference_is_told_and_the_status_is_1(
        self, server: Any, run: Any, archive: str
    ) -> None:
        begun = study(finished=False, different=[])
        for different, status in ([], 0), ([DIFFERENCE], 1):
            answers(server, import_=begun, shown=study(different=different), table=TABLE)
            result = run("reproduce", archive, "--wait")
            assert result.exit_code == status, result.output
        assert "a/train: weights, number 0: 11 in the archive, 22 here" in result.output
