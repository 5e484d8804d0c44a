from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.datasets import Batches, Resident
from core.datasets.augment import crop_and_flip, epoch_choices
from core.datasets.normalisation import Normalisation
from core.datasets.order import epoch_order
from core.datasets.resident import moments
from core.datasets.splits import Splits
from core.jobs.datasets import DATASETS, DatasetFacts

CPU = torch.device("cpu")


@pytest.fixture
def dataset(cifar: Splits, cifar_facts: DatasetFacts) -> Resident:
    return Resident.of(cifar_facts, cifar)


def batches(dataset: Resident, augment: bool, seed: int = 3, batch: int = 6) -> Batches:
    return dataset.batches(batch=batch, seed=seed, augment=augment, device=CPU)


class TestBatches:
    @pytest.mark.parametrize("augment", [False, True])
    def test_an_epoch_is_the_ordered_images(self, dataset: Resident, augment: bool) -> None:
        seen = [batches(dataset, augment).at(step) for step in range(4, 8)]
        assert [len(labels) for _, labels in seen] == [6, 6, 6, 2]
        order = torch.from_numpy(epoch_order(3, 1, 20))
        images = dataset.train_images[order]
        if augment:
            images = crop_and_flip(images, torch.from_numpy(epoch_choices(3, 1, 20)))
        assert torch.equal(torch.cat([batch for batch, _ in seen]), Normalisation(dataset, CPU)(images))
        assert torch.equal(torch.cat([labels for _, labels in seen]), dataset.train_labels[order])

    @pytest.mark.parametrize("augment", [False, True])
    def test_a_step_does_not_depend_on_earlier_calls(self, dataset: Resident, augment: bool) -> None:
        one = batches(dataset, augment)
        for step in (9, 2, 7, 2, 9, 0):
            images, labels = one.at(step)
            fresh_images, fresh_labels = batches(dataset, augment).at(step)
            assert torch.equal(images, fresh_images)
            assert torch.equal(labels, fresh_labels)

    @pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
    @pytest.mark.parametrize("augment", [False, True])
    def test_in_bfloat16_they_are_the_same_rounded(
        self, dataset: Resident, augment: bool, memory_format: torch.memory_format
    ) -> None:
        given = {"batch": 6, "seed": 3, "augment": augment, "device": CPU, "memory_format": memory_format}
        rounded = dataset.batches(**given, dtype=torch.bfloat16)
        for step in (0, 3, 5):
            (images, labels), (found, same) = dataset.batches(**given).at(step), rounded.at(step)
            assert torch.equal(found, images.bfloat16())
            assert found.dtype == torch.bfloat16
            assert torch.equal(labels, same)

    def test_what_is_too_large_to_be_made_ready_is_normalised_as_it_is_asked_for(
        self, dataset: Resident, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ready = batches(dataset, False)
        monkeypatch.setattr("core.datasets.resident._READY_BYTES", 0)
        prepared = batches(dataset, False)
        assert type(prepared) is not type(ready)
        for step in range(8):
            assert all(
                torch.equal(one, other) for one, other in zip(ready.at(step), prepared.at(step), strict=True)
            )

    def test_augmentation_changes_from_epoch_to_epoch(self, dataset: Resident) -> None:
        assert (epoch_choices(3, 0, 20) != epoch_choices(3, 1, 20)).any()
        assert not torch.equal(batches(dataset, True).at(0)[0], batches(dataset, False).at(0)[0])

    def test_only_images_that_keep_their_class_are_augmented(self, dataset: Resident) -> None:
        facts = dataclasses.replace(dataset.facts, augmented=False)
        digits = dataclasses.replace(dataset, facts=facts)
        for asked, given in zip(batches(digits, True).at(0), batches(dataset, False).at(0), strict=True):
            assert torch.equal(asked, given)

    @pytest.mark.parametrize("batch", [1, 6, 7, 20, 50])
    def test_steps_prepared_together_are_those_prepared_alone(self, dataset: Resident, batch: int) -> None:
        together = batches(dataset, True, batch=batch)
        for step in range(2 * together.steps_per_epoch):
            for found, alone in zip(
                together.at(step), batches(dataset, True, batch=batch).at(step), strict=True
            ):
                assert torch.equal(found, alone)
                assert found.stride() == alone.stride()

    def test_what_was_handed_out_stays_as_it_is(self, dataset: Resident) -> None:
        one = batches(dataset, True)
        seen = [one.at(step)[0] for step in range(8)]
        for step, images in enumerate(seen):
            assert torch.equal(images, batches(dataset, True).at(step)[0])

    @pytest.mark.parametrize("channels", [1, 3])
    def test_they_come_in_the_memory_format_asked_for(self, channels: int) -> None:
        facts = dataclasses.replace(DATASETS["mnist"], input=(channels, 28, 28), train=4, test=1)
        images, labels = np.zeros((5, channels, 28, 28), np.uint8), np.zeros(5, np.int64)
        dataset = Resident.of(facts, Splits(images[:4], labels[:4], images[4:], labels[4:]))
        last = torch.channels_last
        found, _ = dataset.batches(batch=3, seed=0, augment=False, device=CPU, memory_format=last).at(0)
        expected = torch.empty(3, channels, 28, 28).to(torch.float64, memory_format=last)
        assert (
            found.stride() == expected.stride()
        )  # of one channel too, where a layout is a matter of strides alone


class TestTestBatches:
    def test_they_are_the_test_images_in_order(self, dataset: Resident) -> None:
        found = dataset.test_batches(CPU)
        for _ in range(2):
            ((images, labels),) = found
            assert torch.equal(images, Normalisation(dataset, CPU)(dataset.test_images))
            assert torch.equal(labels, dataset.test_labels)

    @pytest.mark.parametrize(
        ("name", "sizes"), [("cifar10", [1000, 1000, 5]), ("cifar10_224", [111] * 18 + [7])]
    )
    def test_batches_of_large_images_are_smaller(self, name: str, sizes: list[int]) -> None:
        facts = dataclasses.replace(DATASETS[name], train=1, test=2005)
        images, labels = np.zeros((2006, 3, 32, 32), np.uint8), np.zeros(2006, np.int64)
        dataset = Resident.of(facts, Splits(images[:1], labels[:1], images[1:], labels[1:]))
        found = dataset.test_batches(CPU)
        if name == "cifar10":
            assert [images.shape for images, _ in found] == [(size, 3, 32, 32) for size in sizes]
        else:
            images, labels = next(iter(found))
            assert (images.shape, len(labels)) == ((111, 3, 224, 224), 111)


class TestMoments:
    def test_they_are_those_of_the_pixels(self) -> None:
        images = np.random.default_rng(0).integers(0, 256, (2500, 3, 5, 4), dtype=np.uint8)
        mean, std = moments(images)
        np.testing.assert_allclose(mean, images.mean(axis=(0, 2, 3)), rtol=1e-13)
        np.testing.assert_allclose(std, images.std(axis=(0, 2, 3)), rtol=1e-11)

    def test_large_sums_do_not_overflow(self) -> None:
        bright = np.zeros((50_000, 1, 32, 32), np.uint8)
        bright[::2] = 255
        assert moments(bright) == ((127.5,), (127.5,))

    def test_a_constant_channel_is_divided_by_one(self) -> None:
        assert moments(np.full((4, 1, 2, 2), 9, np.uint8)) == ((9.0,), (1.0,))

    def test_only_training_images_are_measured(self, cifar: Splits, cifar_facts: DatasetFacts) -> None:
        brighter = cifar._replace(test_images=np.full_like(cifar.test_images, 255))
        assert Resident.of(cifar_facts, cifar).mean == Resident.of(cifar_facts, brighter).mean

    def test_a_dataset_cannot_be_changed(self, cifar: Splits, cifar_facts: DatasetFacts) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            Resident.of(cifar_facts, cifar).mean = (0.0,)  # type: ignore[misc]
