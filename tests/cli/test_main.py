from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app

JOB = "4b1d" * 8
TICKET = "9f2c" * 16


def job(state: str, **more: Any) -> dict[str, Any]:
    spec = {"tickets": [TICKET], "architecture": None, "dataset": "digits", "seeds": [0]}
    outputs: dict[str, Any] = {"tickets": [], "runs": [], "results": []}
    return {
        "id": JOB,
        "kind": "train",
        "state": state,
        "spec": spec,
        "progress": None,
        "error": None,
        "outputs": outputs,
    } | more


def as_json(body: object, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()


def ends(server: Any, state: str, **more: Any) -> None:
    """Have the server's one job end in a state."""
    stream = f'id: 1\nevent: state\ndata: {{"state": "{state}"}}\n\n'.encode()
    server.answers[f"/jobs/{JOB}/events"] = [(200, "text/event-stream", stream)]
    server.answers[f"/jobs/{JOB}"] = [as_json(job(state, **more))]


def run(server: Any, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--server", server.url])


def sent(server: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(server.seen[0][3])
    return body


class TestStart:
    def test_help_imports_nothing_heavy(self) -> None:
        code = (
            "import sys; from typer.testing import CliRunner; from cli.main import app\n"
            "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
            "print({'torch', 'celery', 'sqlalchemy', 'fastapi', 'sklearn'} & set(sys.modules))"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout == "set()\n"


class TestSubmissions:
    def test_find(self, server: Any) -> None:
        server.answers["/find"] = [as_json(job("queued"), 202)]
        result = run(
            server,
            *("find", "mlp_2", "digits", "--level", "3", "-p", "fraction=0.3", "--seeds", "0,1,2", "--exact"),
            *("--set", "lr=0.05", "--set", "length=20ep", "--set", "milestones=5ep,10ep", "--set", "dense="),
        )
        assert result.exit_code == 0
        assert sent(server) == {
            "architecture": "mlp_2",
            "dataset": "digits",
            "method": "imp",
            "parameters": {"level": 3, "fraction": 0.3},
            "seeds": [0, 1, 2],
            "recipe": {"lr": 0.05, "length": "20ep", "milestones": ["5ep", "10ep"], "dense": []},
            "exact": True,
        }
        assert f"{JOB}: queued" in result.stdout

    def test_transform_takes_its_last_word_as_the_target(self, server: Any) -> None:
        server.answers["/transform"] = [as_json(job("queued"), 202)]
        assert run(server, "transform", "a", "b", "mlp_3", "--map", "0:0;1:1,2").exit_code == 0
        assert sent(server) == {"tickets": ["a", "b"], "architecture": "mlp_3", "unit_map": "0:0;1:1,2"}

    def test_train_takes_its_last_word_as_the_dataset(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        assert run(server, "train", "a", "b", "digits").exit_code == 0
        assert sent(server) == {"tickets": ["a", "b"], "dataset": "digits", "recipe": {}, "exact": False}

    def test_train_a_dense_network(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        assert run(server, "train", "--dense", "mlp_3", "digits").exit_code == 0
        assert sent(server) == {"architecture": "mlp_3", "dataset": "digits", "recipe": {}, "exact": False}

    @pytest.mark.parametrize("option", [("--seeds", "0,x"), ("--set", "lr"), ("--parameter", "level")])
    def test_a_malformed_option_is_refused_before_anything_is_sent(
        self, server: Any, option: tuple[str, str]
    ) -> None:
        assert run(server, "find", "mlp_2", "digits", *option).exit_code == 2
        assert server.seen == []

    def test_a_problem_is_told_and_the_status_is_1(self, server: Any) -> None:
        problem = {
            "detail": "no",
            "errors": [{"in": "body", "where": "/lr", "what": "low", "accepted": "> 0"}],
        }
        server.answers["/find"] = [as_json(problem, 422)]
        result = run(server, "find", "mlp_2", "digits")
        assert result.exit_code == 1
        assert result.stderr == "elasticket: no\n  /lr: low; accepted: > 0\n"
        assert result.stdout == ""

    def test_a_server_that_is_not_there(self) -> None:
        result = CliRunner().invoke(app, ["jobs", "--server", "http://127.0.0.1:9"])
        assert result.exit_code == 1
        assert "cannot reach http://127.0.0.1:9" in result.stderr


class TestWaiting:
    def test_success_is_status_0_and_shows_what_was_measured(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        run_0 = {"number": 0, "level": None, "sparsity": 0.8926}
        result_0 = {"point": "last", "seed": 0, "run": 0, "accuracy": 0.97}
        ends(server, "succeeded", outputs={"tickets": [], "runs": [run_0], "results": [result_0]})
        result = run(server, "train", TICKET, "digits", "--wait")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1].split() == ["last", "0", "-", "89.26", "%", "97.00", "%"]

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_any_other_end_is_status_1_and_says_why(self, server: Any, state: str) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        ends(server, state, error={"reason": "error", "message": "diverged"})
        result = run(server, "train", TICKET, "digits", "-w")
        assert result.exit_code == 1
        assert "diverged" in result.stdout

    def test_watch_is_the_same_for_a_job_that_exists(self, server: Any) -> None:
        ends(server, "failed")
        assert run(server, "watch", JOB).exit_code == 1
        ends(server, "succeeded")
        assert run(server, "watch", JOB).exit_code == 0

    def test_json_is_the_job_as_the_api_shows_it(self, server: Any) -> None:
        ends(server, "succeeded")
        assert json.loads(run(server, "watch", JOB, "--json").stdout) == job("succeeded")


class TestSteering:
    @pytest.mark.parametrize("verb", ["cancel", "retry"])
    def test_it_is_posted_and_the_job_is_shown(self, server: Any, verb: str) -> None:
        server.answers[f"/jobs/{JOB}/{verb}"] = [as_json(job("queued"), 202)]
        result = run(server, verb, JOB)
        assert result.exit_code == 0
        assert server.seen[0][:2] == ("POST", f"/jobs/{JOB}/{verb}")
        assert JOB in result.stdout


class TestLists:
    def test_jobs_by_state(self, server: Any) -> None:
        server.answers["/jobs"] = [
            as_json({"items": [job("running", progress={"fraction": 0.25})], "next": None})
        ]
        result = run(server, "jobs", "--state", "running", "--state", "queued")
        assert server.seen[0][1] == "/jobs?limit=20&state=running&state=queued"
        assert result.stdout.splitlines()[2].split() == [
            JOB,
            "train",
            "running",
            "1",
            "ticket",
            "on",
            "digits",
            "25",
            "%",
        ]


class TestFiles:
    def test_what_is_pulled_is_named_after_the_ticket(
        self, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        server.answers[f"/tickets/{TICKET}/file"] = [(200, "application/octet-stream", b"bytes")]
        assert run(server, "pull", TICKET).exit_code == 0
        assert (tmp_path / f"{TICKET[:16]}.ticket.safetensors").read_bytes() == b"bytes"

    def test_what_is_not_there_is_not_pushed(self, server: Any, tmp_path: Path) -> None:
        assert run(server, "push", str(tmp_path / "none")).exit_code == 2
