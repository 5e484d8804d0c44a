"""Batch normalisation over a batch whose rows are spread over ranks (Ioffe and Szegedy, 2015, algorithm 1).

torch has it for GPUs alone (SyncBatchNorm), as a module that must take the place of the network's own. Here the
function is replaced that all of them call, on any device, whichever layers a network is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from core.training.ranks import ALONE, Ranks


def spread_over(ranks: Ranks) -> AbstractContextManager[object]:
    """Within: networks in training mode normalise their rows as a part of the batch of all ranks."""
    return nullcontext() if ranks.size == 1 else _Spread(ranks if ranks.batch_norm == "global" else ALONE)


class _Spread(TorchFunctionMode):
    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.batch_norm:
            return batch_norm(self._ranks, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def batch_norm(
    ranks: Ranks,
    rows: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As torch's function of this name on the rows [B, C, …] of all ranks together; this rank's part of the result.

    A rank may have any number of rows, 0 and 1 included.
    """
    if not training:
        return F.batch_norm(rows, running_mean, running_var, weight, bias, False, momentum, eps)
    mean, variance, count = moments(rows.detach(), ranks)
    if running_mean is not None and running_var is not None:
        # Where there is not one row, nothing is learned.
        share = momentum * count.clamp(max=1)
        running_mean.lerp_(mean, share)
        running_var.lerp_(variance * count / (count - 1).clamp(min=1), share)
    scale = torch.ones_like(mean) if weight is None else weight
    shift = torch.zeros_like(mean) if bias is None else bias
    given = rows, scale, shift, mean, variance, count, eps, ranks
    normalised: Tensor = _Normalised.apply(*given)  # type: ignore[no-untyped-call]
    return normalised


def moments(rows: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance [C] of all ranks' rows, and how many values each is of, float32."""
    channels = rows.shape[1]
    of_mine = rows.new_zeros(2 * channels + 1, dtype=torch.float32)
    if len(rows):
        # Given float32 to update, it computes in float32; ten times faster than torch.var_mean where channels are last.
        unused = of_mine[:channels], of_mine[channels:-1]
        of_mine[:-1] = torch.cat(torch.batch_norm_update_stats(rows, *unused, 0.0))
        of_mine[-1] = rows.numel() // channels
    means, variances, counts = torch.split(ranks.gather(of_mine), [channels, channels, 1], dim=1)
    count = counts.sum()
    divisor = count.clamp(min=1)
    mean = (counts * means).sum(0) / divisor
    # Chan, Golub and LeVeque (1983): no difference of large sums.
    variance = (counts * (variances + (means - mean).square())).sum(0) / divisor
    return mean, variance, count


class _Normalised(torch.autograd.Function):
    """Weight · (x − mean) / √(variance + eps) + bias, where mean and variance are those of all ranks' rows."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
        ranks: Ranks,
    ) -> Tensor:
        ctx.save_for_backward(rows, weight, mean, variance, count)
        ctx.eps, ctx.ranks = eps, ranks
        if not len(rows):
            return rows.clone()
        return F.batch_norm(rows, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        rows, weight, mean, variance, count = ctx.saved_tensors
        if len(rows):
            # As if mean and variance were constants; the rest is how they depend on each row.
            of_rows, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
                gradient, rows, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
            )
        else:
            of_rows, of_weight, of_bias = gradient, torch.zeros_like(mean), torch.zeros_like(mean)
        weights, biases = ctx.ranks.sum_(torch.stack([of_weight, of_bias])).unbind()
        deviation = (variance + ctx.eps).rsqrt()
        slope = weight * deviation.square() * weights / count
        level = weight * deviation * biases / count - slope * mean
        shape = [1, -1] + [1] * (rows.dim() - 2)
        of_rows = of_rows - (rows * slope.view(shape) + level.view(shape))
        return of_rows.to(rows.dtype), of_weight, of_bias, None, None, None, None, None
