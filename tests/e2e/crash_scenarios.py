"""Requests that lead to the points at which a process can die, and what must come of them all the same."""

import signal
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from core.catalog import retention
from core.catalog.tables import Job, Project, Study
from tests.e2e.crashing import LEASE_SECONDS, RECIPE, Installation, foreign_file, ticket_file, wait_until

Scenario = Callable[[Installation, str], None]
ENDLESS = {"architecture": "mlp_3", "dataset": "digits", "recipe": {"length": "100000ep"}}
STUDY: dict[str, Any] = {
    "datasets": ["digits"],
    "sources": ["mlp_2_16"],
    "targets": ["mlp_3_16"],
    "levels": [1],
    "arms": [{"name": "ETT", "method": "ett"}],
    "recipe": {"length": "2ep", "momentum": 0.9, "lr": 0.05, "rewind": "3it"},
    "exact": True,
}


class occupied:  # noqa: N801 - reads as what it does
    """The one slot has another job meanwhile."""

    def __init__(self, service: Installation) -> None:
        self._service = service

    def __enter__(self) -> None:
        self._job = self._service.post("/train", json=ENDLESS)
        self._service.running(self._job)

    def __exit__(self, *_: object) -> None:
        self._service.ask("POST", f"/jobs/{self._job}/cancel")
        assert self._service.ended(self._job)["state"] == "cancelled"


def finished(service: Installation, study_id: str) -> dict[str, list[str]]:
    """What a study's jobs came to, by key, once it is over: each was done once."""

    def over() -> object:
        with service.database.read() as session:
            return session.get_one(Study, study_id).finished_at

    wait_until(over, f"the end of study {study_id}")
    rows = service.ask("GET", f"/studies/{study_id}").json()["jobs"]
    assert len({row["job"] for row in rows}) == len(rows)
    return {row["key"]: service.trained(row["job"]) for row in rows}


def a_find(service: Installation) -> dict[str, Any]:
    return {
        "architecture": "mlp_1",
        "dataset": "digits",
        "parameters": {"level": 1},
        "recipe": RECIPE,
        "exact": True,
        "seeds": [service.number()],
    }


def find(service: Installation, point: str) -> None:
    """A ticket is found: the same, and the same weights, as without the crash."""
    body = a_find(service)
    service.arm(point)
    made = service.trained(service.post("/find", json=body))
    service.died()
    service.settle()
    service.forget()
    assert service.trained(service.post("/find", json=body)) == made


def upload(service: Installation, point: str) -> None:
    content = ticket_file(service.number())
    service.arm(point)
    made = service.post("/tickets", content=content)
    service.died()
    assert service.ask("GET", f"/tickets/{made}/file").content == content
    assert service.post("/tickets", content=content) == made


def convert(service: Installation, point: str) -> None:
    """A file in another format is imported."""
    content = foreign_file(service.number())
    service.arm(point)
    made = service.trained(service.post("/tickets", content=content))
    service.died()
    assert service.trained(service.post("/tickets", content=content)) == made


def refused(service: Installation, point: str) -> None:
    """A file that cannot be imported."""
    service.arm(point)
    job = service.ended(service.post("/tickets", content=foreign_file(service.number(), broken=True)))
    service.died()
    assert (job["state"], job["error"]["reason"]) == ("failed", "unreadable_file")


def export(service: Installation, point: str) -> None:
    ticket = service.post("/tickets", content=ticket_file(service.number()))
    service.arm(point)
    copy = service.ask("GET", f"/tickets/{ticket}/file?format=safetensors")
    service.died()
    assert copy.status_code == 200
    assert b"fc.weight_mask" in copy.content


def architecture(service: Installation, point: str) -> None:
    name = f"chain{service.number()}"
    service.arm(point)
    body = {
        "name": name,
        "input": [1, 28, 28],
        "classes": 9,
        "prunable": ["*.weight"],
        "stages": [{"name": "b", "pattern": "b.{unit}."}],
        "tensors": {**{f"b.{i}.weight": [4, 4] for i in range(3)}, "a.weight": [9, 4]},
    }
    assert service.ask("POST", "/architectures", json=body).json()["name"] == f"{name}:3"
    service.died()
    assert service.ask("GET", f"/architectures/{name}:3").json()["family"] == name


def key(service: Installation, point: str) -> None:
    """An API key is made once; whoever did not hear of it makes another."""
    name = f"key {service.number()}"
    service.arm(point)
    made = service.ask("POST", "/keys", json={"name": name, "scope": "read"}).json()["id"]
    service.died()
    listed = service.ask("GET", "/keys").json()["items"]
    assert [row["id"] for row in listed if row["name"] == name] == [made]


def revoke(service: Installation, point: str) -> None:
    """A key that was revoked stays so."""
    made = service.ask("POST", "/keys", json={"name": "brief", "scope": "read"}).json()["id"]
    service.arm(point)
    service.ask("DELETE", f"/keys/{made}")
    service.died()
    listed = service.ask("GET", "/keys").json()["items"]
    assert next(row for row in listed if row["id"] == made)["revoked_at"]


def delete(service: Installation, point: str) -> None:
    """What was deleted stays so."""
    made = service.post("/tickets", content=ticket_file(service.number()))
    service.arm(point)
    service.ask("DELETE", f"/tickets/{made}")
    service.died()
    assert service.http.get(f"/tickets/{made}").status_code == 410


def retire(service: Installation, point: str) -> None:
    """A dispatcher that begins drops a log by age, and dies at it; the next one has it done."""
    job = service.post("/find", json=a_find(service))
    service.trained(job)
    rule(service, logs=0)
    service.arm(point)
    service.kill("dispatcher")
    service.died()
    wait_until(lambda: service.row(job).log_dropped_at, "the end of its log")
    rule(service, logs=None)


def rule(service: Installation, **days: float | None) -> None:
    with service.database.write() as session:
        for what, some in days.items():
            retention.keep(session, what, some)


def count(service: Installation, point: str) -> None:
    """One that begins counts what a project with a quota stores."""

    def limit(most: int | None) -> None:
        with service.database.write() as session:
            session.execute(update(Project).values(most_bytes=most, stored_bytes=0))

    def counted() -> int:
        with service.database.read() as session:
            return session.scalars(select(Project.stored_bytes)).one()

    service.post("/tickets", content=ticket_file(service.number()))
    limit(1 << 40)
    service.arm(point)
    service.kill("dispatcher")
    service.died()
    wait_until(counted, "the count")
    limit(None)


def cancel(service: Installation, point: str) -> None:
    """A job that runs is cancelled."""
    job = service.post("/train", json=ENDLESS)
    service.running(job)
    service.arm(point)
    service.ask("POST", f"/jobs/{job}/cancel")
    service.died()
    assert service.ended(job)["state"] == "cancelled"


def retry(service: Installation, point: str) -> None:
    """One that was cancelled is retried: once."""
    body = a_find(service)
    with occupied(service):
        job = service.post("/find", json=body)
        service.ask("POST", f"/jobs/{job}/cancel")
        service.arm(point)
        again = service.post(f"/jobs/{job}/retry")
        service.died()
    made = service.trained(again)
    with service.database.read() as session:
        assert session.scalars(select(Job.id).where(Job.retry_of == job)).all() == [again]
    service.forget()
    assert service.trained(service.post("/find", json=body)) == made


def prioritise(service: Installation, point: str) -> None:
    with occupied(service):
        job = service.post("/find", json=a_find(service))
        service.arm(point)
        service.ask("PATCH", f"/jobs/{job}", json={"priority": 7})
        service.died()
        assert service.job(job)["priority"] == 7
    service.trained(job)


def give_back(service: Installation, point: str) -> None:
    """A worker is shut down in the middle of a job."""
    body = a_find(service) | {"recipe": RECIPE | {"length": "60ep"}}
    job = service.post("/find", json=body)
    service.running(job)
    service.arm(point)
    service.kill("worker", signal.SIGTERM)
    service.died()
    made = service.trained(job)
    service.forget()
    assert service.trained(service.post("/find", json=body)) == made


def make_room(service: Installation, point: str) -> None:
    """The dispatcher dies as it asks a job to give way to one of higher priority."""
    low = service.post("/train", json=ENDLESS)
    service.running(low)
    urgent = service.post("/find?priority=50", json=a_find(service))
    service.arm(point)
    service.died()
    service.trained(urgent)
    assert service.row(low).gave_way == 1
    service.ask("POST", f"/jobs/{low}/cancel")
    assert service.ended(low)["state"] == "cancelled"


def enrol(service: Installation, point: str) -> None:
    """A worker dies as it says that it is there, and is started again."""
    service.arm(point)
    service.kill("worker")
    service.died()
    service.trained(service.post("/find", json=a_find(service)))


def leave(service: Installation, point: str) -> None:
    """A worker that is shut down dies as it says so."""
    service.pool()
    service.arm(point)
    service.kill("worker", signal.SIGTERM)
    service.died()
    service.trained(service.post("/find", json=a_find(service)))


def drain(service: Installation, point: str) -> None:
    pool = service.pool()
    service.arm(point)
    service.ask("PATCH", f"/fleet/pools/{pool}", json={"drained": True})
    service.died()
    assert service.ask("PATCH", f"/fleet/pools/{pool}", json={"drained": False}).json()["name"] == pool
    service.trained(service.post("/find", json=a_find(service)))


def lose(service: Installation, point: str) -> None:
    """A trainer dies, and so does its supervisor when it is to say so."""
    job = service.post("/train", json=ENDLESS)
    service.running(job)
    service.arm(point)
    service.kill("trainer")
    service.died()
    wait_until(lambda: service.row(job).attempt > 1, "another attempt")
    service.ask("POST", f"/jobs/{job}/cancel")
    assert service.ended(job)["state"] == "cancelled"


def expire(service: Installation, point: str) -> None:
    """The dispatcher dies when it ends the attempt of a slot that has died."""
    job = service.post("/train", json=ENDLESS)
    service.running(job)
    with service.stopped("dispatcher"):
        service.kill("slot")
        time.sleep(LEASE_SECONDS + 0.1)
        service.arm(point)
    service.died()
    wait_until(lambda: service.row(job).attempt > 1, "another attempt")
    service.ask("POST", f"/jobs/{job}/cancel")
    assert service.ended(job)["state"] == "cancelled"


def repeat(service: Installation, point: str) -> None:
    """The dispatcher dies when it announces again what the broker has lost."""
    with occupied(service):
        job = service.post("/find", json=a_find(service))
        wait_until(lambda: service.row(job).hinted_at, "the hint")
        with service.stopped("dispatcher"):
            broker = service.pid("valkey")
            service.kill("valkey")
            wait_until(lambda: service.pid("valkey") != broker, "another broker")
            time.sleep(1)
            service.arm(point)
        service.died()
    service.trained(job)


def study(service: Installation, point: str) -> None:
    """A study finds, stretches and trains: once each, and as without the crash."""
    body = STUDY | {"seeds": [service.number()]}
    service.arm(point)
    made = finished(service, service.post("/studies", json=body))
    service.died()
    service.settle()
    service.forget()
    assert finished(service, service.post("/studies", json=body)) == made


def extend(service: Installation, point: str) -> None:
    body = STUDY | {"seeds": [service.number()]}
    more = service.number()
    made = service.post("/studies", json=body)
    finished(service, made)
    service.arm(point)
    service.ask("POST", f"/studies/{made}/extend", json={"seeds": [more]})
    service.died()
    longer = finished(service, made)
    service.forget()
    alone = service.post("/studies", json=body | {"seeds": [*body["seeds"], more]})
    assert finished(service, alone) == longer


def cancel_study(service: Installation, point: str) -> None:
    with occupied(service):
        made = service.post("/studies", json=STUDY | {"seeds": [service.number()]})
        service.arm(point)
        service.ask("POST", f"/studies/{made}/cancel")
        service.died()
        wait_until(lambda: service.ask("GET", f"/studies/{made}").json()["finished_at"], "its end")
    assert set(service.ask("GET", f"/studies/{made}").json()["counts"]) <= {"cancelled", "blocked"}


def resume(service: Installation, point: str) -> None:
    body = STUDY | {"seeds": [service.number()]}
    with occupied(service):
        made = service.post("/studies", json=body)
        service.ask("POST", f"/studies/{made}/cancel")
        service.arm(point)
        service.ask("POST", f"/studies/{made}/resume")
        service.died()
    resumed = finished(service, made)
    service.forget()
    assert finished(service, service.post("/studies", json=body)) == resumed


def archive(service: Installation, point: str) -> None:
    made = service.post("/studies", json=STUDY | {"seeds": [service.number()]})
    expected = finished(service, made)
    content = service.ask("GET", f"/studies/{made}/archive").content
    service.forget()
    service.arm(point)
    again = service.post("/studies/import", content=content)
    service.died()
    assert finished(service, again) == expected


def both(*names: str) -> list[str]:
    return [f"{name}.{moment}" for name in names for moment in ("commit", "committed")]


def stored(name: str) -> list[str]:
    return [f"{name}.{moment}" for moment in ("begun", "synced", "renamed", "published")]


SCENARIOS: dict[Scenario, list[str]] = {
    find: [
        *both("submit", "claim", "heartbeat", "checkpoint", "succeed", "tidy", "announced"),
        *stored("artifact"),
        *stored("state"),
        *("hint.publish", "hint.published", "hint.acknowledge", "hint.acknowledged", "hint.taken"),
        *("outcome.report", "outcome.reported", "training.publish", "training.published"),
        *("answer", "answered"),
        # The second, or a later one: the ticket's file, the last state.
        *("artifact.renamed:2", "artifact.published:4", "checkpoint.committed:2", "heartbeat.committed:2"),
    ],
    upload: [*both("ticket"), *stored("artifact"), "answer", "answered"],
    convert: [*both("import"), "upload.move", "upload.moved", "upload.synced", *stored("artifact")],
    refused: both("fail"),
    export: both("export"),
    architecture: both("architecture"),
    key: both("key"),
    revoke: both("revoke"),
    delete: both("delete"),
    retire: both("retention"),
    count: both("count"),
    cancel: both("cancel", "stop"),
    retry: both("retry"),
    prioritise: both("prioritise"),
    give_back: both("give_back"),
    make_room: both("make_room"),
    enrol: both("enrol"),
    leave: both("leave"),
    drain: both("drain"),
    lose: both("lose"),
    expire: both("expire"),
    repeat: both("repeat"),
    study: both("study", "advance"),
    extend: both("extend"),
    cancel_study: both("cancel_study"),
    resume: both("resume"),
    archive: both("archive"),
}
