"""docker-compose.yml without containers: everything it starts works together, dies one by one, and is upgraded."""

from __future__ import annotations

import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.jobs.identity import SPEC_VERSION
from tests.e2e.test_study_kills import STUDY, outcome
from tests.e2e.topology import ROOT, Topology, running

if TYPE_CHECKING:
    from tests.e2e.conftest import MakeInstallation
    from tests.e2e.installation import Installation

SAMPLE = ROOT / "scripts" / "deploy" / "sample"
PARTS = ("api", "cli", "core", "migrations", "workers")
WORKERS = 4
STUDIES = [
    STUDY | {"seeds": [seed], "recipe": STUDY["recipe"] | {"length": length}}
    for seed, length in enumerate(("25ep", "30ep"))
]
"""One to be killed in, one to be upgraded in: its jobs last until every worker was replaced."""


@pytest.fixture
def folder() -> Iterator[Path]:
    # PostgreSQL's own user must be able to walk down to its data, which pytest's folders are closed to.
    with tempfile.TemporaryDirectory(prefix="elasticket-topology-") as directory:
        yield Path(directory)


MakeTopology = Callable[[int], AbstractContextManager[Topology]]


@pytest.fixture
def up(folder: Path) -> MakeTopology:
    """Starts everything, with so many workers of one slot each."""
    return lambda workers: running(folder / "topology", workers, CPU_SLOTS="1")


def newer_version(folder: Path) -> Path:
    """This version's code with what a later one could have more: a version of specs, and a migration that adds."""
    code = folder / "newer"
    for part in PARTS:
        shutil.copytree(ROOT / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
    identity = code / "core" / "jobs" / "identity.py"
    text = identity.read_text()
    assert text.count(f"\nSPEC_VERSION = {SPEC_VERSION}\n") == 1
    identity.write_text(
        text.replace(f"SPEC_VERSION = {SPEC_VERSION}\n", f"SPEC_VERSION = {SPEC_VERSION + 1}\n")
    )
    versions = code / "migrations" / "versions"
    head = max(versions.glob("[0-9]*.py")).read_text()
    (revision,) = re.findall(r'^revision = "(.*)"$', head, re.MULTILINE)
    (versions / "9999_more.py").write_text(
        '"""One column more."""\n'
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f'revision = "9999_serves_{revision[:4]}"\n'
        f'down_revision = "{revision}"\n'
        "branch_labels = depends_on = None\n"
        'def upgrade(): op.add_column("jobs", sa.Column("more", sa.Text(), nullable=True))\n'
        'def downgrade(): op.drop_column("jobs", "more")\n'
    )
    return code


def enter(running: Topology | Installation, study: dict[str, Any]) -> str:
    return str(running.http.post("/studies", json=study).raise_for_status().json()["id"])


def ended(running: Topology | Installation, study: str) -> int | None:
    """How many jobs of a study have succeeded; None once it is over."""
    now = running.http.get(f"/studies/{study}").raise_for_status().json()
    return None if now["finished_at"] else int(now["counts"].get("succeeded", 0))


def files(running: Topology | Installation, outcomes: list[dict[str, Any]]) -> dict[str, str]:
    """The SHA-256 of the file of every ticket that studies came to, as it is downloaded."""
    tickets = {ticket for one in outcomes for found, _ in one["jobs"].values() for ticket in found}
    return {
        ticket: sha256(running.http.get(f"/tickets/{ticket}/file").raise_for_status().content).hexdigest()
        for ticket in sorted(tickets)
    }


def submit(topology: Topology, **body: Any) -> str:
    recipe = {"length": "2ep"}
    asked = {"architecture": "mlp_2_16", "dataset": "digits", "recipe": recipe, "fresh": True} | body
    answer = topology.http.post("/train", json=asked)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job(topology: Topology, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = topology.http.get(f"/jobs/{job_id}").raise_for_status().json()
    return found


def succeeds(topology: Topology, job_id: str) -> dict[str, Any]:
    topology.wait_until(lambda: job(topology, job_id)["state"] not in ("queued", "running"), 120)
    found = job(topology, job_id)
    assert found["state"] == "succeeded", found["error"]
    return found


@pytest.mark.timeout(300)
@pytest.mark.nightly
class TestUp:
    def test_a_job_is_done_and_the_sample_ticket_is_there_however_often_it_is_brought_up(
        self, up: MakeTopology
    ) -> None:
        with up(1) as topology:
            waiting = submit(topology)
            for _ in range(2):
                done = topology.script("sample")
                assert done.returncode == 0, done.stderr
            (ticket,) = topology.http.get("/tickets").json()["items"]
            assert (ticket["architecture"], ticket["tags"]) == ("mlp_2_32", ["sample"])
            keys = topology.http.get("/keys").json()["items"]
            assert sorted(key["name"] for key in keys) == ["sample ticket", "test"]
            assert topology.http.get("/jobs", headers={"Authorization": "Bearer elk_0"}).status_code == 401
            succeeds(topology, waiting)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
class TestUpgrade:
    def test_studies_through_which_one_of_each_dies_and_every_worker_is_replaced_end_in_the_same_tables(
        self, up: MakeTopology, folder: Path, install: MakeInstallation
    ) -> None:
        alone = install("alone", SLOTS="2", THREADS="1")
        undisturbed = [enter(alone, study) for study in STUDIES]
        alone.wait_until(lambda: all(ended(alone, study) is None for study in undisturbed), 400, 0.5)
        expected = [outcome(alone, study) for study in undisturbed]
        expected_files = files(alone, expected)
        alone.end()

        newer = newer_version(folder)
        with up(WORKERS) as topology:
            studies = [enter(topology, STUDIES[0])]

            def reached(jobs: int) -> bool:
                now = ended(topology, studies[0])
                return now is None or now >= jobs

            victims = ("worker-1", "dispatcher", "valkey", "store", "postgres", "api-1")
            for n, victim in enumerate(victims, 1):
                topology.wait_until(lambda: reached(n), 300)  # noqa: B023
                assert ended(topology, studies[0]) is not None, f"it was over before {victim} died"
                topology.restart(victim)

            studies.append(enter(topology, STUDIES[1]))
            topology.code = newer
            topology.run("migrate")
            # One of the old version that dies now is started again on the newer database.
            topology.code = ROOT
            topology.restart("worker-2")
            topology.code = newer
            for n in range(WORKERS):
                topology.kill(f"worker-{n + 1}", signal.SIGTERM)
                topology.start(f"worker-{n + 1}")
            assert ended(topology, studies[1]) is not None, "it was over before its workers were replaced"
            for name in ("dispatcher", "api-1", "api-2"):
                topology.kill(name, signal.SIGTERM)
                topology.start(name)
            topology.wait_until(lambda: all(ended(topology, study) is None for study in studies), 400)
            assert [outcome(topology, study) for study in studies] == expected
            assert files(topology, expected) == expected_files
            assert topology.objects() >= len(expected_files) > 0

    def test_an_older_worker_leaves_what_a_newer_version_asked_for_to_a_newer_worker(
        self, up: MakeTopology, folder: Path
    ) -> None:
        with up(1) as topology:
            topology.code = newer_version(folder)
            topology.run("migrate")
            old = succeeds(topology, submit(topology))
            for name in ("api-1", "api-2"):
                topology.kill(name, signal.SIGTERM)
                topology.start(name)
            newer = submit(topology)
            hint = "SELECT hinted_at FROM jobs WHERE id = %s AND hinted_at IS NOT NULL"
            with psycopg.connect(
                topology.url("dispatcher", "ELASTICKET_DATABASE_URL"), autocommit=True
            ) as database:
                # Its hint came, and came again: the old worker has met it.
                first = None

                def repeated() -> bool:
                    nonlocal first
                    now = database.execute(hint, [newer]).fetchone()
                    first = first or now
                    return now != first

                topology.wait_until(repeated, 90)
                assert job(topology, newer)["state"] == "queued"
                (version,) = database.execute(
                    "SELECT spec_version FROM jobs WHERE id = %s", [newer]
                ).fetchone() or (None,)
            assert version == SPEC_VERSION + 1
            topology.start("worker-2")
            found = succeeds(topology, newer)
            assert len(found["attempts"]) == len(old["attempts"]) == 1
