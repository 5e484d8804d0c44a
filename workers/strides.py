"""A trainer's spans: told to its supervisor, which sends them. The trainer itself needs no network, and may die."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LEAST_SECONDS = 0.5
"""Epochs that are shorter are one span together: a small network has hundreds a second."""


class Strides:
    """Makes spans of a trainer's time, in seconds since 1970: getting ready up to the end of the first step, epochs
    with their evaluations, and what is written.
    """

    def __init__(self, send: Callable[..., None], clock: Callable[[], float] = time.time) -> None:
        self._send = send
        self._clock = clock
        self._begun = self._ended = clock()
        self._stepped = False
        self._epochs: dict[str, Any] = {}

    def step(self) -> None:
        """A step was taken."""
        if not self._stepped:
            self._stepped = True
            self._tell("prepare", {})

    def epoch(self, training: str, epoch: int, step: int) -> None:
        """An epoch of a training has ended, and its network was evaluated."""
        first = self._epochs.get("elasticket.epoch.first", epoch)
        self._epochs = {
            "elasticket.training": training,
            "elasticket.epoch.first": first,
            "elasticket.epoch.last": epoch,
            "elasticket.step": step,
        }
        self._ended = self._clock()
        if self._ended - self._begun >= LEAST_SECONDS:
            self._flush()

    @contextmanager
    def doing(self, name: str) -> Iterator[None]:
        """Something of its own, which is no part of an epoch."""
        self._flush()
        self._begun = self._clock()
        try:
            yield
        finally:
            self._tell(name, {})

    def _flush(self) -> None:
        if self._epochs:
            self._send("span", name="train", begun=self._begun, ended=self._ended, told=self._epochs)
            self._begun, self._epochs = self._ended, {}

    def _tell(self, name: str, told: dict[str, Any]) -> None:
        now = self._clock()
        self._send("span", name=name, begun=self._begun, ended=now, told=told)
        self._begun = now
