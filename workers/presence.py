"""A worker says that it is there, and hears whether it is to take no more jobs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.catalog import pools
from core.catalog.database import UNREACHABLE, Database
from core.jobs.placement import Offer
from workers.outage import Outage

log = logging.getLogger(__name__)


class Presence:
    """Enters a worker among the pools, again and again, until it leaves; `drained` is told of every change.

    It has a thread of the main process, and a connection for each beat only: pool processes are forked beside it,
    and not during a beat.
    """

    def __init__(self, database: str, name: str, offer: Offer, drained: Callable[[bool], None]) -> None:
        self._url, self._name, self._offer = database, name, offer
        self._drained = drained
        self._begins, self._is_drained = True, False
        self._ended = threading.Event()
        self._forking = threading.Lock()
        self._outage = Outage(log, "saying that this worker is there")
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def begin(self) -> None:
        """Start to beat."""
        held = self._forking
        os.register_at_fork(before=held.acquire, after_in_parent=held.release, after_in_child=held.release)
        self._thread.start()

    def end(self) -> None:
        """Leave. What cannot be told is seen by the silence."""
        self._ended.set()
        self._thread.join(pools.BEAT_SECONDS)

    def _run(self) -> None:
        self._beat()
        while not self._ended.wait(pools.BEAT_SECONDS):
            self._beat()
        self._leave()

    def _beat(self) -> None:
        try:
            with self._connected() as database, database.write("enrol") as session:
                drained = pools.enrol(session, self._name, self._offer, begins=self._begins)
        except UNREACHABLE as error:
            self._outage.goes_on(error)
            return
        self._outage.is_over()
        self._begins = False
        if drained != self._is_drained:
            self._is_drained = drained
            log.info("this worker takes %s", "no more jobs" if drained else "jobs again")
            self._drained(drained)

    def _leave(self) -> None:
        try:
            with self._connected() as database, database.write("leave") as session:
                pools.leave(session, self._name)
        except UNREACHABLE as error:
            self._outage.goes_on(error)

    @contextmanager
    def _connected(self) -> Iterator[Database]:
        """The database, while no process is forked.

        SQLite keeps in the process's memory which locks it holds: to one that was forked in the middle of a write, and
        has a copy of that memory, the database would be locked for ever.
        """
        with self._forking:
            database = Database(self._url).everywhere()
            try:
                yield database
            finally:
                database.close()
