"""Hold one job: claim it, run a trainer for it, renew its lease, relay its reports, stop it on request."""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import OperationalError

from core.catalog import attempts
from core.catalog.artifacts import LocalStore
from core.catalog.attempts import Report, Saved
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.catalog.tables import Job
from core.jobs.outcome import Failure, Outcome
from core.jobs.states import State
from core.settings import Settings
from core.tickets import InvalidTicket, read
from workers.inputs import InputGone, request_for
from workers.zygote import Trainer, Zygote, ZygoteDied

log = logging.getLogger(__name__)


@dataclass
class Ending:
    """How a trainer ended: with an outcome, with a failure it reported, or with neither (it died)."""

    outcome: dict[str, Any] | None = None
    failure: Failure | None = None


class Supervisor:
    """One slot of a worker. `stopping` tells whether this worker is to give its job back."""

    def __init__(self, settings: Settings, worker: str, stopping: Callable[[], bool]) -> None:
        self._settings = settings
        self._worker = worker
        self._stopping = stopping
        self._database = Database(settings.database)
        self._store = LocalStore(settings.artifact_directory)
        self._zygote = Zygote(settings)
        self._zygote.warm()

    def run(self, job_id: str) -> None:
        """Do a job if it is still to be done. A hint for a job that is not queued is nothing."""
        # A lease runs from the claim on: nothing slow, such as importing torch, may come after it.
        self._zygote.wait()
        with self._database.write() as session:
            job = attempts.claim(session, job_id, self._worker, self._settings.lease_seconds)
        if job is None:
            return
        log.info("job %s: attempt %d", job.id, job.attempt)
        try:
            with self._database.read() as session:
                request = request_for(session, job, self._store, self._settings)
            trainer = self._zygote.start(request)
        except InputGone as error:
            self._fail(job, Failure("input_missing", str(error)))
        except ZygoteDied as error:
            self._lose(job, str(error))
        else:
            try:
                _Watch(
                    self._settings, self._database, job, trainer, self._stopping, self._conclude
                ).until_it_ends()
            finally:
                trainer.close()
        self._tidy(job.id)

    def _conclude(self, job: Job, ending: Ending, state: State | None) -> None:
        """Write down how the attempt ended. `state` is the job's as last seen; None: it is no longer ours."""
        how = self._zygote.status()
        if state is None:
            log.warning("job %s: attempt %d was superseded", job.id, job.attempt)
        elif ending.outcome is not None:
            self._succeed(job, Outcome.from_json(ending.outcome))
        elif ending.failure is not None:
            self._fail(job, ending.failure)
        elif state is State.CANCELLING:
            with self._database.write() as session:
                attempts.stopped(session, job.id, job.attempt)
        elif self._stopping():
            with self._database.write() as session:
                attempts.give_back(session, job.id, job.attempt)
        else:
            self._lose(job, f"the trainer {how}")

    def _succeed(self, job: Job, outcome: Outcome) -> None:
        try:
            files = [read(self._store.path(produced.digest)) for produced in outcome.tickets]
        except InvalidTicket as error:
            self._fail(
                job, Failure("invalid_ticket", f"the job produced a ticket that does not read back: {error}")
            )
            return
        with self._database.write() as session:
            attempts.succeed(session, job.id, job.attempt, outcome, files)

    def _fail(self, job: Job, failure: Failure) -> None:
        with self._database.write() as session:
            attempts.fail(session, job.id, job.attempt, failure)

    def _lose(self, job: Job, reason: str) -> None:
        with self._database.write() as session:
            current = session.get(Job, job.id)
            if current is not None and current.attempt == job.attempt:
                attempts.lose(session, current, reason)

    def _tidy(self, job_id: str) -> None:
        tidy_scratch(self._database, self._settings, job_id)


def tidy_scratch(database: Database, settings: Settings, job_id: str) -> None:
    """Remove a job's training states once it has ended; a job that will go on keeps them."""
    with database.write() as session:
        if attempts.forget_checkpoints(session, job_id):
            shutil.rmtree(settings.scratch_directory / job_id, ignore_errors=True)


class _Watch:
    """One attempt from its trainer's start to its end: reads reports, beats, escalates."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        job: Job,
        trainer: Trainer,
        stopping: Callable[[], bool],
        conclude: Callable[[Job, Ending, State | None], None],
    ) -> None:
        self._settings = settings
        self._database = database
        self._job = job
        self._trainer = trainer
        self._stopping = stopping
        self._conclude = conclude
        self._report = Report()
        self._ending = Ending()
        self._unread = b""
        self._state: State | None = State.RUNNING
        self._lease_ends = time.monotonic() + settings.lease_seconds
        self._kill_at: float | None = None

    def until_it_ends(self) -> None:
        """Watch until the report pipe ends, then conclude."""
        poll = select.poll()
        poll.register(self._trainer.report, select.POLLIN)
        next_beat = 0.0
        while True:
            wait = max(0.0, next_beat - time.monotonic())
            if poll.poll(wait * 1000) and not self._read():
                break
            if time.monotonic() >= next_beat:
                self._beat()
                self._escalate()
                next_beat = time.monotonic() + self._settings.heartbeat_seconds
        self._beat()
        self._conclude(self._job, self._ending, self._state)

    def _read(self) -> bool:
        """Take what the trainer wrote; False at the end of its pipe."""
        data = os.read(self._trainer.report, 1 << 20)
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return bool(data)

    def _take(self, message: dict[str, Any]) -> None:
        match message.pop("type"):
            case "progress":
                self._report.progress = message
            case "event":
                self._report.events.append(JobEvent(message["kind"], message["data"]))
            case "log":
                self._report.events.append(JobEvent("log", message))
            case "saved":
                self._report.checkpoints.append(Saved(**message))
            case "outcome":
                self._ending.outcome = message["outcome"]
            case "failure":
                self._ending.failure = Failure(**message)

    def _beat(self) -> None:
        """Renew the lease and hand in the report. While the database is away the lease is what remains."""
        if self._state is None:
            return
        try:
            with self._database.write() as session:
                self._state = attempts.heartbeat(
                    session, self._job.id, self._job.attempt, self._settings.lease_seconds, self._report
                )
        except OperationalError:
            log.exception("job %s: the database did not take a heartbeat", self._job.id)
            if time.monotonic() > self._lease_ends:
                self._state = None
            return
        self._report = Report()
        self._lease_ends = time.monotonic() + self._settings.lease_seconds

    def _escalate(self) -> None:
        """A trainer that must stop gets SIGTERM, then SIGKILL; one whose job is lost gets SIGKILL at once."""
        if self._state is None:
            self._trainer.signal(signal.SIGKILL)
        elif self._kill_at is not None:
            if time.monotonic() >= self._kill_at:
                self._trainer.signal(signal.SIGKILL)
        elif self._state is State.CANCELLING or self._stopping():
            self._trainer.signal(signal.SIGTERM)
            self._kill_at = time.monotonic() + self._settings.cancel_grace_seconds
