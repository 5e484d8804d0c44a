"""What Celery runs: one task, and the making of a supervisor in every pool process."""

from __future__ import annotations

import logging
import mmap
import os
import select
import socket
import traceback
from typing import Any

from celery import Task
from celery.signals import (
    celeryd_after_setup,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from celery.worker.request import Request

from core import logs, tracing
from core.crashpoints import crashpoint
from core.jobs.placement import Offer
from core.lifeline import die_with_parent
from core.settings import settings
from workers.app import app
from workers.offer import offer_of
from workers.presence import Presence
from workers.supervisor import Supervisor

log = logging.getLogger(__name__)


class _StopPipe:
    """Closed by the main process when it shuts down; its end is what every pool process can see."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._writes = True

    def close(self, **_: Any) -> None:
        """Let go of the writing end: in the main process to tell the others, in a pool process on entering it."""
        if self._writes:
            self._writes = False
            os.close(self._write)

    def closed(self) -> bool:
        """Whether the main process is shutting down, seen from a pool process."""
        return bool(select.select([self._read], [], [], 0)[0])


_stop: _StopPipe
_offer: Offer
_pool: str
_unmet: mmap.mmap
_presence: Presence
_supervisor: Supervisor


@worker_init.connect
def _before_the_pool_forks(**_: Any) -> None:
    global _stop, _pool, _unmet
    _stop = _StopPipe()
    worker_shutting_down.connect(_stop.close)
    _pool = f"{socket.gethostname()}:{os.getpid()}"
    # One byte that all pool processes share.
    _unmet = mmap.mmap(-1, 1)


@celeryd_after_setup.connect
def _listen_where_it_can_serve(instance: Any, **_: Any) -> None:
    global _offer
    _offer = offer_of(settings(), instance.concurrency)
    instance.app.amqp.queues.select(_offer.queues)


@worker_ready.connect
def _be_there(sender: Any, **_: Any) -> None:
    global _presence

    def drained(is_drained: bool) -> None:
        change = sender.cancel_task_queue if is_drained else sender.add_task_queue
        for queue in _offer.queues:
            sender.call_soon(change, queue)

    _presence = Presence(settings().database, _pool, _offer, drained)
    _presence.begin()
    worker_shutdown.connect(_leave)


def _leave(**_: Any) -> None:
    _presence.end()


@worker_process_init.connect
def _in_each_pool_process(**_: Any) -> None:
    global _supervisor
    try:
        die_with_parent()
        _stop.close()
        tracing.start("worker")
        slot = f"{socket.gethostname()}:{os.getpid()}"
        _supervisor = Supervisor(settings(), slot, _stop.closed, _pool, _offer, _unmet)
    except BaseException:
        # Celery would go on with a process that takes hints and can do nothing with them.
        traceback.print_exc()
        os._exit(1)


@worker_process_shutdown.connect
def _in_each_that_ends(**_: Any) -> None:
    tracing.stop()


def _log_as_json(loglevel: int, **_: Any) -> None:
    """Celery leaves logging to whoever listens to this."""
    logs.configure("worker", "json", loglevel)


if settings().log == "json":
    # Held by the name above: a signal alone would let go of it.
    setup_logging.connect(_log_as_json)


class _Hint(Request):  # type: ignore[misc]
    """A message that was received."""

    def acknowledge(self) -> None:
        """Have the broker forget it."""
        crashpoint("hint.acknowledge")
        super().acknowledge()
        crashpoint("hint.acknowledged")


class _Hinted(Task):  # type: ignore[misc]
    Request = _Hint


@app.task(name="elasticket.run_job", base=_Hinted)
def run_job(job_id: str) -> None:
    """A hint that `job_id` was queued: do the job that is next here."""
    crashpoint("hint.taken")
    log.debug("a hint for job %s", job_id)
    _supervisor.work()
