"""Any network in torch under training: forward, backward by autograd, masks on the gradients, optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.models import build
from core.models.state import load_state
from core.models.state import state as arrays_of
from core.pruning.evolution import Evolution
from core.training.averaging import Averaging
from core.training.batch_norm import spread_over
from core.training.checkpoint import Arrays, Slots, TrainingState
from core.training.clock import Clock
from core.training.graphs import Graphed
from core.training.masking import Masking
from core.training.mode import Mode
from core.training.optimizers import forget, optimizer_of, restore, set_rate, slots_of
from core.training.pixels import without_strides_on_pixels
from core.training.ranks import ALONE, Ranks


def memory_format(architecture: Architecture) -> torch.memory_format:
    """oneDNN and cuDNN convolve NHWC without reordering: 1.4 times faster for a ResNet-20 step on a CPU."""
    convolutional = any(len(spec.shape) == 4 for spec in architecture.tensors)
    return torch.channels_last if convolutional else torch.contiguous_format


class Network:
    """One network, trained by autograd; on several ranks, each computes its share of every batch.

    With an `evolution` its masks change at some steps, at which nothing else does but running statistics.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        state: TrainingState,
        device: torch.device,
        mode: Mode,
        ranks: Ranks = ALONE,
        evolution: Evolution | None = None,
    ) -> None:
        self._device, self._mode, self._ranks = device, mode, ranks
        self._batch, self._smoothing = recipe.batch, recipe.label_smoothing
        self._model: nn.Module = build(architecture)
        load_state(self._model, state.weights)
        self._model.to(device, memory_format=memory_format(architecture)).train()  # type: ignore[call-overload]
        if device.type == "cpu" and mode.precision == "bfloat16":
            without_strides_on_pixels(self._model, architecture.input)
        self._masks, self._evolution = state.masks, evolution
        self._masking = Masking(self._model, state.masks)
        self._masking.prune_weights()
        self._optimizer = optimizer_of(recipe, architecture, self._model)
        restore(self._optimizer, self._model, state.slots)
        self._averaging = Averaging(self._model, ranks) if ranks.size > 1 else None
        # A whole batch only: the last one of an epoch and evaluation have other shapes, each worth a compilation.
        self._of_whole_batch = torch.compile(self._model, dynamic=False) if mode.compiled else self._model
        self._graphed: Graphed | None = None
        if mode.graphed:
            # A graph reads its learning rate from the device: a number would be recorded as it was.
            for group in self._optimizer.param_groups:
                group["lr"] = torch.tensor(group["lr"], device=device)
                group["capturable"] = True
            untimed = Clock(device)
            self._graphed = Graphed(
                lambda images, labels: self._take(images, labels, untimed), self._optimizer.zero_grad
            )

    def step(
        self, images: Sequence[Tensor], labels: Sequence[Tensor], number: int, rate: float, clock: Clock
    ) -> Tensor:
        """One step on [B, C, H, W] and [B]; its mean loss over all ranks, [1]."""
        (batch,), (classes,) = images, labels
        mine = self._ranks.share(len(classes))
        batch, classes = batch[mine], classes[mine]
        clock.lap("data")
        if self._evolution is not None and self._evolution.due(number):
            return self._evolve(self._evolution, batch, classes, number, clock)
        set_rate(self._optimizer, rate)
        if self._graphed is not None and len(classes) == self._batch:
            loss = self._graphed(batch, classes)
            clock.lap("graph")
            return loss
        self._optimizer.zero_grad()
        return self._take(batch, classes, clock)

    def _take(self, batch: Tensor, classes: Tensor, clock: Clock) -> Tensor:
        loss = self._backward(batch, classes, clock)
        self._masking.prune_gradients()
        clock.lap("masks")
        self._optimizer.step()
        clock.lap("optimizer")
        return loss

    def _evolve(
        self, evolution: Evolution, batch: Tensor, classes: Tensor, number: int, clock: Clock
    ) -> Tensor:
        """What takes the place of a step: masks follow the gradients of all weights, pruned ones too."""
        self._optimizer.zero_grad()
        loss = self._backward(batch, classes, clock)
        with torch.no_grad():
            for name, weight, mask in self._masking:
                assert weight.grad is not None
                kept = evolution.updated(name, weight, mask != 0, weight.grad, number)
                mask.copy_(kept)
                weight.masked_fill_(~kept, 0.0)
                forget(self._optimizer, weight, ~kept)
        clock.lap("masks")
        return loss

    def _backward(self, batch: Tensor, classes: Tensor, clock: Clock) -> Tensor:
        """The gradients of the mean loss over all ranks, and that loss, [1]."""
        forward = self._of_whole_batch if len(classes) == self._batch else self._model
        with self._autocast(), spread_over(self._ranks):
            logits = forward(batch)
        reduction = "sum" if self._averaging else "mean"
        loss = F.cross_entropy(logits.float(), classes, reduction=reduction, label_smoothing=self._smoothing)
        clock.lap("forward")
        loss.backward()  # type: ignore[no-untyped-call]
        clock.lap("backward")
        if self._averaging:
            loss = self._averaging(loss.detach(), len(classes))
            clock.lap("ranks")
        return loss.detach().reshape(1)

    @torch.no_grad()
    def logits(self, images: Tensor, *, precisely: bool) -> Tensor:
        """[1, B, classes] of [B, C, H, W], in evaluation mode."""
        self._model.eval()
        with nullcontext() if precisely else self._autocast():
            logits: Tensor = self._model(images)
        self._model.train()
        return logits.float().unsqueeze(0)

    def weights(self) -> list[Arrays]:
        """All parameters and buffers."""
        return [arrays_of(self._model)]

    def masks(self) -> list[Arrays]:
        """As they are now, whole ones too."""
        if self._evolution is None:
            return [self._masks]
        current = {name: (mask != 0).cpu().numpy() for name, _, mask in self._masking}
        return [{**self._masks, **current}]

    def slots(self) -> list[Slots]:
        """What the optimiser remembers; nothing before the first step."""
        return [slots_of(self._optimizer, self._model)]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self._device.type,
            self._mode.dtype,
            enabled=self._mode.dtype != torch.float32,
            # Weights that a graph has cast once would stay as they were.
            cache_enabled=not self._mode.graphed,
        )
