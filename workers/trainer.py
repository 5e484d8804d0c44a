"""The trainer process: does one job's work, or has ranks do it, reports it, and ends. It dies with its supervisor."""

from __future__ import annotations

import codecs
import errno
import logging
import os
import resource
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch

from core.catalog.artifacts import ArtifactDamaged, ArtifactMissing, ArtifactStore, DiskFull, StoreAway
from core.catalog.scratch import fetch_upload
from core.catalog.stores import warm_store
from core.catalog.trainings import SharedTrainings
from core.crashpoints import crashpoint
from core.datasets.digits import bundled
from core.elastic.refusal import Refused
from core.experiments import Journal, Lab, conduct
from core.experiments.shared import SharedTraining
from core.interchange.confinement import LimitReached, confine
from core.interchange.exports.source import Unavailable
from core.interchange.failure import Unreadable
from core.jobs.outcome import Failure
from core.jobs.specs import parse_spec
from core.settings import settings
from core.tickets import InvalidTicket
from core.tickets.weights import read_weights, write_weights
from core.training.checkpoint import CheckpointInvalid, TrainingState, read_state, write_state
from core.training.fingerprint import fingerprint
from core.training.mode import Mode
from core.training.ranks import ALONE, RankLost, Ranks, joined
from workers.leaving import Leaving
from workers.pace import Pace
from workers.protocol import Reports, Request
from workers.rank_journal import RankJournal
from workers.ranks import Broken, DevicesUnavailable, Nodes, launch, own_device
from workers.strides import Strides

PROGRESS_SECONDS = 0.25
ORPHANED = 70


def run(command: int, report: int) -> None:
    """Serve one request from the command pipe, then return; the process should exit."""
    with os.fdopen(command, "rb", buffering=0) as commands:
        request = Request.decode(_line(commands))
        leaving = Leaving()
        lifeline = partial(_die_with_supervisor, commands)
        threading.Thread(target=lifeline, daemon=True).start()
        _serve(request, Reports(report), lifeline, leaving)


def _line(stream: Any) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = stream.read(65536)
        if not chunk:
            os._exit(ORPHANED)
        line += chunk
    return bytes(line)


def _die_with_supervisor(commands: Any) -> None:
    """Nothing more is ever written to the command pipe: its end means that the supervisor is gone."""
    commands.read(1)
    os._exit(ORPHANED)


def warm() -> None:
    """Import what the first training would import: torch's optimizers alone bring eight hundred modules.

    And read the bundled images, which need no network and tell nothing of anybody.
    """
    bundled()
    # Without a gradient a step computes nothing.
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).step()
    codecs.lookup("utf-16-be")
    logging.root.setLevel(logging.INFO)
    warm_store(settings())


def _serve(request: Request, reports: Reports, lifeline: Callable[[], None], leaving: Leaving) -> None:
    if request.devices == 1:
        journal = PipeJournal(request, reports, leaving)
        broken = attempt(lambda: _do(request, reports, journal, _device(request)))
    else:
        broken = _lead(request, reports, lifeline, leaving)
    if broken is not None:
        reports.log(broken.traceback)
        reports.send("failure", **broken.failure.as_json())


def attempt(work: Callable[[], None]) -> Broken | None:
    """Do something; what broke it, unless that was the end of another rank."""
    try:
        work()
    except (RankLost, StoreAway):
        # The attempt is over, not the job.
        raise
    except Exception as error:
        return Broken(failure_of(error), traceback.format_exc())
    return None


def _lead(
    request: Request, reports: Reports, lifeline: Callable[[], None], leaving: Leaving
) -> Broken | None:
    """Have ranks do the job's work: those of this machine, which are started here, and those of others."""
    nodes = Nodes(request.nodes, 0, request.rendezvous)

    def work() -> Broken | None:
        return attempt(lambda: be_rank(request, reports, leaving))

    try:
        return launch(request.devices, nodes, work, lifeline, on_cpu=request.gpus == [])
    except DevicesUnavailable as error:
        return Broken(failure_of(error), traceback.format_exc())
    except Exception as error:
        reports.log(str(error))
        raise


def be_rank(request: Request | None, reports: Reports | None, leaving: Leaving | None, **here: Any) -> None:
    """One rank's part of a job's work. Rank 0 reports; a machine that has no request is told what rank 0's is.

    `here`: what of the request is otherwise on this machine.
    """
    device = own_device(None if request is None else request.gpus)
    with joined("nccl" if device.type == "cuda" else "gloo") as met:
        told = met.told(request)
        assert told is not None
        request = replace(told, **here)
        if met.size != request.devices:
            raise DevicesUnavailable(f"{request.devices} devices were asked for, and {met.size} have come")
        ranks = replace(met, batch_norm=request.spec["batch_norm"])
        reports = reports if ranks.rank == 0 else None
        kept = None if reports is None or leaving is None else PipeJournal(request, reports, leaving)
        _do(request, reports, RankJournal(ranks, kept), device, ranks)


def _do(
    request: Request, reports: Reports | None, journal: Journal, device: torch.device, ranks: Ranks = ALONE
) -> None:
    relay = logging.NullHandler() if reports is None else _LogRelay(reports)
    logging.basicConfig(handlers=[relay], force=True)
    if logging.root.level != logging.INFO:
        logging.root.setLevel(logging.INFO)  # which looks at every logger that there is
    torch.set_num_threads(max(1, request.threads * request.nodes // ranks.size))
    if device.type == "cuda" and request.gpu_memory_mib is not None:
        # What it declared is all it gets: more would be taken from the jobs beside it.
        share = request.gpu_memory_mib * 2**20 / torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, share), device)
    if request.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (request.memory_bytes, request.memory_bytes))
    lab = Lab(
        journal,
        request.inputs,
        datasets=Path(request.datasets),
        tuning=Path(request.tuning),
        device=device,
        ranks=ranks,
    )
    with ExitStack() as held:
        if reports is not None:
            reports.send("device", name=_named(device, ranks.size))
            digests = [Path(path).name for path in request.inputs.artifacts()]
            held.enter_context(request.artifacts.open().holding(digests))
        if request.inputs.upload is not None:
            fetch_upload(request.scratch, Path(request.inputs.upload), request.spec["sha256"])
        if request.confinement is not None:
            confine(**vars(request.confinement))
        conduct(parse_spec(request.spec), lab)
    if reports is not None:
        crashpoint("outcome.report")
        reports.send("outcome", outcome=lab.outcome.as_json())
        crashpoint("outcome.reported")


def _device(request: Request) -> torch.device:
    if request.confinement or request.gpus == [] or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", request.gpus[0] if request.gpus else 0)
    torch.cuda.set_device(device)
    return device


def _named(device: torch.device, ranks: int) -> str:
    """A device as people know it: of several, how many, and the first one's name."""
    name = fingerprint(device, Mode()).device
    return name if ranks == 1 else f"{ranks} × {name}"


def failure_of(error: Exception) -> Failure:
    """The failure an exception means: what is wrong with a file, or memory that did not suffice, whoever noticed it."""
    match error:
        case Unreadable() | InvalidTicket():
            reason = error.reason if isinstance(error, Unreadable) else error.failure
            found = {"reason": reason, "where": error.where, "accepted": error.accepted}
            return Failure("unreadable_file", str(error), found)
        case Unavailable():
            return Failure(
                "format_unavailable", str(error), {"format": error.format, "accepted": error.accepted}
            )
        case LimitReached():
            return Failure("limit_reached", str(error))
        case Refused():
            return Failure("refused_transformation", str(error), {"reason": error.reason})
        case DevicesUnavailable():
            return Failure("devices_unavailable", str(error))
        case ArtifactMissing():
            how = "damaged" if isinstance(error, ArtifactDamaged) else "missing"
            return Failure(f"input_{how}", str(error), {"artifact": error.digest})
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return Failure("disk_full", str(error) if isinstance(error, DiskFull) else f"disk full: {error}")
    # torch's CPU allocator raises a plain RuntimeError: "can't allocate memory".
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
        return Failure("out_of_memory", f"the trainer ran out of memory: {error}")
    return Failure("error", f"{type(error).__name__}: {error}")


class _LogRelay(logging.Handler):
    def __init__(self, reports: Reports) -> None:
        super().__init__()
        self._reports = reports

    def emit(self, record: logging.LogRecord) -> None:
        self._reports.log(self.format(record))


class PipeJournal:
    """The lab's journal: states and artifacts go to the stores, their digests and everything else to the pipe."""

    def __init__(self, request: Request, reports: Reports, leaving: Leaving) -> None:
        self._artifacts = request.artifacts.open()
        self._scratch = request.scratch.open("state")
        self._trainings = SharedTrainings(self._artifacts, request.project)
        self._fresh = request.spec.get("fresh", False)
        self._saved = request.states
        self._reports = reports
        self._leaving = leaving
        self._interval = request.checkpoint_seconds
        self._last_save = time.monotonic()
        self._last_progress = 0.0
        self._pace = Pace()
        self._strides = Strides(reports.send) if request.traced else None

    def event(self, kind: str, data: dict[str, Any]) -> None:
        self._reports.send("event", kind=kind, data=data)
        if self._strides is not None and kind == "epoch":
            self._strides.epoch(data["training"], data["epoch"], data["step"])

    def progress(self, done: int, total: int, doing: str) -> None:
        self._leaving.step()
        self._pace.step()
        if self._strides is not None:
            self._strides.step()
        if time.monotonic() - self._last_progress >= PROGRESS_SECONDS or done == total:
            self._last_progress = time.monotonic()
            left = self._pace.seconds_for(total - done)
            self._reports.send("progress", done=done, total=total, doing=doing, eta_seconds=left)

    def states(self, training: str) -> Iterable[TrainingState]:
        for saved in self._saved:
            if saved.training != training:
                continue
            try:
                yield read_state(self._scratch.verified(saved.digest))
            except (ArtifactMissing, ArtifactDamaged, CheckpointInvalid, OSError) as error:
                logging.warning("a saved state of %s is of no use: %s", training, error)

    def due(self) -> bool:
        return self._leaving.asked or time.monotonic() - self._last_save >= self._interval

    def save(self, training: str, state: TrainingState, complete: bool) -> None:
        self._last_save = time.monotonic()
        try:
            with self._doing("checkpoint"):
                digest = _put(self._scratch, lambda stream: write_state(state, stream))
        except OSError as error:
            # A full disk is no reason to throw away a training that can go on without this state.
            logging.warning("step %d of %s could not be saved: %s", state.step, training, error)
            return
        self._reports.send("saved", training=training, step=state.step, complete=complete, digest=digest)
        self._leaving.saved()

    def store(self, write: Callable[[BinaryIO], object]) -> str:
        with self._doing("store artifact"):
            return _put(self._artifacts, write)

    def _doing(self, name: str) -> AbstractContextManager[None]:
        return nullcontext() if self._strides is None else self._strides.doing(name)

    @contextmanager
    def sharing(self, key: str, wait: bool) -> Iterator[SharedTraining | None]:
        if self._fresh:
            yield None
            return
        with self._trainings.turn(key, wait=wait) as found:
            yield SharedTraining.from_parts(found.about, read_weights(found.weights)) if found else None

    def publish(self, key: str, training: SharedTraining) -> str | None:
        try:
            weights = self.store(lambda stream: write_weights(training.weights, stream))
            self._trainings.publish(key, weights, training.about())
        except OSError as error:
            logging.warning("a finished training could not be shared: %s", error)
            return None
        return weights


def _put(store: ArtifactStore, write: Callable[[BinaryIO], object]) -> str:
    with store.stage() as staged:
        write(staged)  # type: ignore[arg-type]
        return staged.commit()
