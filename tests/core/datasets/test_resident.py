from __future__ import annotations

import pytest
import torch

from core.datasets import Dataset
from core.datasets.augment import crop_and_flip, epoch_choices
from core.datasets.batches import Batches, Normalisation
from core.datasets.order import epoch_order
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts

CPU = torch.device("cpu")


@pytest.fixture
def dataset(cifar: Splits, cifar_facts: DatasetFacts) -> Dataset:
    return Dataset.of(cifar_facts, cifar)


def batches(dataset: Dataset, augment: bool, seed: int = 3) -> Batches:
    normalise = Normalisation(dataset, CPU)
    return Batches(dataset, batch=6, seed=seed, augment=augment, device=CPU, normalise=normalise)


class TestNormalisation:
    def test_training_images_have_mean_zero_and_deviation_one(self, dataset: Dataset) -> None:
        images = Normalisation(dataset, CPU)(dataset.train_images)
        assert images.dtype == torch.float32
        torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(images.std((0, 2, 3), correction=0), torch.ones(3))

    def test_the_images_themselves_are_untouched(self, dataset: Dataset) -> None:
        before = dataset.train_images.clone()
        Normalisation(dataset, CPU)(dataset.train_images)
        assert torch.equal(dataset.train_images, before)


class TestBatches:
    @pytest.mark.parametrize("augment", [False, True])
    def test_an_epoch_is_the_ordered_images(self, dataset: Dataset, augment: bool) -> None:
        seen = [batches(dataset, augment).at(step) for step in range(4, 8)]
        assert [len(labels) for _, labels in seen] == [6, 6, 6, 2]
        order = torch.from_numpy(epoch_order(3, 1, 20))
        images = dataset.train_images[order]
        if augment:
            images = crop_and_flip(images, torch.from_numpy(epoch_choices(3, 1, 20)))
        assert torch.equal(torch.cat([batch for batch, _ in seen]), Normalisation(dataset, CPU)(images))
        assert torch.equal(torch.cat([labels for _, labels in seen]), dataset.train_labels[order])

    @pytest.mark.parametrize("augment", [False, True])
    def test_a_step_does_not_depend_on_earlier_calls(self, dataset: Dataset, augment: bool) -> None:
        one = batches(dataset, augment)
        for step in (9, 2, 7, 2, 9, 0):
            images, labels = one.at(step)
            fresh_images, fresh_labels = batches(dataset, augment).at(step)
            assert torch.equal(images, fresh_images)
            assert torch.equal(labels, fresh_labels)

    def test_augmentation_changes_from_epoch_to_epoch(self, dataset: Dataset) -> None:
        assert (epoch_choices(3, 0, 20) != epoch_choices(3, 1, 20)).any()
        assert not torch.equal(batches(dataset, True).at(0)[0], batches(dataset, False).at(0)[0])
