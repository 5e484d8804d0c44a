"""What Celery runs: one task, and the making of a supervisor in every pool process."""

from __future__ import annotations

import os
import select
import socket
from typing import Any

from celery.signals import worker_init, worker_process_init, worker_shutting_down

from core.settings import settings
from workers.app import app
from workers.lifeline import die_with_parent
from workers.supervisor import Supervisor


class _StopPipe:
    """Closed by the main process when it shuts down; its end is what every pool process can see."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def close(self, **_: Any) -> None:
        """Tell every pool process, from the main process."""
        os.close(self._write)

    def enter_child(self) -> None:
        """Keep only the reading end, in a pool process."""
        os.close(self._write)

    def closed(self) -> bool:
        """Whether the main process is shutting down, seen from a pool process."""
        return bool(select.select([self._read], [], [], 0)[0])


_stop: _StopPipe
_supervisor: Supervisor


@worker_init.connect
def _before_the_pool_forks(**_: Any) -> None:
    global _stop
    _stop = _StopPipe()
    worker_shutting_down.connect(_stop.close)


@worker_process_init.connect
def _in_each_pool_process(**_: Any) -> None:
    global _supervisor
    die_with_parent()
    _stop.enter_child()
    _supervisor = Supervisor(settings(), f"{socket.gethostname()}:{os.getpid()}", _stop.closed)


@app.task(name="elasticket.run_job")
def run_job(job_id: str) -> None:
    """Try to claim a job, and do it."""
    _supervisor.run(job_id)
