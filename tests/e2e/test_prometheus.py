"""A real Prometheus, a real installation, real jobs: every query of the dashboard and of the rules has an answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from bench.dashboard import DASHBOARD, Span, draw, lines, panels
from tests.e2e.installation import Installation, free_port

if TYPE_CHECKING:
    from bench.dashboard import Line

EMPTY = {"GPUs: memory in use, share of time at work"}
"""Panels without data where there is no GPU."""
SHORT = {
    "architecture": "mlp_1",
    "dataset": "digits",
    "parameters": {"level": 1},
    "recipe": {"length": "4ep"},
}
RULES = DASHBOARD.parents[1] / "alerts.yml"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.nightly,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's package prometheus is needed"),
]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    running = Installation(tmp_path / "home")
    running.start()
    yield running
    running.end()


@pytest.fixture
def prometheus(installation: Installation, tmp_path: Path) -> Iterator[httpx.Client]:
    """A Prometheus that asks the installation every second."""
    port = free_port()
    target = installation.url.removeprefix("http://")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "elasticket", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    words = [
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "prometheus.log").open("wb") as log, subprocess.Popen(words, stderr=log) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                yield client
        finally:
            process.terminate()


class TestPrometheus:
    def test_every_panel_has_data_and_every_rule_is_well(
        self, installation: Installation, prometheus: httpx.Client, tmp_path: Path
    ) -> None:
        dashboard = json.loads(DASHBOARD.read_text())
        begun = time.time()
        seed = 0

        def found() -> dict[str, list[Line]]:
            span = Span(begun, time.time(), scrape=2.5)
            return {panel["title"]: lines(prometheus, panel, span) for panel in panels(dashboard)}

        empty: set[str] = set()
        # One long enough for its worker to look at what it uses.
        installation.http.post(
            "/find", json={"architecture": "mlp_2", "dataset": "digits"}
        ).raise_for_status()
        while time.time() < begun + 200:
            body = SHORT | {"seeds": [seed]}
            installation.http.post("/find", json=body).raise_for_status()
            seed += 1
            time.sleep(2)
            try:
                empty = {title for title, series in found().items() if not series}
            except httpx.TransportError:
                continue  # it has not started yet
            if empty <= EMPTY:
                break
        assert empty <= EMPTY
        groups = prometheus.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) > 12
        assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []
        draw(prometheus, dashboard, Span(begun, time.time(), 2.5), tmp_path / "dashboard.png")
        assert (tmp_path / "dashboard.png").stat().st_size > 50_000
