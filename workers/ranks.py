"""The processes of a job on several devices, under torchrun's agent: where one ends too early, it ends all of them.

An agent runs on every machine. Its ranks are forked from it, so that they need not import torch again, and are in its
process group: a signal to the trainer reaches them. They die with it, and with the supervisor, whichever is first.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from core.jobs.outcome import Failure
from core.lifeline import die_with_parent
from core.training.ranks import RankLost

MEETING_SECONDS = 60
"""How long the first machine waits for the others."""
_SEEN_SECONDS = 5.0


class DevicesUnavailable(RuntimeError):
    """There are fewer devices than were asked for."""


class RanksEnded(RuntimeError):
    """The ranks ended before their work was done, and none said why."""


@dataclass(frozen=True)
class Nodes:
    """The machines that ranks are spread over evenly; `number` is this one, 0 the one with the trainer.

    `endpoint`: HOST:PORT of machine 0, where all meet; several need one.
    """

    count: int = 1
    number: int = 0
    endpoint: str = ""


@dataclass(frozen=True)
class Broken:
    """Why a rank could not do its work, in short and at length."""

    failure: Failure
    traceback: str


def launch(
    devices: int,
    nodes: Nodes,
    work: Callable[[], Broken | None],
    lifeline: Callable[[], None],
    on_cpu: bool = False,
) -> Broken | None:
    """Do `work` in each of this machine's ranks, of so many on all; returns when they have ended, with what broke one.

    `lifeline` ends a rank when it is to die with something else. Raises `DevicesUnavailable` where a rank would have
    no GPU of its own on a machine that has some, `RanksEnded` where one died.
    """
    here, rest = divmod(devices, nodes.count)
    if rest:
        raise DevicesUnavailable(f"{devices} devices cannot be spread evenly over {nodes.count} machines")
    found = 0 if on_cpu else gpus()
    if 0 < found < here:
        raise DevicesUnavailable(f"{here} devices were asked for on a machine that has {found}")
    broken: SimpleQueue[Broken] = multiprocessing.get_context("fork").SimpleQueue()
    try:
        elastic_launch(_config(here, nodes), _rank)(work, lifeline, broken)
    except ChildFailedError as error:
        if not broken.empty():
            return broken.get()
        rank, first = error.get_first_failure()
        raise RanksEnded(f"rank {rank} ended: {first.message} (exit code {first.exitcode})") from error
    return None


def gpus() -> int:
    """How many GPUs this machine has. Asked so that CUDA is not initialised: no rank could use it after the fork."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def own_device(gpus: Sequence[int] | None) -> torch.device:
    """The device of this rank: the one of its number among the job's GPUs on this machine, None: all; else the CPU."""
    if gpus == [] or not torch.cuda.is_available():
        return torch.device("cpu")
    number = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", number if gpus is None else gpus[number])
    torch.cuda.set_device(device)
    return device


def _config(here: int, nodes: Nodes) -> LaunchConfig:
    alone = nodes.count == 1
    if alone:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return LaunchConfig(
        min_nodes=nodes.count,
        max_nodes=nodes.count,
        nproc_per_node=here,
        run_id="elasticket",
        # Only the static way to meet lets a machine choose its number: rank 0 must be where the journal is.
        rdzv_backend="c10d" if alone else "static",
        rdzv_endpoint="127.0.0.1:0" if alone else nodes.endpoint,
        local_addr="127.0.0.1" if alone else None,
        rdzv_configs={"rank": nodes.number, "timeout": MEETING_SECONDS},
        max_restarts=0,
        start_method="fork",
        logs_specs=DefaultLogsSpecs(os.devnull),
        # SIGTERM, to the group, is to end agent and ranks as it ends any process; there must be one signal at least.
        signals_to_handle="SIGQUIT",
    )


def _rank(
    work: Callable[[], Broken | None],
    lifeline: Callable[[], None],
    broken: SimpleQueue[Broken],
) -> None:
    die_with_parent()
    threading.Thread(target=lifeline, daemon=True).start()
    try:
        found = work()
    except RankLost:
        # The agent is to find the rank that ended first, not this one.
        time.sleep(_SEEN_SECONDS)
        raise SystemExit(1) from None
    if found is not None:
        broken.put(found)
        raise SystemExit(1)
