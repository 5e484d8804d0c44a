"""Two projects for the matrix: the first has something of everything, the second asks for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import select

from core.catalog import attempts, claims, jobs
from core.catalog.database import Database
from core.catalog.scope import OfJob, OfProject, OfStudy
from core.catalog.tables import Base
from core.jobs.outcome import Outcome

FIRST, SECOND = "first", "second"
TRAIN = {"dataset": "digits", "seeds": [0]}
FIND = {"architecture": "mlp_1", "dataset": "digits"}
STUDY = {"study": "elth_fc", "scale": "small", "seeds": [0]}
DEFINITION = {
    "name": "secret_net",
    "input": [1, 8, 8],
    "classes": 10,
    "prunable": ["*"],
    "stages": [{"name": "b", "pattern": "b.{unit}."}],
    "tensors": {"b.0.weight": [64, 64], "b.1.weight": [64, 64], "out.weight": [10, 64]},
}


@dataclass
class Things:
    """Ids of what a project has, by the names that routes' parameters have for them; `marks` are words of its own."""

    ids: dict[str, str]
    marks: list[str] = field(default_factory=list)

    def sub(self, text: str) -> str:
        """A text with each id as its name, so that answers about two projects' things can be compared."""
        for name, identity in self.ids.items():
            text = text.replace(identity, f"<{name}>").replace(identity[:12], f"<{name}>")
            text = text.replace(identity[:8], f"<{name}>")
        return text


NOWHERE = Things(
    {
        "ticket": "d1" * 32,
        "other": "d2" * 32,
        "job": "d3" * 16,
        "running": "d4" * 16,
        "queued": "d5" * 16,
        "trained": "d6" * 16,
        "failed": "d7" * 16,
        "study": "d8" * 16,
        "key": "d9" * 6,
        "upload": "da" * 16,
        "architecture": "nobodys_net",
    }
)
"""Ids of nothing: whatever is asked about the first project's things must be answered as about these."""


def populate(
    client: httpx.Client, database: Database, ticket: bytes, other: bytes, pickled: Outcome
) -> Things:
    """Give the first project a ticket and its child, jobs in every state, a study, a key, an architecture, events."""
    ours = database.of(FIRST)

    def post(path: str, **request: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.post(path, **request).raise_for_status().json()
        return found

    def claimed(job: str) -> int:
        with ours.write() as session:
            row = claims.claim(session, job, "secret-worker", 3600)
            assert row is not None
            report = attempts.Report([jobs.JobEvent("log", {"text": "secret log"})], device="secret-device")
            attempts.heartbeat(session, job, row.attempt, 3600, report)
            return row.attempt

    uploaded = post("/tickets?tag=hidden-tag", content=ticket)["id"]
    child = post("/tickets", content=other)["id"]
    found = post("/find", json=FIND, headers={"Idempotency-Key": "shared"})["id"]
    attempt = claimed(found)
    with ours.write() as session:
        assert attempts.succeed(session, found, attempt, Outcome(), [])
    trained = post("/train", json={"tickets": [uploaded], "dataset": "digits"})["id"]
    attempt = claimed(trained)
    with ours.write() as session:
        assert attempts.succeed(session, trained, attempt, pickled, [])
    failed = post("/train", json={"tickets": [uploaded]} | TRAIN)["id"]
    attempt = claimed(failed)
    with ours.write() as session:
        assert attempts.fail(session, failed, attempt, attempts.Failure("diverged", "secret failure"))
    running = post("/train", json={"tickets": [child]} | TRAIN)["id"]
    claimed(running)
    queued = post("/evaluate", json={"tickets": [uploaded], "dataset": "digits"})["id"]
    study = post("/studies", json=STUDY)["id"]
    post("/architectures", json=DEFINITION)
    key = post("/keys", json={"name": "secret key"})["id"]
    upload = post("/uploads", json={"size": 1, "sha256": "ab" * 32})["id"]
    ids = {
        "ticket": uploaded,
        "other": child,
        "job": found,
        "running": running,
        "queued": queued,
        "trained": trained,
        "failed": failed,
        "study": study,
        "key": key,
        "upload": upload,
        "architecture": DEFINITION["name"],
    }
    return Things(
        {name: str(identity) for name, identity in ids.items()},
        ["secret", "hidden-tag", *map(str, ids.values())],
    )


def everything(database: Database, project: str) -> str:
    """A digest of every row of a project."""
    told = hashlib.sha256()
    with database.of(project).read() as session:
        for mapper in sorted(Base.registry.mappers, key=lambda mapper: mapper.class_.__tablename__):
            table = mapper.class_
            if not issubclass(table, (OfProject, OfJob, OfStudy)):
                continue
            columns = [column for column in table.__table__.columns if column.key != "last_used_at"]
            rows = session.execute(select(*(getattr(table, column.key) for column in columns)))
            told.update(json.dumps([table.__tablename__, sorted(map(repr, rows))]).encode())
    return told.hexdigest()


def filled(path: str, ids: Mapping[str, str], others: Mapping[str, str]) -> str:
    """A route's path with its parameters filled in."""
    return path.format_map({**others, **ids})
