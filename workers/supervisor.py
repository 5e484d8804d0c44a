"""Hold one job: claim it, run a trainer for it, renew its lease, relay its reports, stop it on request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from mmap import mmap

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import logs, tracing
from core.catalog import attempts, placement, tickets
from core.catalog.artifacts import StoreAway
from core.catalog.attempts import ProducedFile, Report
from core.catalog.claims import Claimed
from core.catalog.database import UNREACHABLE, Database
from core.catalog.scratch import Scratch
from core.catalog.stores import store_of
from core.jobs.outcome import Failure, Outcome, ProducedTicket
from core.jobs.placement import Offer
from core.jobs.specs import NOOP
from core.jobs.states import State
from core.settings import Settings
from core.tickets import read, ticket_id
from workers.inputs import InputGone, request_for
from workers.outage import Outage
from workers.protocol import storable
from workers.watch import Ending, Watch
from workers.zygote import Zygote

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
IMPORT = "import"
ABANDONED_SECONDS = 3600.0
"""After this long a folder in scratch that no job claims belongs to a request that died."""


class Supervisor:
    """One slot of a worker. `stopping` tells whether this worker is to give its job back.

    `pool` is the worker's name, and `offer` what it has. `unmet` is a byte that its slots share: 1 where one of them
    was sent away although jobs were queued, so that whoever has ended a job looks for another by itself.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        stopping: Callable[[], bool],
        pool: str,
        offer: Offer,
        unmet: mmap,
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._stopping = stopping
        self._pool = pool
        self._offer = offer
        self._unmet = unmet
        self._database = Database(settings.database, retries=True).everywhere()
        self._store = store_of(settings)
        self._outage = Outage(log, "the database")
        self._zygote = Zygote(settings)
        self._zygote.warm()

    def work(self) -> None:
        """Do the jobs that are next here, one after the other, while there are any and all goes well."""
        while self._do_one() and not self._stopping():
            pass

    def _do_one(self) -> bool:
        """Do the next job, if there is one; whether to go on without a hint.

        After a job that did not succeed a slot of another worker may be the better one for the next, unless hints
        found no room here.
        """
        # A lease runs from the claim on: nothing slow, such as importing torch, may come after it.
        self._zygote.wait()
        begun = time.time()
        try:
            job = self._claim()
        except UNREACHABLE as error:
            # The job is queued still, or its lease runs out: either way another hint follows.
            self._outage.goes_on(error)
            return False
        self._outage.is_over()
        if job is None:
            return False
        ending = self._do(job, begun)
        # What is left lying is seen to by the dispatcher.
        with suppress(*UNREACHABLE, OSError):
            tidy_scratch(self._database, self._settings, job.id)
        return ending.outcome is not None or bool(self._unmet[0])

    def _do(self, job: Claimed, begun: float) -> Ending:
        """Do a job that was asked for at `begun` and is now held, and write down how that ended."""
        held: dict[str, str | int] = {"job": job.id, "attempt": job.attempt, "worker": self._worker}
        told = {f"elasticket.{name}": value for name, value in held.items()}
        claimed = time.time()
        with (
            logs.about(**held),
            tracing.span(f"attempt {job.kind}", told, parent=job.trace, kind="consumer", begun=begun) as span,
        ):
            tracing.record("claim", begun, claimed)
            log.info("job %s: attempt %d", job.id, job.attempt)
            ending = self._attend(job)
            with tracing.span("conclude"):
                self._conclude(job, ending)
            ended = self._word(ending)
            span.tell({"elasticket.ended": ended}, failed=ended in ("failed", "lost"))
        return ending

    def _word(self, ending: Ending) -> str:
        """How an attempt ended, for its span, which leaves the installation: errors and their text stay here."""
        if ending.outcome is not None:
            return "succeeded"
        if ending.failure is not None:
            return "failed"
        if ending.state is State.CANCELLING:
            return "cancelled"
        return "returned" if ending.gives_way is not None or self._stopping() else "lost"

    def _claim(self) -> Claimed | None:
        with self._database.write("claim") as session:
            lease = self._settings.lease_seconds
            job = placement.take(session, self._pool, self._offer, self._worker, lease)
            if job is None:
                self._unmet[0] = bool(placement.heads(session))
            return job

    def _attend(self, job: Claimed) -> Ending:
        """Run a trainer to its end. Whatever goes wrong here is the attempt's end, never the slot's."""
        if job.kind == NOOP:
            return Ending(outcome=Outcome().as_json())
        database = self._database.of(job.project)
        try:
            with tracing.span("start trainer"):
                with database.read() as session:
                    request = request_for(session, job, self._store, self._settings)
                trainer = self._zygote.start(request)
            try:
                ending = Watch(self._settings, database, job, trainer, self._stopping).until_it_ends()
            finally:
                trainer.close()
            ending.how = f"the trainer {self._zygote.collect()}"
        except InputGone as error:
            return Ending(failure=Failure("input_missing", str(error)))
        except Exception as error:
            log.exception("job %s: attempt %d", job.id, job.attempt)
            # Its answers may be out of step with our questions.
            self._zygote.close()
            return Ending(how=f"the supervisor failed: {error!r}")
        return ending

    def _conclude(self, job: Claimed, ending: Ending) -> None:
        """Write down how the attempt ended, as long as the lease lets us."""
        if ending.state is None:
            log.warning("job %s: attempt %d was superseded", job.id, job.attempt)
            return
        gives_up = time.monotonic() + self._settings.lease_seconds
        while True:
            try:
                verdict, write_down = self._verdict(job, ending)
                with self._database.of(job.project).write(verdict) as session:
                    write_down(session)
            except (*UNREACHABLE, StoreAway) as error:
                self._outage.goes_on(error)
                if time.monotonic() > gives_up:
                    return
                time.sleep(RETRY_SECONDS)
            except (SQLAlchemyError, OSError, LookupError, ValueError) as error:
                if ending.outcome is None:
                    raise
                # The same outcome would be refused by every later attempt.
                message = storable(f"the outcome was not accepted: {error}")
                ending = Ending(failure=Failure("error", message))
            else:
                self._outage.is_over()
                return

    @contextmanager
    def _holding(self, job: Claimed) -> Iterator[None]:
        """Renew the job's lease meanwhile: to look at files of gigabytes, and send them, takes longer than it lasts."""
        done, seconds = threading.Event(), self._settings.lease_seconds

        def beat() -> None:
            while not done.wait(seconds / 3):
                with suppress(*UNREACHABLE), self._database.of(job.project).write("heartbeat") as session:
                    attempts.heartbeat(session, job.id, job.attempt, seconds, Report())

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _verdict(self, job: Claimed, ending: Ending) -> tuple[str, Callable[[Session], object]]:
        """What is to be written, and its name; the files of an outcome are read before, with no transaction open."""
        held = (job.id, job.attempt)
        if ending.outcome is not None:
            outcome = Outcome.from_json(ending.outcome)
            files = self._files(job, outcome.tickets)
            tags = job.spec.get("tags", ())
            return "succeed", lambda session: attempts.succeed(session, *held, outcome, files, tags)
        if ending.failure is not None:
            failure = ending.failure
            return "fail", lambda session: attempts.fail(session, *held, failure)
        if ending.state is State.CANCELLING:
            return "stop", lambda session: attempts.stopped(session, *held)
        if ending.gives_way is not None:
            reason = ending.gives_way
            return "give_back", lambda session: attempts.give_back(session, *held, reason)
        if self._stopping():
            return "give_back", lambda session: attempts.give_back(session, *held)
        return "lose", lambda session: attempts.lose(session, *held, ending.how)

    def _files(self, job: Claimed, made: Sequence[ProducedTicket]) -> list[ProducedFile]:
        if not made:
            return []
        with self._holding(job):
            if job.kind == IMPORT:
                for ticket in made:
                    for digest in (ticket.digest, *ticket.weights.values()):
                        self._store.publish(digest)
            return [self._produced(job.project, ticket) for ticket in made]

    def _produced(self, project: str, ticket: ProducedTicket) -> ProducedFile:
        file = read(self._store.verified(ticket.digest))
        identity = ticket_id(file.ticket)
        with self._database.of(project).read() as session:
            known = tickets.get(session, identity)
        # What the job wrote is in the store already: where it is the file that was lost, it is lost no longer.
        lost = known.file_digest if known and not self._store.has_intact(known.file_digest) else None
        return ProducedFile(identity, ticket.digest, file, ticket.weights, lost)


def tidy_scratch(database: Database, settings: Settings, job_id: str) -> None:
    """Remove a job's training states, or the file it imported, once it has ended; a job that will go on keeps them.

    A file is laid down just before the job that is to import it is committed: a folder without a job may be young.
    """
    scratch = Scratch(settings)
    if not scratch.may_have(job_id):
        return
    with database.read() as session:
        ended = attempts.has_ended(session, job_id)
    if ended is None:
        ended = time.time() - scratch.written(job_id) > ABANDONED_SECONDS
    if not ended:
        return
    # While anything is there, this is done again.
    with database.write("tidy") as session:
        attempts.forget_checkpoints(session, job_id)
    scratch.remove(job_id)
