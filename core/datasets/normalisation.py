"""From pixels to what a network takes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.datasets.dataset import Dataset


class Normalisation:
    """uint8 images → mean 0 and deviation 1 per channel over the training images, at the input's size.

    Computed in float32 and then rounded to `dtype`.
    """

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._mean, self._std = (
            torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (dataset.mean, dataset.std)
        )
        self._size = dataset.facts.input[1:]
        self._format, self._dtype = memory_format, dtype

    def __call__(self, images: Tensor) -> Tensor:
        """[B, C, h, w] → [B, C, H, W], in the memory format that the network computes in.

        Images of another size are enlarged bilinearly: after normalisation, of which the new pixels then need none.
        """
        # A mean per channel is subtracted four times faster from planes than from NHWC: the format changes last.
        normal = images.to(torch.float32).sub_(self._mean).div_(self._std)
        normal = normal.to(self._dtype, memory_format=self._format)
        if normal.shape[2:] == self._size:
            return normal
        return F.interpolate(normal, size=self._size, mode="bilinear", align_corners=False)
