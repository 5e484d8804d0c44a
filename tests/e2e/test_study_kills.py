"""A whole study while its workers, trainers and broker are killed at random: its table is that of one left alone.

More kills: STUDY_KILLS=20 in the environment.
"""

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation, MakeInstallation

KILLS = int(os.environ.get("STUDY_KILLS", "5"))
pytestmark = pytest.mark.timeout(240 + 20 * KILLS)

NETWORKS = ["mlp_2_16", "mlp_3_16", "mlp_4_16"]
STUDY: dict[str, Any] = {
    "datasets": ["digits"],
    "sources": NETWORKS[:1],
    "targets": NETWORKS,
    "levels": [1, 2],
    "seeds": [0, 1],
    "arms": [
        {"name": "ETT", "method": "ett"},
        {"name": "IMP", "method": "imp"},
        {"name": "random", "method": "random"},
        {"name": "dense", "method": "dense"},
    ],
    "recipe": {"length": "2ep", "momentum": 0.9, "lr": 0.05, "rewind": "3it"},
    "exact": True,
}
VICTIMS = ("trainer", "celery", "trainer", "valkey", "slot", "trainer", "workers.dispatcher", "zygote")
BELOW_CELERY = ("celery", "slot", "zygote", "trainer")


def kill(installation: "Installation", victim: str, chance: random.Random) -> bool:
    """SIGKILL one of its processes; False where there is none of that kind now."""
    if victim not in BELOW_CELERY:
        # One that was killed before may not have been started again yet.
        with suppress(AssertionError, psutil.NoSuchProcess):
            installation.kill(victim)
            return True
        return False
    with suppress(psutil.NoSuchProcess):
        found = installation.topmost("celery")
        for _ in range(BELOW_CELERY.index(victim)):
            found = [child for process in found for child in process.children()]
        if found:
            chance.choice(found).kill()
            return True
    return False


def outcome(installation: "Installation", study: str) -> dict[str, Any]:
    """What a study came to: its cells, and of every job its tickets and its trainings, as far as time has no part."""

    def got(path: str) -> Any:
        return installation.http.get(path).raise_for_status().json()

    cells = [
        {name: value for name, value in cell.items() if "seconds" not in name}
        for cell in got(f"/studies/{study}/table")["cells"]
    ]
    jobs = {}
    for row in got(f"/studies/{study}")["jobs"]:
        assert row["state"] == "succeeded", row
        runs = got(f"/jobs/{row['job']}/runs")["items"]
        trainings = [(run["weights_digest"], run["steps"], run["history"]) for run in runs]
        jobs[row["key"]] = (got(f"/jobs/{row['job']}")["outputs"]["tickets"], trainings)
    return {"cells": cells, "jobs": jobs}


@pytest.fixture
def pair(install: "MakeInstallation") -> Iterator["list[Installation]"]:
    """Two installations that know nothing of each other; with one thread a training is the same to the last bit."""
    # However often it is hit, no job may run out of attempts.
    chosen = {"THREADS": "1", "MAX_ATTEMPTS": "1000"}
    with ThreadPoolExecutor() as pool:
        alone = pool.submit(install, "alone", SLOTS="1", **chosen)
        disturbed = pool.submit(install, "disturbed", SLOTS="2", **chosen)
        yield [alone.result(), disturbed.result()]


@pytest.mark.nightly
class TestKills:
    def test_killing_workers_trainers_and_the_broker_at_random_changes_nothing_in_the_table(
        self, pair: "list[Installation]"
    ) -> None:
        disturbed = pair[1]
        studies = {each: each.http.post("/studies", json=STUDY).raise_for_status().json() for each in pair}
        count = len(studies[disturbed]["jobs"])
        assert count >= 40

        def ended(each: "Installation") -> int:
            study = each.http.get(f"/studies/{studies[each]['id']}").json()
            return count if study["finished_at"] else study["counts"].get("succeeded", 0)

        chance = random.Random(0)
        # Each when so many of its jobs have ended, and a moment later.
        for n, moment in enumerate(sorted(chance.uniform(0, count - 4) for _ in range(KILLS))):
            disturbed.wait_until(lambda: ended(disturbed) >= moment, 120, 0.2)  # noqa: B023
            time.sleep(chance.uniform(0, 0.3))
            disturbed.wait_until(lambda: kill(disturbed, VICTIMS[n % len(VICTIMS)], chance), 60, 0.01)  # noqa: B023
        for each in pair:
            each.wait_until(lambda: ended(each) == count, 120, 0.2)  # noqa: B023
        expected, found = (outcome(each, studies[each]["id"]) for each in pair)
        assert found == expected
        jobs = disturbed.http.get("/jobs?limit=200").json()["items"]
        assert len(jobs) == count
        attempts = sum(len(disturbed.job(job["id"])["attempts"]) for job in jobs)
        print(f"{KILLS} kills, {count} jobs, {attempts} attempts")
        assert attempts > count
