"""Kills at random while jobs are asked for, then looks what was lost: python -m bench.soak --minutes 20 --jobs 300

Runs `elasticket up` in a new home and sends it small exact jobs, some of them twice under one `Idempotency-Key`, all of
them again until they are answered; some are cancelled. Meanwhile its processes are killed by SIGKILL at random
moments: API, dispatcher, Celery, slots, zygotes, trainers, broker, or all at once. Before that every request was
made once in peace: what it came to then is what it must come to. Prints a Markdown table; exit status 1 where
anything was lost, done twice, or came to something else.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.soak_target import VICTIMS, Target
from core.catalog import history
from core.catalog.artifacts import LocalStore
from core.catalog.database import Database

RECIPE = {"momentum": 0.9, "lr": 0.02, "rewind": "3it"}
PATIENCE = 600.0
"""Seconds for a request to be answered, and for the last job to end after the last kill."""

VICTIM_SECONDS = 10.0
"""A trainer lives for a second or two, and is waited for."""


def _find(seed: int, level: int) -> dict[str, Any]:
    return {
        "architecture": "mlp_2",
        "dataset": "digits",
        "parameters": {"level": level},
        "recipe": RECIPE | {"length": "10ep"},
        "seeds": [seed],
        "exact": True,
    }


def _train(seed: int) -> dict[str, Any]:
    return {
        "architecture": "mlp_3",
        "dataset": "digits",
        "recipe": RECIPE | {"length": "20ep"},
        "seeds": [seed],
        "exact": True,
    }


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"find {seed}, level {level}": ("/find", _find(seed, level)) for seed in (0, 1, 2) for level in (1, 2)
    },
    **{f"train {seed}": ("/train", _train(seed)) for seed in (0, 1, 2)},
}
STRETCH = "stretch"


@dataclass
class Sent:
    """One request: what was asked, the jobs it was answered with, and whether they were to be cancelled."""

    asked: str
    jobs: set[str]
    cancelled: bool = False


@dataclass
class Tally:
    """What happened."""

    sent: list[Sent] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    unanswered: int = 0
    errors: int = 0


class Users:
    """Ask for jobs, patiently."""

    def __init__(self, url: str, chance: random.Random, tally: Tally) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._chance = chance
        self._tally = tally
        self._expected: dict[str, list[str]] = {}
        self._asked = dict(ASKED)

    def rehearse(self) -> None:
        """Ask for everything once, undisturbed."""
        for name, (path, body) in ASKED.items():
            self._expected[name] = self.outcome(self._post(path, body)["id"])
        ticket = self._expected["find 0, level 1"][0]
        self._asked[STRETCH] = ("/transform", {"tickets": [ticket], "architecture": "mlp_4"})
        self._expected[STRETCH] = self.outcome(self._post(*self._asked[STRETCH])["id"])

    def send(self) -> None:
        """Ask for one job, perhaps twice, and perhaps cancel it."""
        name = self._chance.choice(list(self._asked))
        path, body = self._asked[name]
        key = os.urandom(16).hex()
        sent = Sent(name, {self._post(path, body, key)["id"]})
        if self._chance.random() < 0.3:
            self._tally.repeated += 1
            sent.jobs.add(self._post(path, body, key)["id"])
        if self._chance.random() < 0.1:
            sent.cancelled = True
            for job in sent.jobs:
                self._cancel(job)
        self._tally.sent.append(sent)

    def ended(self, job_id: str) -> dict[str, Any]:
        """A job, once it is over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            job: dict[str, Any] = self._answer("GET", f"/jobs/{job_id}").json()
            if job["finished_at"]:
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is {job['state']} after {PATIENCE:g} s")
            time.sleep(0.2)

    def outcome(self, job_id: str) -> list[str]:
        """What a job made, bit for bit: its tickets and its weights."""
        outputs = self.ended(job_id)["outputs"]
        return [*outputs["tickets"], *(run["weights_digest"] for run in outputs["runs"])]

    def wrong(self, sent: Sent) -> bool:
        """Whether a request came to something else than in peace."""
        for job_id in sent.jobs:
            state = self.ended(job_id)["state"]
            if state != "succeeded" and not (sent.cancelled and state == "cancelled"):
                return True
            if state == "succeeded" and self.outcome(job_id) != self._expected[sent.asked]:
                return True
        return False

    def _cancel(self, job_id: str) -> None:
        answer = self._answer("POST", f"/jobs/{job_id}/cancel", key=os.urandom(16).hex())
        # It may have ended before.
        if answer.status_code not in (202, 409):
            answer.raise_for_status()

    def _post(self, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        answer = self._answer("POST", path, key=key or os.urandom(16).hex(), json=body | {"fresh": True})
        answer.raise_for_status()
        made: dict[str, Any] = answer.json()
        return made

    def _answer(self, method: str, path: str, *, key: str = "", **request: Any) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE
        headers = {"Idempotency-Key": key} if key else {}
        while True:
            try:
                answer = self._http.request(method, path, headers=headers, **request)
                if answer.status_code < 500:
                    return answer
                self._tally.errors += 1
            except httpx.TransportError:
                self._tally.unanswered += 1
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path} is not answered")
            time.sleep(0.2)


def soak(
    target: Target, minutes: float, count: int, every: float, chance: random.Random
) -> tuple[Users, Tally]:
    """Send so many jobs, evenly over the minutes, while something is killed every so many seconds on average."""
    tally = Tally()
    users = Users(target.url, random.Random(chance.random()), tally)
    users.rehearse()
    over = threading.Event()
    names, weights = list(VICTIMS), list(VICTIMS.values())

    def kill() -> None:
        while not over.wait(chance.expovariate(1 / every)):
            (victim,) = chance.choices(names, weights)
            gives_up = time.monotonic() + VICTIM_SECONDS
            while not (hit := target.kill(victim, chance)) and time.monotonic() < gives_up:
                time.sleep(0.02)
            tally.kills[victim] += hit

    killer = threading.Thread(target=kill)
    killer.start()
    began = time.monotonic()
    try:
        for n in range(count):
            time.sleep(max(0.0, began + 60 * minutes * n / count - time.monotonic()))
            users.send()
        time.sleep(max(0.0, began + 60 * minutes - time.monotonic()))
    finally:
        over.set()
        killer.join()
    return users, tally


def report(target: Target, users: Users, tally: Tally) -> tuple[str, bool]:
    """What came of it as a Markdown table, and whether it is all well."""
    wrong = [sent for sent in tally.sent if users.wrong(sent)]
    double = [sent for sent in tally.sent if len(sent.jobs) > 1]
    job_ids = [job for sent in tally.sent for job in sent.jobs]
    attempts = [len(users.ended(job)["attempts"]) for job in job_ids]
    time.sleep(3)
    database = Database(target.settings.database)
    with database.read() as session:
        lost = list(history.acknowledged(session, job_ids))
        broken = [
            *history.violations(session, LocalStore(target.settings.artifact_directory)),
            *history.unsettled(session),
        ]
    database.close()
    results = [each for each in broken if each.promise == "a job has at most one accepted result"]
    digests = [each for each in broken if each.promise == "every artifact is there, with its digest"]
    rows = {
        "database": database.engine.dialect.name,
        "jobs acknowledged": len(job_ids),
        "of them asked to be cancelled": sum(sent.cancelled for sent in tally.sent),
        "requests sent twice under one key": tally.repeated,
        "requests without an answer, sent again": tally.unanswered,
        "answers 5xx, sent again": tally.errors,
        "kills": sum(tally.kills.values()),
        **{f"of them: {name}": tally.kills[name] for name in VICTIMS},
        "attempts": sum(attempts),
        "**lost**": len(lost),
        "**double**: two jobs for one key, two results for one job": len(double) + len(results),
        "**wrong digest**: another outcome than in peace, an artifact damaged or missing": len(wrong)
        + len(digests),
        "other broken promises": len(broken) - len(results) - len(digests),
    }
    lines = ["| | |", "| :-- | --: |", *(f"| {name} | {value} |" for name, value in rows.items())]
    found = [*lost, *broken, *wrong, *double]
    return "\n".join([*lines, *(f"\n    {each}" for each in found)]), not found


def main() -> None:
    """Soak an installation of its own, and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills, on average")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL database; default: SQLite")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="elasticket-soak-"))
    print(f"home: {home}; it stays where something is wrong", file=sys.stderr)
    with Target(home, given.database_url, given.slots) as target:
        users, tally = soak(target, given.minutes, given.jobs, given.every, random.Random(given.seed))
        text, well = report(target, users, tally)
    if well:
        shutil.rmtree(home)
    print(text)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
