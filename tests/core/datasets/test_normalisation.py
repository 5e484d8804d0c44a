from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.datasets import Resident
from core.datasets.normalisation import Normalisation
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts

CPU = torch.device("cpu")


@pytest.fixture
def dataset(cifar: Splits, cifar_facts: DatasetFacts) -> Resident:
    return Resident.of(cifar_facts, cifar)


def enlarged(images: np.ndarray, size: int) -> np.ndarray:
    """Bilinearly, pixel by pixel: each is a square, and what is asked for is the value at the new pixel's middle."""
    _, _, height, width = images.shape
    result = np.empty((*images.shape[:2], size, size))
    for y in range(size):
        for x in range(size):
            row = min(max((y + 0.5) * height / size - 0.5, 0), height - 1)
            column = min(max((x + 0.5) * width / size - 0.5, 0), width - 1)
            top, left = int(row), int(column)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = images[..., top, left] * (1 - column + left) + images[..., top, right] * (column - left)
            lower = images[..., bottom, left] * (1 - column + left) + images[..., bottom, right] * (
                column - left
            )
            result[..., y, x] = upper * (1 - row + top) + lower * (row - top)
    return result


class TestNormalisation:
    def test_training_images_have_mean_zero_and_deviation_one(self, dataset: Resident) -> None:
        images = Normalisation(dataset, CPU)(dataset.train_images)
        assert images.dtype == torch.float32
        torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(images.std((0, 2, 3), correction=0), torch.ones(3))

    def test_the_images_themselves_are_untouched(self, dataset: Resident) -> None:
        before = dataset.train_images.clone()
        Normalisation(dataset, CPU)(dataset.train_images)
        assert torch.equal(dataset.train_images, before)

    @pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
    def test_every_pixel_is_its_distance_from_the_mean(
        self, dataset: Resident, memory_format: torch.memory_format
    ) -> None:
        found = Normalisation(dataset, CPU, memory_format)(dataset.train_images)
        mean, std = (np.float32(values).reshape(3, 1, 1) for values in (dataset.mean, dataset.std))
        np.testing.assert_array_equal(found.numpy(), (dataset.train_images.numpy() - mean) / std)
        assert found.is_contiguous(memory_format=memory_format)

    @pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
    def test_smaller_images_are_enlarged_to_the_input(
        self, dataset: Resident, memory_format: torch.memory_format
    ) -> None:
        larger = dataclasses.replace(dataset, facts=dataclasses.replace(dataset.facts, input=(3, 80, 80)))
        found = Normalisation(larger, CPU, memory_format)(dataset.test_images)
        normal = Normalisation(dataset, CPU)(dataset.test_images).numpy()
        np.testing.assert_allclose(found.numpy(), enlarged(normal, 80), atol=1e-5)
        assert found.is_contiguous(memory_format=memory_format)
