"""A training step on a GPU as one CUDA graph: a small network's step is bound by its launches, not its arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3
"""Steps taken before the capture, on a stream of their own, as capture demands: real ones, whose results count."""


class Graphed:
    """Calls a step on whole batches; from the fourth on it replays what the capture recorded.

    `step` takes images and labels, returns the loss, and must neither synchronise nor read a number from the device.
    `clear` drops the gradients before it; the graph owns those that it writes, and writes them anew at every replay.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], Tensor], clear: Callable[[], None]) -> None:
        self._step, self._clear = step, clear
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step; the loss is overwritten by the next."""
        if self._taken < WARM_UP:
            self._taken += 1
            return self._warm_up(images, labels)
        if self._graph is None:
            self._capture(images, labels)
        assert self._graph is not None
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._loss

    def _warm_up(self, images: Tensor, labels: Tensor) -> Tensor:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._clear()
            loss = self._step(images, labels)
        torch.cuda.current_stream().wait_stream(self._stream)
        return loss

    def _capture(self, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = images.clone(), labels.clone()
        self._graph = torch.cuda.CUDAGraph()
        self._clear()
        with torch.cuda.graph(self._graph):
            self._loss = self._step(self._images, self._labels)
