"""Pad by 4, crop at random, flip half of the images (He et al., 2016, section 4.2)."""

from __future__ import annotations

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
    count, channels, height, width = images.shape
    offsets, flip = choices.long() // 2, choices % 2 == 1
    column = torch.arange(width, device=images.device)
    rows = offsets[:, None] // _OFFSETS + torch.arange(height, device=images.device)
    columns = offsets[:, None] % _OFFSETS + torch.where(flip[:, None], width - 1 - column, column)
    pixels = rows[:, :, None] * (width + 2 * PAD) + columns[:, None, :]
    padded = F.pad(images, (PAD, PAD, PAD, PAD)).flatten(2)
    return padded.gather(2, pixels.view(count, 1, -1).expand(-1, channels, -1)).view(images.shape)
