"""Images per second of several loops on one machine, in turns: window by window, so that all see the same weather."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from statistics import median
from typing import Any

import torch

from bench.gpu.loops import Loop, Plain, Subject, serve
from bench.gpu.slices import OutOfTime, Slice

ROUNDS = 5
PATIENCE = 10.0
"""Seconds in which a loop should have ended by itself."""


class _Failed(Exception):
    """A loop does not run here."""


@dataclass
class _Contender:
    process: BaseProcess
    connection: Connection

    def answer(self, spent: Slice) -> float:
        """What it says next; `OutOfTime` where that takes longer than the slice."""
        if not self.connection.poll(spent.left):
            raise OutOfTime
        try:
            kind, said = self.connection.recv()
        except EOFError:
            self.process.join()
            raise _Failed(f"its process ended with {self.process.exitcode}") from None
        if kind == "failed":
            raise _Failed(said)
        return float(said)


def contest(
    subject: Subject,
    loops: Sequence[Loop],
    device: torch.device,
    speed: dict[str, Any],
    spent: Slice,
    write: Callable[[], None],
) -> None:
    """Add rounds to `speed` until there are enough; what fails is left out of all, with its reason.

    Raises `OutOfTime` where the slice ends first: whole rounds are kept.
    """
    speed["subject"] = asdict(subject)
    with _contenders() as running:
        for loop in loops:
            if str(loop) not in speed["left_out"]:
                running[str(loop)] = _start(loop, subject, device)
                # On a CPU they would slow each other down; on a GPU the slowest of them compile side by side.
                if device.type == "cpu":
                    _ask(str(loop), running, speed, spent)
        if device.type != "cpu":
            for name in list(running):
                _ask(name, running, speed, spent)
        while len(speed["rounds"]) < ROUNDS:
            found = {}
            for name in list(running):
                running[name].connection.send("go")
                rate = _ask(name, running, speed, spent)
                if rate is not None:
                    found[name] = rate
            speed["rounds"].append(found)
            write()


@contextmanager
def _contenders() -> Iterator[dict[str, _Contender]]:
    """To be filled by name; ended together. A closed connection tells them, but a compiler at work does not listen."""
    running: dict[str, _Contender] = {}
    try:
        yield running
    finally:
        for contender in running.values():
            contender.connection.close()
        patience = Slice(PATIENCE)
        for contender in running.values():
            contender.process.join(patience.left)
            contender.process.kill()
            contender.process.join()


def _start(loop: Loop, subject: Subject, device: torch.device) -> _Contender:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, loop, subject, device))
    process.start()
    theirs.close()
    return _Contender(process, ours)


def _ask(name: str, running: dict[str, _Contender], speed: dict[str, Any], spent: Slice) -> float | None:
    try:
        return running[name].answer(spent)
    except _Failed as failure:
        speed["left_out"][name] = str(failure).splitlines()[0][:300]
        for found in speed["rounds"]:
            found.pop(name, None)
        running.pop(name).connection.close()
        return None


def medians(speed: dict[str, Any]) -> dict[str, float]:
    """Images per second of each loop, by name."""
    rounds = speed.get("rounds", [])
    return {name: median(found[name] for found in rounds) for name in (rounds[0] if rounds else ())}


def best_reference(rates: dict[str, float]) -> float:
    """The reference with the number of loaders that suits it best; 0 where none ran."""
    return max((rate for name, rate in rates.items() if name.startswith(Plain.NAME)), default=0.0)
