from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.datasets import DatasetInvalid, DatasetMissing, Resident, load
from core.datasets.loading import locate
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
        with pytest.raises(
            ValueError, match="'stl10'; there are: digits, digits_32, mnist, fashion_mnist, cifar10"
        ):
            load("stl10", tmp_path)

    def test_an_upsampled_dataset_is_read_from_the_files_of_the_other(
        self, cifar: Splits, cifar_facts: DatasetFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(DATASETS, "cifar10", cifar_facts)
        folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
        folder.mkdir(parents=True)
        records = np.concatenate([cifar.train_labels[:, None], cifar.train_images.reshape(20, -1)], axis=1)
        for number, batch in enumerate(np.split(records.astype(np.uint8), 5), 1):
            (folder / f"data_batch_{number}.bin").write_bytes(batch.tobytes())
        records = np.concatenate([cifar.test_labels[:, None], cifar.test_images.reshape(3, -1)], axis=1)
        (folder / "test_batch.bin").write_bytes(records.astype(np.uint8).tobytes())
        small, large = load("cifar10", tmp_path), load("cifar10_224", tmp_path)
        assert isinstance(small, Resident)
        assert isinstance(large, Resident)
        assert (large.name, large.facts.input) == ("cifar10_224", (3, 224, 224))
        assert torch.equal(large.train_images, small.train_images)
        assert torch.equal(large.test_labels, small.test_labels)
        assert (large.mean, large.std) == (small.mean, small.std)

    def test_imagenet_is_not_downloaded(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetMissing, match=r"it is not downloaded.*imagenet/train/, imagenet/val/"):
            load("imagenet", tmp_path)

    def test_imagenet_is_what_its_facts_say(self, tmp_path: Path) -> None:
        for split in ("train", "val"):
            (tmp_path / "imagenet" / split / "n01440764").mkdir(parents=True)
        with pytest.raises(DatasetInvalid, match=r"train: holds 1 folders named as n\d+ is, expected 1000"):
            load("imagenet", tmp_path)


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
