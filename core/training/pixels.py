"""Convolutions over images of one pixel, which networks come to on smaller images than they are made for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Images = tuple[int, int, int]


def without_strides_on_pixels(model: nn.Module, images: Images) -> None:
    """Take the stride from convolutions whose input is one pixel, for networks of images [C, H, W].

    There is one place for the kernel at either stride, so they compute the same. But with a stride, one thread and
    bfloat16, oneDNN as of torch 2.13 leaves the gradients of all weights outside of the pixel unwritten: whatever lay
    in memory, up to NaN.
    """

    def look(layer: nn.Module, given: tuple[Tensor, ...], _: Any) -> None:
        assert isinstance(layer, nn.Conv2d)
        assert isinstance(layer.padding, tuple)
        alike = all(2 * pad == side - 1 for pad, side in zip(layer.padding, layer.kernel_size, strict=True))
        if given[0].shape[-2:] == (1, 1) and alike and layer.dilation == (1, 1):
            layer.stride = (1, 1)

    hooks = [
        layer.register_forward_hook(look)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d) and not isinstance(layer.padding, str)
    ]
    if not hooks:
        return
    training, where = model.training, next(model.parameters()).device
    with torch.no_grad():
        model.eval()(torch.zeros(1, *images, device=where))
    model.train(training)
    for hook in hooks:
        hook.remove()
