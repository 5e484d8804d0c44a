"""One more machine for jobs on several devices: its ranks meet those of the trainer, job after job."""

from __future__ import annotations

import logging
import socket
import time
from typing import Annotated

import typer

from core import logs
from core.settings import settings
from workers.ranks import Nodes, RanksEnded, gpus, launch
from workers.trainer import attempt, be_rank, warm

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5


def main(
    number: Annotated[
        int, typer.Argument(min=1, help="Number of this machine; 0 is the one with the worker.")
    ],
    devices: Annotated[int | None, typer.Option(min=1, help="Ranks on it; default: its GPUs, or 1.")] = None,
) -> None:
    """Lend this machine's devices to the worker at ELASTICKET_RENDEZVOUS, until stopped.

    ELASTICKET_NODES and the path of the artifact store must be the same on all machines.
    """
    chosen = settings()
    logs.configure("node", chosen.log)
    nodes = Nodes(chosen.nodes, number, chosen.rendezvous)
    of_all = (devices or gpus() or 1) * nodes.count
    mine = {"datasets": str(chosen.dataset_directory), "threads": chosen.trainer_threads}
    warm()
    while True:
        _wait_for(nodes.endpoint)
        try:
            broken = launch(
                of_all, nodes, lambda: attempt(lambda: be_rank(None, None, None, **mine)), lambda: None
            )
        except RanksEnded as error:
            log.warning("%s", error)
        else:
            log.info("a job was done" if broken is None else broken.traceback)


def _wait_for(endpoint: str) -> None:
    """Return when a trainer listens: torch's own waiting for it ends, and fills the log."""
    host, _, port = endpoint.rpartition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=LOOK_SECONDS).close()
        except OSError:
            time.sleep(LOOK_SECONDS)
        else:
            return


if __name__ == "__main__":
    typer.run(main)
