"""A worker's main process says that it is there while it forks its pool."""

import os
import sys
import threading
from typing import Any

import pytest

from core.catalog import pools
from core.catalog.database import Database
from core.jobs.placement import Offer
from workers.presence import Presence


class TestFork:
    def test_a_process_that_is_forked_during_a_beat_can_write(
        self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writes, enrol = threading.Event(), pools.enrol

        def slowly(*arguments: Any, **named: Any) -> bool:
            drained = enrol(*arguments, **named)
            writes.set()
            threading.Event().wait(0.5)
            return drained

        monkeypatch.setattr(pools, "enrol", slowly)
        presence = Presence(sqlite_url, "here:1", Offer(slots=1), lambda _: None)
        presence.begin()
        assert writes.wait(10)
        pid = os.fork()
        if pid == 0:
            os._exit(_write(sqlite_url))
        _, status = os.waitpid(pid, 0)
        presence.end()
        assert os.waitstatus_to_exitcode(status) == 0


def _write(url: str) -> int:
    try:
        database = Database(url).everywhere()
        with database.write() as session:
            pools.leave(session, "here:1")
    except BaseException as error:
        print(error, file=sys.stderr)
        return 1
    return 0
