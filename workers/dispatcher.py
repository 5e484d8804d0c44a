"""The outbox relay and the reconciler. Any number may run; each step is safe to repeat."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from types import FrameType
from typing import Any

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from core import logs, tracing
from core.catalog import dispatch, pools, quotas, retention, studies
from core.catalog.bell import Bell
from core.catalog.collecting import collect
from core.catalog.database import UNREACHABLE, Database
from core.catalog.dispatch import MOST_HINTS, Announcement
from core.catalog.preemption import make_room
from core.catalog.quotas import Sizes
from core.catalog.scratch import Scratch
from core.catalog.stores import store_of
from core.crashpoints import crashpoint
from core.jobs.placement import Need
from core.settings import Settings, settings
from workers.app import app
from workers.outage import Outage
from workers.supervisor import tidy_scratch
from workers.tasks import run_job
from workers.zygote import YIELDING

log = logging.getLogger(__name__)

COUNT_SECONDS = 60.0
SWEEP_SECONDS = 3600.0
ABANDONED_SECONDS = 86400.0
RETRY_SECONDS = 1.0
GATHER_SECONDS = 0.02
"""Between hints, however often the bell rings."""
SETTLE_SECONDS = 0.05
"""From a hint to the end of the claim that follows it, where a slot is free."""


class Dispatcher:
    """Announces queued jobs, and returns to the queue what dead workers and a lost broker left behind."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._database = Database(chosen.database, retries=True).everywhere()
        self._sizes = Sizes(store_of(chosen))
        self._slow = {self.count: COUNT_SECONDS, self.sweep: SWEEP_SECONDS}
        self._beside: dict[str, threading.Thread] = {}
        self._bell = Bell(self._database)
        self._sent: dict[int, float] = {}
        self._told: list[Announcement] = []
        self._hints: dict[str, int] = {}
        self._published_at = 0.0
        self._pulses: dict[str, studies.Pulse] = {}
        self._outages: dict[str, Outage] = {}
        self._not_before: dict[str, float] = {}

    def relay(self) -> None:
        """Publish what is new in the outbox, and strike out what was published a moment ago.

        A job that was taken meanwhile needs no hint: a slot that has done a job takes the next without one. So does a
        job whose queue in the broker is long: every slot that could do it is busy.
        """
        with self._database.read() as session:
            rows = dispatch.outbox(session)
        self._sent = {row.id: self._sent[row.id] for row in rows if row.id in self._sent}
        new = [row for row in rows if row.queued and row.id not in self._sent]
        if new:
            self._publish(new)
        settled = time.monotonic() - SETTLE_SECONDS
        done = [row for row in rows if not row.queued or self._sent.get(row.id, settled) < settled]
        if done:
            with self._database.write("announced") as session:
                dispatch.announced(session, done)

    def answer(self) -> None:
        """Publish what the bell told of. What cannot be published now is found in the outbox."""
        told, self._told = self._told, []
        if new := [row for row in told if row.id not in self._sent]:
            self._publish(new)

    def _publish(self, rows: Sequence[Announcement]) -> None:
        self._published_at = time.monotonic()
        traces = self._traces(rows) if tracing.sending() else {}
        with app.producer_pool.acquire(block=True) as producer:
            self._count_full(producer.channel.client, {Need.parse(row.need).queue for row in rows})
            for row in rows:
                queue = Need.parse(row.need).queue
                if self._hints[queue] < MOST_HINTS:
                    told = {"elasticket.job": row.job_id, "elasticket.need": row.need}
                    with tracing.span("publish", told, parent=traces.get(row.job_id), kind="producer"):
                        crashpoint("hint.publish")
                        run_job.apply_async((row.job_id,), queue=queue, producer=producer, retry=False)
                        crashpoint("hint.published")
                    self._hints[queue] += 1
                self._sent[row.id] = time.monotonic()

    def _count_full(self, broker: Any, queues: Collection[str]) -> None:
        """Look how many hints lie in those queues that may be full by what was sent since the last look."""
        for queue in queues:
            if self._hints.get(queue, MOST_HINTS) >= MOST_HINTS:
                self._hints[queue] = int(broker.llen(queue))

    def _traces(self, rows: Sequence[Announcement]) -> dict[str, str | None]:
        with self._database.read() as session:
            return dispatch.traces(session, rows)

    def reconcile(self) -> None:
        """End expired leases, make room, repeat hints that the broker lost, remove what ended jobs left in scratch."""
        with self._database.write("expire") as session:
            for job_id, state in dispatch.end_expired_leases(session):
                with logs.about(job=job_id):
                    log.warning("job %s: its lease ran out; now %s", job_id, state)
            pools.forget(session)
        with self._database.write("make_room") as session:
            asked = make_room(session, self._settings.reconcile_seconds, self._settings.patience_seconds)
        for job_id in asked:
            with logs.about(job=job_id):
                log.info("job %s is asked to give way", job_id)
        with self._database.read() as session:
            needs = dispatch.queued_needs(session)
        if unheard := self._unheard(needs):
            with self._database.write("repeat") as session:
                lost = dispatch.repeat_lost_hints(session, 2 * self._settings.reconcile_seconds, unheard)
            if lost:
                log.info("repeated %d hints", lost)
        for job_id in Scratch(self._settings).here():
            tidy_scratch(self._database, self._settings, job_id)

    def advance(self) -> None:
        """Ask for the jobs of studies whose tickets are there: of those in which a job ended since the last look."""
        with self._database.read() as session:
            pulses = studies.pulses(session)
            looks = {
                study_id: studies.outlook(session, study_id)
                for study_id, pulse in pulses.items()
                if self._pulses.get(study_id) != pulse
            }
        for study_id, look in looks.items():
            if look.ready or look.over:
                pulse = pulses[study_id]
                with (
                    tracing.span("advance", {"elasticket.study": study_id}, parent=pulse.trace),
                    self._database.of(pulse.project).write("advance") as session,
                ):
                    studies.advance(session, study_id, self._settings.max_attempts)
        self._pulses = pulses

    def _unheard(self, needs: Collection[str]) -> set[str]:
        """Those of which the broker holds no hint."""
        queues = {need: Need.parse(need).queue for need in needs}
        with app.connection_for_read() as connection:
            broker = connection.default_channel.client
            empty = {queue for queue in set(queues.values()) if not broker.llen(queue)}
        return {need for need, queue in queues.items() if queue in empty}

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. A database or broker that is away is tried again."""
        due = dict.fromkeys((self.advance, self.relay, self.reconcile, *self._slow), 0.0)
        while not stop.is_set():
            heard = self._bell.wait(self._settings.relay_seconds)
            self._told += [Announcement.told(each) for each in heard if each]
            self._try(self.answer)
            if "" in heard:
                # Of many that come at once the first is not kept waiting, and the others are looked at together.
                due[self.relay] = self._published_at + GATHER_SECONDS
                stop.wait(max(0.0, due[self.relay] - time.monotonic()))
            for step in due:
                if due[step] <= time.monotonic():
                    (self._begin if step in self._slow else self._try)(step)
                    due[step] = time.monotonic() + self._every(step)
        self._bell.close()

    def _every(self, step: Callable[[], None]) -> float:
        """Seconds between two beginnings. Who does not lead looks only whether the leader has been at it."""
        if step in self._slow:
            return self._slow[step]
        often = self._bell.leads and step != self.reconcile
        return self._settings.relay_seconds if often else self._settings.reconcile_seconds

    def _begin(self, step: Callable[[], None]) -> None:
        """Do a step beside the others, unless it still is: to ask a store may take minutes, and jobs wait."""
        before = self._beside.get(step.__name__)
        if before is None or not before.is_alive():
            self._beside[step.__name__] = threading.Thread(target=self._aside, args=(step,), daemon=True)
            self._beside[step.__name__].start()

    def _aside(self, step: Callable[[], None]) -> None:
        # Nobody waits for it, and to sample a million rows takes seconds that requests want. Only on Linux has a thread
        # a priority of its own.
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), YIELDING)
        self._try(step)

    def count(self) -> None:
        """Count what projects store that may not store everything."""
        quotas.count(self._database, self._sizes)

    def sweep(self) -> None:
        """Remove what is kept no longer, what was never finished and what nothing names; have rows counted."""
        self._database.optimize()
        for project, what, count in retention.apply(self._database):
            log.info("project %s keeps no longer: %d of its %s", project, count, what)
        store, grace = store_of(self._settings), self._settings.collect_after_seconds
        store.sweep(ABANDONED_SECONDS)
        for job_id in Scratch(self._settings).everywhere():
            tidy_scratch(self._database, self._settings, job_id)
        if grace is not None:
            removed = collect(self._database, store, grace)
            if removed.artifacts:
                log.info(
                    "removed %d artifacts that nothing named: %d bytes", removed.artifacts, removed.bytes
                )

    def _try(self, step: Callable[[], object]) -> None:
        """Do a step; one that has just failed is left alone for a second."""
        name = step.__name__
        if time.monotonic() < self._not_before.get(name, 0.0):
            return
        outage = self._outages.setdefault(name, Outage(log, name))
        try:
            step()
        except (*UNREACHABLE, BrokerError, RedisError, OSError) as error:
            outage.goes_on(error)
            self._not_before[name] = time.monotonic() + RETRY_SECONDS
        else:
            outage.is_over()


def main() -> None:
    """Run a dispatcher until SIGTERM or SIGINT."""
    logs.configure("dispatcher", settings().log)
    tracing.start("dispatcher")
    stop = threading.Event()

    def finish(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    Dispatcher(settings()).run(stop)
    tracing.stop()


if __name__ == "__main__":
    main()
