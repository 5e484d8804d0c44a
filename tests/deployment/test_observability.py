"""Dashboard, alerts and the document say what `/metrics` has; Prometheus' own tool accepts what is for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from api.app import create_app
from core.catalog.migrate import upgrade
from core.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs/operations"
DASHBOARD: dict[str, Any] = json.loads((FILES / "grafana/elasticket.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((FILES / "alerts.yml").read_text())
DOCUMENT = (ROOT / "docs/observability.md").read_text()
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
NAMES = re.compile(r"\b((?:elasticket|process)_[a-z0-9_]+)")


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The kind of every metric that is told, by name."""
    home = tmp_path_factory.mktemp("home")
    upgrade(f"sqlite:///{home}/elasticket.db")
    app = create_app(Settings(home=home))
    app.state.installation.look()
    text = generate_latest(app.state.registry).decode()
    return dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in RULES)


def told(name: str, exposed: dict[str, str]) -> bool:
    base = re.sub("_(bucket|count|sum)$", "", name)
    return exposed.get(name) in ("counter", "gauge") or exposed.get(base) == "histogram"


class TestDashboard:
    def test_asks_for_what_is_told(self, exposed: dict[str, str]) -> None:
        asked = {name for expression in expressions() for name in NAMES.findall(expression)}
        assert len(asked) > 20
        assert {name for name in asked if not told(name, exposed)} == set()

    def test_shows_all_that_is_told(self, exposed: dict[str, str]) -> None:
        """Nothing is measured that nobody looks at, but for what the drawings leave to a closer look."""
        closer = {"elasticket_worker_job_seconds", "elasticket_database_up"}
        text = "\n".join(expressions())
        ours = {name for name in exposed if name.startswith("elasticket_") and not name.endswith("_created")}
        assert {name for name in ours - closer if name not in text} == set()

    def test_has_panels_with_numbers_places_and_queries_of_their_own(self) -> None:
        panels = DASHBOARD["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels) > 20
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
            assert not cells & taken, panel["title"]
            assert at["x"] + at["w"] <= 24
            taken |= cells
            for target in panel.get("targets", ()):
                assert (
                    target["datasource"]
                    == panel["datasource"]
                    == {"type": "prometheus", "uid": "${datasource}"}
                )

    def test_asks_rules_that_are_recorded(self) -> None:
        recorded = {rule["record"] for rule in RULES if "record" in rule}
        asked = {name for one in expressions() for name in re.findall(r"\belasticket:[a-z0-9_:]+", one)}
        assert asked == recorded


class TestDocument:
    def test_names_every_figure(self, exposed: dict[str, str]) -> None:
        listed = DOCUMENT.partition("### Who may read them")[0]
        ours = {name for name in exposed if name.startswith("elasticket_") and not name.endswith("_created")}
        assert {name for name in ours if name not in listed} == set()
        assert {name for name in NAMES.findall(listed) if name not in exposed and name != "process_"} == set()

    def test_says_what_to_do_about_every_alert(self) -> None:
        alerts = [rule["alert"] for rule in RULES if "alert" in rule]
        rows = re.findall(r"^\| (`Elasticket.*?) \| (.*?) \|", DOCUMENT, re.MULTILINE)
        wakes = {
            name: said
            for names, said in rows
            for name, said in zip(
                re.findall(r"`(\w+)`", names), said.split(", ") * len(names.split(",")), strict=False
            )
        }
        assert list(wakes) == alerts
        for rule in RULES:
            if "alert" in rule:
                assert wakes[rule["alert"]] == ("yes" if rule["labels"]["severity"] == "page" else "no")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package prometheus brings promtool")
class TestPromtool:
    @pytest.mark.parametrize(
        "words",
        [["rules", "--lint-fatal", "alerts.yml"], ["config", "--syntax-only", "prometheus.yml"]],
        ids=["rules", "config"],
    )
    def test_accepts(self, words: list[str]) -> None:
        done = subprocess.run(["promtool", "check", *words], cwd=FILES, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout

    def test_accepts_what_is_told(self, tmp_path: Path) -> None:
        upgrade(f"sqlite:///{tmp_path}/elasticket.db")
        app = create_app(Settings(home=tmp_path))
        app.state.installation.look()
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=generate_latest(app.state.registry), capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
