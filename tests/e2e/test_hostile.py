"""Hostile uploads to the running service: each is refused with its reason, and nothing of it stays."""

import runpy
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parents[1] / "core" / "interchange"
TABLES = [f"test_attacks_{kind}.py" for kind in ("containers", "tars", "pickles", "formats")]
EVERY = 12
MORE = 12
"""At least as many files as this."""


class Row(NamedTuple):
    """A row of an attack table: its name, the reason that is expected, and what makes the file."""

    name: str
    reason: str
    attack: Callable[[SimpleNamespace], bytes]


def rows() -> list[Row]:
    found = [row for table in TABLES for row in runpy.run_path(str(HERE / table))["TABLE"]]
    return [Row(row[0], row[1], row[-1]) for row in found[::EVERY]]


def reason(installation: "Installation", content: bytes) -> str:
    """Why a file was refused: at once, or by the job that tried to import it."""
    answer = installation.http.post("/tickets", content=content)
    problem: dict[str, Any] = answer.json()
    if answer.status_code == 422:
        kind = problem["type"].rpartition(":")[2]
        assert kind in ("unreadable-file", "invalid-ticket"), problem
        assert problem["errors"][0]["accepted"]
        return str(problem.get("reason", problem.get("failure")))
    assert answer.status_code == 202, answer.text
    job_id = problem["id"]
    installation.wait_until(lambda: installation.job(job_id)["state"] in ("succeeded", "failed"), 60)
    job = installation.job(job_id)
    assert (job["state"], job["error"]["reason"]) == ("failed", "unreadable_file"), job
    return str(job["error"]["details"]["reason"])


class TestHostileUploads:
    def test_every_one_is_refused_with_its_reason_and_leaves_nothing(
        self, installation: "Installation"
    ) -> None:
        build = runpy.run_path(str(HERE / "conftest.py"))["builders"]()
        known = installation.http.get("/tickets").json()["items"]
        before = self.files(installation)
        tried, others = 0, []
        for row in rows():
            found = reason(installation, row.attack(build))
            tried += 1
            if found != row.reason:
                others.append((row.name, str(row.reason), found))
        assert tried >= MORE
        # The service's limits are larger than the tables', and what no container is, is no ticket either.
        allowed = {"too-large", "container-unknown", "safetensors-header"}
        assert {expected for _, expected, _ in others} <= allowed, others
        assert not build.MARKER.exists()
        assert installation.http.get("/tickets").json()["items"] == known
        installation.wait_until(lambda: self.files(installation) == before, 10)
        installation.wait_until(lambda: not self.openers(installation), 10)

    @staticmethod
    def openers(installation: "Installation") -> list[psutil.Process]:
        """The processes that open files: those that check uploads, and the trainers, which are children of a zygote."""
        found = []
        for process in installation.processes():
            with suppress(psutil.NoSuchProcess):
                lines = process.cmdline(), process.parent().cmdline()
                if "core.interchange.checking" in lines[0] or "workers.zygote" in lines[1]:
                    found.append(process)
        return found

    @staticmethod
    def files(installation: "Installation") -> set[Path]:
        return {path for path in (installation.home / "artifacts").rglob("*") if path.is_file()}
