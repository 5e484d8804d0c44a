"""The matrix products and convolutions of one training step, by themselves: what no loop can be faster than.

Only products of dense operands as torch's own kernels compute them count; a loop that skips pruned weights, or
multiplies several seeds at once, may do better.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from core.families.architecture import Architecture
from core.models import build

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SQUARE = 2048


@dataclass(frozen=True)
class Product:
    """One call: what it is, its floating-point operations (an addition and a multiplication are two), and itself."""

    label: str
    flops: int
    call: Callable[[], object]


def step_products(network: Architecture, batch: int, dtype: torch.dtype) -> list[Product]:
    """Forward, gradients of inputs (not of images) and of weights, of every linear and convolutional layer in order."""
    products: list[Product] = []
    for position, (layer, shape) in enumerate(_layers(network, batch)):
        images, inner = torch.randn(shape), position > 0
        if isinstance(layer, nn.Conv2d):
            products += _convolution(layer, images, dtype, inner)
        elif isinstance(layer, nn.Linear):
            products += _linear(layer, images, dtype, inner)
    return products


def square(dtype: torch.dtype) -> Product:
    """A product of two square matrices, large enough for a core to reach its best."""
    a, b = (torch.randn(SQUARE, SQUARE).to(dtype) for _ in range(2))
    return Product(f"square {SQUARE}", 2 * SQUARE**3, lambda: torch.mm(a, b))


def medians(products: list[Product], seconds: float) -> list[float]:
    """Median seconds of each when all run in order, as in a step, again and again for about so long."""
    times: list[list[float]] = [[] for _ in products]
    end = time.perf_counter() + seconds
    while not times[-1] or time.perf_counter() < end:
        for product, found in zip(products, times, strict=True):
            began = time.perf_counter()
            product.call()
            found.append(time.perf_counter() - began)
    return [median(found) for found in times]


def _layers(network: Architecture, batch: int) -> list[tuple[nn.Module, torch.Size]]:
    """Layers with the shapes of their inputs, in the order of the forward pass."""
    seen: list[tuple[nn.Module, torch.Size]] = []
    model = build(network)
    hooks = [
        module.register_forward_hook(lambda layer, inputs, _: seen.append((layer, inputs[0].shape)))
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        model(torch.zeros(batch, *network.input))
    for hook in hooks:
        hook.remove()
    return seen


@torch.no_grad()
def _linear(layer: nn.Linear, images: Tensor, dtype: torch.dtype, inner: bool) -> list[Product]:
    x, weight = images.to(dtype), layer.weight.to(dtype)
    outputs, inputs = weight.shape
    gradient = torch.randn(len(x), outputs).to(dtype)
    name, flops = f"linear {inputs} → {outputs}", 2 * len(x) * inputs * outputs
    found = [
        Product(f"{name}, forward", flops, lambda: torch.mm(x, weight.T)),
        Product(f"{name}, weights' gradient", flops, lambda: torch.mm(gradient.T, x)),
    ]
    if inner:
        found.append(Product(f"{name}, inputs' gradient", flops, lambda: torch.mm(gradient, weight)))
    return found


def _convolution(layer: nn.Conv2d, images: Tensor, dtype: torch.dtype, inner: bool) -> list[Product]:
    layer.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = images.to(dtype, memory_format=torch.channels_last)

    @torch.no_grad()
    def forward() -> Tensor:
        found: Tensor = layer(x)
        return found

    gradient = torch.randn_like(forward())

    @torch.no_grad()
    def backward() -> object:
        return torch.ops.aten.convolution_backward(
            gradient,
            x,
            layer.weight,
            None,
            layer.stride,
            layer.padding,
            layer.dilation,
            transposed=False,
            output_padding=(0, 0),
            groups=layer.groups,
            output_mask=(inner, True, False),
        )

    outputs, inputs, side, _ = layer.weight.shape
    name = f"{side}×{side} convolution {inputs} → {outputs} to {gradient.shape[2]}×{gradient.shape[3]}"
    flops = 2 * gradient.numel() * layer.weight[0].numel()
    both = "both gradients" if inner else "weights' gradient"
    return [
        Product(f"{name}, forward", flops, forward),
        Product(f"{name}, {both}", flops * (1 + inner), backward),
    ]
