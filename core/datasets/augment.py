"""Pad by 4, crop at random, flip half of the images (He et al., 2016, section 4.2)."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from core.datasets.draws import Purpose, draw

PAD = 4
_OFFSETS = 2 * PAD + 1
CHOICES = 2 * _OFFSETS * _OFFSETS


def epoch_choices(seed: int, epoch: int, n: int) -> NDArray[np.uint8]:
    """For each position in the epoch's order, one of the 162 (row offset, column offset, flip) triples.

    The choice is (9 · row + column) · 2 + flip, uniform up to 162 / 2^64.
    """
    return (draw(Purpose.AUGMENTATION, seed, epoch, n) % CHOICES).astype(np.uint8)


def crop_and_flip(images: Tensor, choices: Tensor) -> Tensor:
    """Apply one choice of [B] to each image of uint8 [B, C, H, W], on the device that both are on."""
    _, channels, height, width = images.shape
    pixels = _pixels(height, width, images.device).index_select(0, choices.int())
    padded = F.pad(images, (PAD, PAD, PAD, PAD)).flatten(2)
    return padded.gather(2, pixels[:, None].expand(-1, channels, -1)).view(images.shape)


@cache
def _pixels(height: int, width: int, device: torch.device) -> Tensor:
    """[162, H·W]: for each choice, where in the padded image the pixels come from; 1.3 MB for 32×32."""
    choice = torch.arange(CHOICES, device=device)[:, None]
    column = torch.arange(width, device=device)
    rows = choice // 2 // _OFFSETS + torch.arange(height, device=device)
    columns = choice // 2 % _OFFSETS + torch.where(choice % 2 == 1, width - 1 - column, column)
    return (rows[:, :, None] * (width + 2 * PAD) + columns[:, None, :]).flatten(1)
