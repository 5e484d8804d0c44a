"""Places where a process can be made to die at once, so that tests show what is left then to be enough.

`ELASTICKET_CRASH_AT` names a file. Whoever writes `NAME` or `NAME:N` into it kills the process that comes to that point
first, or as the N-th, by SIGKILL; the file is gone then, so that what is started again lives. Without the variable, as
always outside tests, a point costs one `if`.
"""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

TRANSACTIONS = {
    "submit": "a job and its outbox row",
    "cancel": "a job is cancelled, or asked to stop",
    "retry": "a new job with the spec of one that failed",
    "prioritise": "another place in the queue",
    "ticket": "an uploaded ticket",
    "import": "a file in another format: the job that imports it",
    "export": "the job that converts a ticket's file",
    "architecture": "a posted architecture",
    "key": "an API key",
    "revoke": "an API key is revoked",
    "study": "a study, and its first jobs",
    "extend": "more cells for a study",
    "cancel_study": "a study is cancelled",
    "resume": "what did not succeed of a study is asked for again",
    "archive": "a study of an archive, with its tickets",
    "advance": "the next jobs of a study, or its end",
    "announced": "published announcements leave the outbox",
    "expire": "attempts whose lease ran out are over",
    "repeat": "lost hints are announced again",
    "make_room": "jobs are asked to give way, and a worker's room is kept",
    "enrol": "a worker says that it is there, and what it offers",
    "leave": "a worker ends",
    "drain": "a worker is to take no more jobs, or to take them again",
    "claim": "a worker takes a job: the next fencing token and a lease",
    "heartbeat": "a lease is renewed, with progress and events",
    "checkpoint": "the same, with pointers to saved training states",
    "succeed": "everything a job produced, and its success",
    "fail": "a job's failure",
    "stop": "a job that was asked to stop has stopped",
    "give_back": "a job that is to leave its worker goes back to the queue",
    "lose": "a trainer died: its job goes back to the queue",
    "count": "what a project stores is counted",
    "delete": "a ticket, a job or a study is deleted",
    "retention": "what a project keeps no longer goes",
    "tidy": "an ended job's pointers to training states go",
}
"""Every write transaction of the product. Each dies before its commit (`NAME.commit`) and after (`NAME.committed`)."""

STORES = {"artifact": "tickets, weights and copies", "state": "training states in scratch"}
"""What is written, synced, renamed to its digest and made durable by a sync of its directory."""

OTHERS = {
    "hint.publish": "before a hint goes to the broker",
    "hint.published": "a hint is with the broker, and still in the outbox",
    "hint.acknowledge": "before Celery acknowledges a hint",
    "hint.acknowledged": "nobody remembers the hint",
    "hint.taken": "a slot was given a hint",
    "outcome.report": "a job's work is done, and its supervisor does not know",
    "outcome.reported": "the supervisor's pipe holds the outcome",
    "training.publish": "a shared training's record is stored, and nothing points to it",
    "training.published": "it is pointed to",
    "upload.move": "a received file before it goes to its job's scratch folder",
    "upload.moved": "it lies there, not yet synced",
    "upload.synced": "it is durable, and no row speaks of it",
    "answer": "before an answer's first byte",
    "answered": "after an answer's last byte",
}

POINTS = frozenset(
    [f"{name}.{moment}" for name in TRANSACTIONS for moment in ("commit", "committed")]
    + [f"{name}.{moment}" for name in STORES for moment in ("begun", "synced", "renamed", "published")]
    + list(OTHERS)
)
"""All names. A test kills a process of the real stack at each of them."""

_file = os.environ.get("ELASTICKET_CRASH_AT")


def crashpoint(name: str) -> None:
    """Die here, if this point is armed."""
    if _file:
        _pass(name, Path(_file))


def _pass(name: str, armed: Path) -> None:
    try:
        with armed.open("r+") as file:
            # Of several processes that are here at once one is the N-th.
            fcntl.flock(file, fcntl.LOCK_EX)
            point, _, passings = file.read().strip().partition(":")
            if point != name or not armed.exists():
                return
            left = int(passings or 1) - 1
            if left:
                file.seek(0)
                file.truncate()
                file.write(f"{point}:{left}")
                return
            armed.unlink()
    except FileNotFoundError:
        return
    # A process that opens a stranger's file may send no signal, not even to itself: it leaves all the same.
    with suppress(PermissionError):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)
