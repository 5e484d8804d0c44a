"""A training step on a GPU as one CUDA graph: a small network's step is bound by its launches, not its arithmetic."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

WARM_UP = 3
"""Steps taken before the capture, on the stream of the capture, as it demands: real ones, whose results count."""


class Graphed:
    """Calls a step on whole batches; from the fourth on it replays what the capture recorded.

    `step` takes images and labels, returns the loss, and must neither synchronise nor read a number from the device.
    `clear` drops the gradients before it; the graph owns those that it writes, and writes them anew at every replay.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], Tensor], clear: Callable[[], None]) -> None:
        self._step, self._clear = step, clear
        self._stream: torch.cuda.Stream | None = None
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step; the loss is overwritten by the next."""
        if self._taken < WARM_UP:
            self._taken += 1
            with self._aside(images.device):
                self._clear()
                return self._step(images, labels)
        if self._graph is None:
            self._graph = self._capture(images, labels)
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._loss

    def _capture(self, images: Tensor, labels: Tensor) -> torch.cuda.CUDAGraph:
        self._images, self._labels = images.clone(), labels.clone()
        graph = torch.cuda.CUDAGraph()
        # Another network's graph, freed while this one is captured, would spoil it.
        gc.collect()
        with self._aside(images.device) as stream:
            self._clear()
            # Only this thread is held to the rules of a capture: loaders may pin their memory meanwhile.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._loss = self._step(self._images, self._labels)
        return graph

    @contextmanager
    def _aside(self, device: torch.device) -> Iterator[torch.cuda.Stream]:
        """On a stream of its own, in order with the current one, which is current again even if a capture fails."""
        if self._stream is None:
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        outside = torch.cuda.current_stream(device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            yield self._stream
        outside.wait_stream(self._stream)
