"""Holds pruned weights at zero: on the weights once, on the gradients at every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn


class Masking:
    """The masks of a network's prunable tensors, on its device.

    A pruned weight starts at 0 and its gradient is 0 at every step. So whatever the optimiser remembers of it is
    0, weight decay adds wd · 0, and it never moves; the forward pass needs no multiplication. Tensors whose mask
    keeps everything cost nothing.

    Raises `ValueError` where a mask names no parameter of the network or has another shape.
    """

    def __init__(self, model: nn.Module, masks: Mapping[str, np.ndarray]) -> None:
        parameters = dict(model.named_parameters())
        self._names: list[str] = []
        self._weights: list[nn.Parameter] = []
        self._masks: list[Tensor] = []
        for name, mask in masks.items():
            if name not in parameters or parameters[name].shape != mask.shape:
                raise ValueError(f"mask {name} of shape {mask.shape} fits no parameter of the network")
            if not mask.all():
                weight = parameters[name]
                self._names.append(name)
                self._weights.append(weight)
                # In the weight's layout: where strides differ, foreach falls back to one launch per tensor.
                kept = torch.empty_like(weight, dtype=torch.int32, requires_grad=False)
                self._masks.append(kept.copy_(torch.tensor(mask)))

    def __iter__(self) -> Iterator[tuple[str, nn.Parameter, Tensor]]:
        """Name, weight and mask (1 where a weight survives) of every tensor that is not whole.

        Who changes a mask, in place, keeps its weight's pruned entries at 0, and what an optimiser remembers of them.
        """
        return zip(self._names, self._weights, self._masks, strict=True)

    @torch.no_grad()
    def prune_weights(self) -> None:
        """Set pruned weights to +0, whatever they held."""
        for weight, mask in zip(self._weights, self._masks, strict=True):
            weight.masked_fill_(mask == 0, 0.0)

    @torch.no_grad()
    def prune_gradients(self) -> None:
        """Set the gradients of pruned weights to +0, whatever they are: before the optimiser's step."""
        if self._weights:
            # Multiplied as 32-bit integers: 0 times the bits of a NaN is 0, and 1 times any bits leaves them.
            gradients = [weight.grad.view(torch.int32) for weight in self._weights]  # type: ignore[union-attr]
            torch._foreach_mul_(gradients, self._masks)
