from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.augment import crop_and_flip, epoch_choices


def cropped_one_by_one(images: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """Each image by itself: pad with black, cut out, mirror."""
    result = np.zeros_like(images)
    _, channels, height, width = images.shape
    for b, choice in enumerate(choices.tolist()):
        offset, flip = divmod(choice, 2)
        top, left = divmod(offset, 9)
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    source_y, source_x = top + y - 4, left + (width - 1 - x if flip else x) - 4
                    if 0 <= source_y < height and 0 <= source_x < width:
                        result[b, c, y, x] = images[b, c, source_y, source_x]
    return result


class TestCropAndFlip:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
    def test_equals_cropping_one_by_one(
        self, count: int, channels: int, height: int, width: int, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (count, channels, height, width), dtype=np.uint8)
        choices = rng.integers(0, 162, count, dtype=np.uint8)
        found = crop_and_flip(torch.from_numpy(images), torch.from_numpy(choices))
        assert found.dtype == torch.uint8
        np.testing.assert_array_equal(found.numpy(), cropped_one_by_one(images, choices))

    @pytest.mark.parametrize(("choice", "flipped"), [(80, False), (81, True)])
    def test_the_middle_choice_moves_nothing(self, choice: int, flipped: bool) -> None:
        images = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
        found = crop_and_flip(images, torch.tensor([choice], dtype=torch.uint8))
        assert torch.equal(found, images.flip(3) if flipped else images)


class TestEpochChoices:
    def test_all_162_are_equally_likely(self) -> None:
        counts = np.bincount(epoch_choices(0, 0, 162_000), minlength=162)
        assert len(counts) == 162
        assert np.abs(counts - 1000).max() < 4.5 * np.sqrt(1000)

    def test_they_are_a_function_of_seed_and_epoch(self) -> None:
        np.testing.assert_array_equal(epoch_choices(1, 2, 50), epoch_choices(1, 2, 50))
        assert (epoch_choices(1, 2, 50) != epoch_choices(1, 3, 50)).any()
        assert (epoch_choices(1, 2, 50) != epoch_choices(2, 2, 50)).any()
