"""The outbox relay and the reconciler. Any number may run; each step is safe to repeat."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from core.catalog import dispatch, pools, studies
from core.catalog.artifacts import LocalStore
from core.catalog.database import UNREACHABLE, Database
from core.catalog.preemption import make_room
from core.crashpoints import crashpoint
from core.jobs.placement import Need
from core.settings import Settings, settings
from workers.app import app
from workers.outage import Outage
from workers.supervisor import tidy_scratch
from workers.tasks import run_job

log = logging.getLogger(__name__)

SWEEP_SECONDS = 3600.0
ABANDONED_SECONDS = 86400.0
RETRY_SECONDS = 1.0


class Dispatcher:
    """Announces queued jobs, and returns to the queue what dead workers and a lost broker left behind."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._database = Database(chosen.database).everywhere()
        self._pulses: dict[str, studies.Pulse] = {}
        self._outages: dict[str, Outage] = {}
        self._not_before: dict[str, float] = {}

    def relay(self) -> int:
        """Publish the outbox; how many hints went out."""
        with self._database.read() as session:
            rows = dispatch.outbox(session)
        if not rows:
            return 0
        with app.producer_pool.acquire(block=True) as producer:
            for row in rows:
                crashpoint("hint.publish")
                queue = Need.parse(row.need).queue
                run_job.apply_async((row.job_id,), queue=queue, producer=producer, retry=False)
                crashpoint("hint.published")
        with self._database.write("announced") as session:
            dispatch.announced(session, rows)
        return len(rows)

    def reconcile(self) -> None:
        """End expired leases, make room, repeat hints that the broker lost, remove what ended jobs left in scratch."""
        with self._database.write("expire") as session:
            for job_id, state in dispatch.end_expired_leases(session):
                log.warning("job %s: its lease ran out; now %s", job_id, state)
            pools.forget(session)
        with self._database.write("make_room") as session:
            asked = make_room(session, self._settings.reconcile_seconds, self._settings.patience_seconds)
        for job_id in asked:
            log.info("job %s is asked to give way", job_id)
        with self._database.read() as session:
            needs = dispatch.queued_needs(session)
        if unheard := self._unheard(needs):
            with self._database.write("repeat") as session:
                lost = dispatch.repeat_lost_hints(session, 2 * self._settings.reconcile_seconds, unheard)
            if lost:
                log.info("repeated %d hints", lost)
        scratch = self._settings.scratch_directory
        for folder in scratch.iterdir() if scratch.is_dir() else ():
            tidy_scratch(self._database, self._settings, folder.name)

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
                with self._database.of(pulses[study_id].project).write("advance") as session:
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
        next_reconcile = next_sweep = 0.0
        while not stop.is_set():
            self._try(self.advance)
            self._try(self.relay)
            if time.monotonic() >= next_reconcile:
                self._try(self.reconcile)
                next_reconcile = time.monotonic() + self._settings.reconcile_seconds
            if time.monotonic() >= next_sweep:
                self._try(self.sweep)
                next_sweep = time.monotonic() + SWEEP_SECONDS
            stop.wait(self._settings.relay_seconds)

    def sweep(self) -> None:
        """Remove files that were never finished; let the database know how large its tables are."""
        self._database.optimize()
        LocalStore(self._settings.artifact_directory).sweep(ABANDONED_SECONDS)

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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s dispatcher %(message)s")
    stop = threading.Event()

    def finish(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    Dispatcher(settings()).run(stop)


if __name__ == "__main__":
    main()
