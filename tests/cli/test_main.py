from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from api.jobs.examples import PLAN, RUNNING
from cli.main import app
from tests.cli.answers import JOB, TICKET, as_json, ends, job, run, sent


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
            *("--devices", "2"),
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
            "devices": 2,
        }
        assert f"{JOB}: queued" in result.stdout

    def test_transform_takes_its_last_word_as_the_target(self, server: Any) -> None:
        server.answers["/transform"] = [as_json(job("queued"), 202)]
        assert run(server, "transform", "a", "b", "mlp_3", "--map", "0:0;1:1,2").exit_code == 0
        assert sent(server) == {"tickets": ["a", "b"], "architecture": "mlp_3", "unit_map": "0:0;1:1,2"}

    def test_transform_with_every_option(self, server: Any) -> None:
        server.answers["/transform"] = [as_json(job("queued"), 202)]
        result = run(
            server,
            *(
                "transform",
                "a",
                "cifar_resnet_32_24",
                "--via",
                "cifar_resnet_26",
                "--via",
                "cifar_resnet_29=append",
            ),
            *("--order", "layer1=append", "--order", "layer2=interpolate", "--replicate", "layer1=1,2"),
            *(
                "--noise",
                "0",
                "--permute",
                "0",
                "--norm",
                "fresh",
                "--start",
                "zero",
                "--weights",
                "replicate",
            ),
            *("--head", "copy", "--stem", "fresh", "--dataset", "digits"),
        )
        assert result.exit_code == 0, result.output
        assert sent(server) == {
            "tickets": ["a"],
            "architecture": "cifar_resnet_32_24",
            "via": [
                {"architecture": "cifar_resnet_26"},
                {"architecture": "cifar_resnet_29", "order": "append"},
            ],
            "order": {"layer1": "append", "layer2": "interpolate"},
            "replicate": {"layer1": [1, 2]},
            "noise": 0.0,
            "permute": 0,
            "norm": "fresh",
            "start": "zero",
            "weights": "replicate",
            "head": "copy",
            "stem": "fresh",
            "dataset": "digits",
        }

    def test_one_order_serves_every_stage(self, server: Any) -> None:
        server.answers["/transform"] = [as_json(job("queued"), 202)]
        assert run(server, "transform", "a", "mlp_3", "--order", "append").exit_code == 0
        assert sent(server)["order"] == "append"

    def test_connect(self, server: Any) -> None:
        server.answers["/connect"] = [as_json(job("queued"), 202)]
        assert run(server, "connect", JOB, f"{JOB}:3", "--points", "5").exit_code == 0
        ends = [{"job": JOB, "run": 0}, {"job": JOB, "run": 3}]
        assert sent(server) == {"trainings": ends, "points": 5}
        assert run(server, "connect", JOB, f"{JOB}:x").exit_code == 2

    def test_train_takes_its_last_word_as_the_dataset(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        assert run(server, "train", "a", "b", "digits").exit_code == 0
        assert sent(server) == {"tickets": ["a", "b"], "dataset": "digits", "recipe": {}, "exact": False}

    def test_train_a_dense_network(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        assert run(server, "train", "--dense", "mlp_3", "digits").exit_code == 0
        assert sent(server) == {"architecture": "mlp_3", "dataset": "digits", "recipe": {}, "exact": False}

    def test_train_a_sparse_network(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        words = ["--schedule", "method=rigl", "--schedule", "sparsity=0.9", "--schedule", "multiplier=5"]
        assert run(server, "train", "--dense", "mlp_3", *words, "digits").exit_code == 0
        assert sent(server)["sparsity_schedule"] == {"method": "rigl", "sparsity": 0.9, "multiplier": 5}

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


class TestDryRun:
    def test_the_plan_is_a_table_and_nothing_is_submitted(self, server: Any) -> None:
        server.answers["/transform"] = [as_json(PLAN)]
        result = run(server, "transform", TICKET, "mlp_3", "--dry-run", "--wait")
        assert result.exit_code == 0, result.output
        assert [seen[:2] for seen in server.seen] == [("POST", "/transform?dry_run=true")]
        assert "mlp_2 → mlp_3" in result.stdout
        assert "unit map 0:0;1:1,2;2:3" in result.stdout
        row = next(line for line in result.stdout.splitlines() if "fc_layers.1.weight" in line)
        assert row.split() == ["fc_layers.2.weight", "fc_layers.1.weight", "5,354", "90,000", "94.05", "%"]
        assert "note: total sparsity moves" in result.stdout


class TestFresh:
    @pytest.mark.parametrize(
        "words",
        [
            ("find", "mlp_2", "digits"),
            ("transform", TICKET, "mlp_3"),
            ("train", TICKET, "digits"),
            ("evaluate", TICKET, "digits"),
            ("connect", JOB, f"{JOB}:1"),
        ],
    )
    def test_every_kind_can_be_asked_for_again(self, server: Any, words: tuple[str, ...]) -> None:
        server.answers[f"/{words[0]}"] = [as_json(job("queued"), 202)]
        assert run(server, *words, "--fresh").exit_code == 0
        assert sent(server)["fresh"] is True

    def test_an_earlier_job_is_shown_and_not_followed(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("succeeded"))]
        result = run(server, "train", TICKET, "digits", "--wait")
        assert result.exit_code == 0
        assert result.stderr == "elasticket: an identical job did this before; --fresh does it again\n"
        assert f"{JOB}: succeeded" in result.stdout
        assert len(server.seen) == 1


class TestWaiting:
    def test_success_is_status_0_and_shows_what_was_measured(self, server: Any) -> None:
        server.answers["/train"] = [as_json(job("queued"), 202)]
        speed = {"images_per_second": 29_800.4, "device_seconds": 2.54}
        run_0 = {"number": 0, "level": None, "sparsity": 0.8926, "shared": False, "speed": speed}
        result_0 = {"point": "last", "seed": 0, "run": 0, "accuracy": 0.97}
        ends(server, "succeeded", outputs={"tickets": [], "runs": [run_0], "results": [result_0]})
        result = run(server, "train", TICKET, "digits", "--wait")
        assert result.exit_code == 0
        row = ["last", "0", "-", "89.26", "%", "97.00", "%", "29,800", "2.5"]
        assert result.stdout.splitlines()[-1].split() == row

    @pytest.mark.parametrize(
        ("speed", "shared", "cells"),
        [
            (None, False, ["-", "-"]),
            ({"images_per_second": None, "device_seconds": 0.25}, False, ["-", "0.2"]),
            ({"images_per_second": 512.0, "device_seconds": 9.0}, True, ["512", "shared"]),
        ],
    )
    def test_a_training_that_did_not_happen_here_cost_nothing(
        self, server: Any, speed: Any, shared: bool, cells: list[str]
    ) -> None:
        training = {"number": 0, "level": None, "sparsity": 0.5, "shared": shared, "speed": speed}
        measured = {"point": "last", "seed": 0, "run": 0, "accuracy": 0.97}
        ends(server, "succeeded", outputs={"tickets": [], "runs": [training], "results": [measured]})
        assert run(server, "watch", JOB).stdout.splitlines()[-1].split()[-2:] == cells

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

    def test_a_priority_is_patched(self, server: Any) -> None:
        server.answers[f"/jobs/{JOB}"] = [as_json(job("queued"))]
        result = run(server, "prioritise", JOB, "7")
        assert result.exit_code == 0
        assert server.seen[0][:2] == ("PATCH", f"/jobs/{JOB}")
        assert sent(server) == {"priority": 7}


class TestKindsOfJobs:
    @pytest.mark.parametrize(
        ("kind", "spec", "words"),
        [
            (
                "connect",
                {"trainings": [{"job": JOB, "run": 0}, {"job": JOB, "run": 1}], "points": 21},
                "4b1d4b1d:0 to 4b1d4b1d:1, 21 points",
            ),
            ("import", {"format": None, "size": 1234}, "a file, 1,234 bytes"),
            ("export", {"ticket": TICKET, "format": "onnx"}, "ticket 9f2c9f2c to onnx"),
        ],
    )
    def test_each_is_told_in_words(self, server: Any, kind: str, spec: dict[str, Any], words: str) -> None:
        ends(server, "succeeded", kind=kind, spec=spec)
        assert words in run(server, "watch", JOB).stdout

    def test_what_was_timed_is_told_form_by_form_and_claims_nothing_more(self, server: Any) -> None:
        forms = [("dense", 0.4218, False), ("sparse", 0.35, True)]
        layer = {
            "name": "fc",
            "density": 0.1,
            "dense_ms": 1,
            "sparse_ms": 2,
            "pays": False,
            "break_even": None,
        }
        machine = {"device": "cpu", "capability": "AVX2", "threads": 1, "torch": "2.13.0"}
        at = {
            "batch": 128,
            "layout": "channels_last",
            "forms": [{"form": form, "ms": ms, "faster": faster} for form, ms, faster in forms],
            "layers": [layer | {"pays": True}, layer],
        }
        alone = at | {
            "batch": 1,
            "forms": [at["forms"][0], {"form": "sparse", "ms": None, "faster": False}],
            "layers": [layer],
        }
        measured = {"point": "evaluate", "seed": 0, "run": None, "accuracy": 0.1, "ticket": TICKET}
        results = [measured | {"latency": {"machine": machine, "batches": [alone, at]}}]
        ends(server, "succeeded", outputs={"tickets": [], "runs": [], "results": results})
        shown = run(server, "watch", JOB).stdout
        rows = [line.split() for line in shown.splitlines() if line.strip().startswith(TICKET[:8])]
        assert rows == [
            [TICKET[:8], "1", "dense", "0.422", "ms", "-", "-"],
            [TICKET[:8], "1", "sparse", "none", "no", "0", "of", "1"],
            [TICKET[:8], "128", "dense", "0.422", "ms", "-", "-"],
            [TICKET[:8], "128", "sparse", "0.350", "ms", "yes", "1", "of", "2"],
        ]

    def test_evaluate_asks_for_latency_only_where_told_to(self, server: Any) -> None:
        server.answers["/evaluate"] = [as_json(job("queued"), 202)] * 2
        assert run(server, "evaluate", TICKET, "digits", "--latency").exit_code == 0
        assert sent(server) == {"tickets": [TICKET], "dataset": "digits", "latency": True}

    def test_a_line_has_its_alphas_and_its_barrier(self, server: Any) -> None:
        point = {"point": "between", "seed": 0, "run": None, "accuracy": 0.9, "alpha": 0.5}
        outputs = {"tickets": [], "runs": [], "results": [point], "barrier": 0.125}
        ends(server, "succeeded", outputs=outputs)
        shown = run(server, "watch", JOB).stdout
        assert "α = 0.50" in shown
        assert "error barrier: 12.50 points" in shown


class TestLists:
    def test_jobs_by_words_and_order(self, server: Any) -> None:
        server.answers["/jobs"] = [as_json({"items": [], "next": None})]
        run(server, "jobs", "--query", "mlp_3 digits", "--order", "oldest")
        assert server.seen[0][1] == "/jobs?q=mlp_3+digits&order=oldest&limit=20"

    def test_jobs_by_state(self, server: Any) -> None:
        server.answers["/jobs"] = [
            as_json(
                {"items": [job("running", progress=RUNNING["progress"] | {"fraction": 0.25})], "next": None}
            )
        ]
        result = run(server, "jobs", "--state", "running", "--state", "queued")
        assert server.seen[0][1] == "/jobs?state=running&state=queued&limit=20"
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
