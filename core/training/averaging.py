"""From the gradients of every rank's share of a batch to those of the whole, in one exchange per step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.training.ranks import Ranks


class Averaging:
    """The gradients of a network, side by side in one vector that is summed over all ranks.

    With them go the summed loss and the rows that it is of, so that shares may differ in size; and, where ranks
    normalise by statistics of their own, the running ones, of which every rank gets the mean. The vector's order
    never changes, so neither does that of the additions: an exact training that resumes ends in the same bits.
    """

    def __init__(self, model: nn.Module, ranks: Ranks) -> None:
        self._ranks = ranks
        self._parameters = list(model.parameters())
        own = ranks.batch_norm == "local"
        self._buffers = [buffer for buffer in model.buffers() if own and buffer.is_floating_point()]
        tensors = [*self._parameters, *self._buffers]
        sizes = [tensor.numel() for tensor in tensors]
        self._vector = torch.zeros(sum(sizes) + 2, device=tensors[0].device)
        # In the parameters' layout: gradients come in it, and optimisers want it.
        self._parts = [
            part.as_strided(tensor.shape, tensor.stride())
            for part, tensor in zip(torch.split(self._vector[:-2], sizes), tensors, strict=True)
        ]
        trained = sum(parameter.numel() for parameter in self._parameters)
        self._sums, self._statistics = self._vector[:trained], self._vector[trained:-2]

    @torch.no_grad()
    def __call__(self, loss: Tensor, rows: int) -> Tensor:
        """Make the gradients those of the mean loss over all ranks' rows, given this rank's summed one; that mean."""
        count = len(self._parameters)
        gradients = [parameter.grad for parameter in self._parameters]
        torch._foreach_copy_(self._parts, [*gradients, *self._buffers])  # type: ignore[list-item]
        self._vector[-2], self._vector[-1] = loss, rows
        self._ranks.sum_(self._vector)
        self._sums.div_(self._vector[-1])
        self._statistics.div_(self._ranks.size)
        for parameter, part in zip(self._parameters, self._parts[:count], strict=True):
            parameter.grad = part
        for buffer, part in zip(self._buffers, self._parts[count:], strict=True):
            buffer.copy_(part)
        return self._vector[-2] / self._vector[-1]
