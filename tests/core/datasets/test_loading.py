from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.datasets import Dataset, load
from core.datasets.dataset import locate, moments
from core.datasets.splits import Splits
from core.jobs.datasets import DATASETS, DatasetFacts


class TestDigits:
    def test_it_is_as_its_facts_say(self, tmp_path: Path) -> None:
        digits = load("digits", tmp_path)
        assert digits.name == "digits"
        assert digits.train_images.shape == (1437, 1, 8, 8)
        assert digits.test_images.shape == (360, 1, 8, 8)
        assert digits.train_images.dtype == torch.uint8
        assert digits.train_labels.dtype == torch.int64
        assert (
            digits.train_labels.unique().tolist() == digits.test_labels.unique().tolist() == list(range(10))
        )

    def test_the_split_is_a_partition_and_always_the_same(self, tmp_path: Path) -> None:
        from sklearn.datasets import load_digits

        one, again = load("digits", tmp_path), load("digits", tmp_path)
        images = torch.cat([one.train_images, one.test_images]).flatten(1).numpy()
        labels = torch.cat([one.train_labels, one.test_labels]).numpy()
        found = sorted(zip(map(bytes, images), labels, strict=True))
        pixels, classes = load_digits(return_X_y=True)
        assert found == sorted(zip(map(bytes, pixels.astype(np.uint8)), classes, strict=True))
        assert torch.equal(one.train_images, again.train_images)
        assert one.train_labels[:8].tolist() == [9, 2, 5, 6, 7, 8, 9, 7]


class TestLoad:
    def test_an_unknown_name_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="'stl10'; there are: digits, mnist, fashion_mnist, cifar10"):
            load("stl10", tmp_path)


class TestLocate:
    @pytest.mark.parametrize("layout", [0, 1])
    @pytest.mark.parametrize("folder", ["mnist", "."])
    def test_a_layout_is_found_in_both_places(
        self,
        mnist: Splits,
        mnist_facts: DatasetFacts,
        idx_files: Any,
        tmp_path: Path,
        folder: str,
        layout: int,
    ) -> None:
        files = idx_files.write(mnist, tmp_path / folder, mnist_facts.layouts[layout])
        assert locate(mnist_facts, tmp_path) == files

    def test_its_own_folder_comes_first(
        self, mnist: Splits, mnist_facts: DatasetFacts, idx_files: Any, tmp_path: Path
    ) -> None:
        idx_files.write(mnist, tmp_path, mnist_facts.layouts[0])
        own = idx_files.write(mnist, tmp_path / "mnist", mnist_facts.layouts[1])
        assert locate(mnist_facts, tmp_path) == own

    def test_a_bundled_dataset_needs_no_files(self, tmp_path: Path) -> None:
        assert locate(DATASETS["digits"], tmp_path) == ()


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
        assert Dataset.of(cifar_facts, cifar).mean == Dataset.of(cifar_facts, brighter).mean

    def test_a_dataset_cannot_be_changed(self, cifar: Splits, cifar_facts: DatasetFacts) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            Dataset.of(cifar_facts, cifar).mean = (0.0,)  # type: ignore[misc]
