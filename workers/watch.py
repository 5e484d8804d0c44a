"""One attempt from its trainer's start to its end: read its reports, beat, escalate."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core import tracing
from core.catalog import attempts
from core.catalog.attempts import Report, Saved
from core.catalog.claims import Claimed
from core.catalog.database import UNREACHABLE, Database
from core.catalog.jobs import JobEvent
from core.catalog.scratch import Scratch
from core.jobs.outcome import Failure
from core.jobs.states import State
from core.settings import Settings
from workers.outage import Outage
from workers.usage import Usage
from workers.zygote import Trainer

log = logging.getLogger(__name__)
trainers = logging.getLogger("trainer")

READ_BYTES = 1 << 20
DEVICE_CHARACTERS = 255


@dataclass
class Ending:
    """How an attempt ended: with an outcome, with a failure the trainer reported, or with neither (it died).

    `state` is the job's as last seen; None: it is no longer this attempt's. `gives_way`: why it was to go back to the
    queue. `how` says the end in words.
    """

    outcome: dict[str, Any] | None = None
    failure: Failure | None = None
    state: State | None = State.RUNNING
    gives_way: str | None = None
    how: str = ""


class Watch:
    """A running trainer, seen by the supervisor that holds its pipes and its job's lease."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        job: Claimed,
        trainer: Trainer,
        stopping: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._database = database
        self._scratch = Scratch(settings).states(job.id)
        self._job = job
        self._trainer = trainer
        self._stopping = stopping
        self._sweeper = ThreadPoolExecutor(1)
        # Of those that train together on several machines, each uses all GPUs of its own.
        self._usage = Usage(trainer.pid, job.gpus if settings.nodes == 1 else None)
        self._report = Report()
        self._ending = Ending()
        self._unread = b""
        self._lease_ends = time.monotonic() + settings.lease_seconds
        self._kill_at: float | None = None
        self._outage = Outage(log, f"job {job.id}: the heartbeat")

    def until_it_ends(self) -> Ending:
        """Watch until the trainer's report pipe ends."""
        poll = select.poll()
        poll.register(self._trainer.report, select.POLLIN)
        # The claim has just said all that there is to say yet.
        next_beat = time.monotonic() + self._settings.heartbeat_seconds
        while True:
            wait = max(0.0, next_beat - time.monotonic())
            if poll.poll(wait * 1000) and not self._read():
                break
            if time.monotonic() >= next_beat:
                self._beat()
                self._escalate()
                next_beat = time.monotonic() + self._settings.heartbeat_seconds
        self._beat()
        self._sweeper.shutdown(wait=False)
        return self._ending

    def _read(self) -> bool:
        """Take what the trainer wrote; False at the end of its pipe."""
        data = os.read(self._trainer.report, READ_BYTES)
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            # What is none is empty, or all that a killed rank wrote of one.
            with suppress(json.JSONDecodeError):
                self._take(json.loads(line))
        return bool(data)

    def _take(self, message: dict[str, Any]) -> None:
        match message.pop("type"):
            case "progress":
                self._report.progress = message
            case "event":
                self._report.events.append(JobEvent(message["kind"], message["data"]))
            case "device":
                self._report.device = message["name"][:DEVICE_CHARACTERS]
            case "log":
                self._report.events.append(JobEvent("log", message))
                if self._settings.log == "json":
                    trainers.info("%s", message["text"])
            case "span":
                tracing.record(**message)
            case "saved":
                self._report.checkpoints.append(Saved(**message))
            case "outcome":
                self._ending.outcome = message["outcome"]
            case "failure":
                self._ending.failure = Failure(**message)

    def _beat(self) -> None:
        """Renew the lease and hand in the report. While the database is away the lease is what remains."""
        if self._ending.state is None:
            return
        self._report.usage = self._usage.look() or self._report.usage
        transaction = "checkpoint" if self._report.checkpoints else "heartbeat"
        try:
            with self._database.write(transaction) as session:
                beat = attempts.heartbeat(
                    session, self._job.id, self._job.attempt, self._settings.lease_seconds, self._report
                )
        except UNREACHABLE as error:
            self._outage.goes_on(error)
            if time.monotonic() > self._lease_ends:
                self._ending.state = None
            return
        self._outage.is_over()
        self._ending.state, self._ending.gives_way = beat.state, beat.gives_way
        self._report = Report()
        self._lease_ends = time.monotonic() + self._settings.lease_seconds
        for digest in beat.dropped:
            # By a thread: a store that does not answer must not cost the lease. What is left lying goes with the job.
            self._sweeper.submit(self._scratch.delete, digest)

    def _escalate(self) -> None:
        """A trainer that must stop gets SIGTERM, then SIGKILL; one whose job is lost gets SIGKILL at once.

        One whose job goes back to the queue is first asked to leave.
        """
        if self._ending.state is None:
            self._trainer.signal(signal.SIGKILL)
        elif self._kill_at is not None:
            if time.monotonic() >= self._kill_at:
                self._trainer.signal(signal.SIGKILL)
        elif self._ending.state is State.CANCELLING:
            self._trainer.signal(signal.SIGTERM)
            self._kill_at = time.monotonic() + self._settings.cancel_grace_seconds
        elif self._ending.gives_way is not None or self._stopping():
            self._trainer.ask_to_leave()
            self._kill_at = time.monotonic() + self._settings.save_grace_seconds
