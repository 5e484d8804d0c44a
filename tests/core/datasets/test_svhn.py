from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.datasets import DatasetInvalid
from core.datasets.splits import Splits
from core.datasets.svhn import read
from core.jobs.datasets import DatasetFacts


def matrices(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X and y, filled pixel by pixel; digit 0 is written as 10."""
    count, channels, height, width = images.shape
    x = np.zeros((height, width, channels, count), np.uint8)
    for n in range(count):
        for c in range(channels):
            for row in range(height):
                x[row, :, c, n] = images[n, c, row]
    return x, np.array([[label or 10] for label in labels.tolist()], np.uint8)


@pytest.fixture
def files(svhn: Splits, mat: Any, tmp_path: Path) -> tuple[Path, Path]:
    paths = []
    for name, split in (("train", svhn[:2]), ("test", svhn[2:])):
        x, y = matrices(*split)
        variables = mat.compressed(mat.variable("X", x)), mat.compressed(mat.variable("y", y))
        paths.append(mat.write(tmp_path / f"{name}_32x32.mat", *variables))
    train, test = paths
    return train, test


class TestRead:
    def test_what_was_written_is_read(
        self, svhn: Splits, svhn_facts: DatasetFacts, files: tuple[Path, Path]
    ) -> None:
        assert 0 in svhn.train_labels
        for found, expected in zip(read(svhn_facts, files), svhn, strict=True):
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
            assert found.flags.writeable
            assert found.flags.c_contiguous

    def test_plain_variables_in_another_order_with_labels_in_doubles(
        self, mat: Any, svhn: Splits, svhn_facts: DatasetFacts, files: tuple[Path, Path]
    ) -> None:
        x, y = matrices(*svhn[2:])
        extra = mat.variable("z", np.zeros((1, 1), np.uint8))
        mat.write(files[1], extra, mat.variable("y", y.astype(float)), mat.variable("X", x))
        found = read(svhn_facts, files)
        np.testing.assert_array_equal(found.test_images, svhn.test_images)
        np.testing.assert_array_equal(found.test_labels, svhn.test_labels)


class TestRefusals:
    def refused(self, facts: DatasetFacts, files: tuple[Path, Path], defect: str) -> None:
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            read(facts, files)
        assert str(files[1]) in str(refusal.value)

    @pytest.fixture
    def x(self, svhn: Splits) -> np.ndarray:
        return matrices(*svhn[2:])[0]

    @pytest.fixture
    def y(self, svhn: Splits) -> np.ndarray:
        return matrices(*svhn[2:])[1]

    def test_too_few_images(
        self, mat: Any, svhn_facts: DatasetFacts, files: tuple[Path, Path], x: np.ndarray, y: np.ndarray
    ) -> None:
        mat.write(files[1], mat.variable("X", x[..., :4]), mat.variable("y", y))
        self.refused(svhn_facts, files, r"X has shape \(32, 32, 3, 4\), expected \(32, 32, 3, 5\)")

    def test_too_many_labels(
        self, mat: Any, svhn_facts: DatasetFacts, files: tuple[Path, Path], x: np.ndarray, y: np.ndarray
    ) -> None:
        mat.write(files[1], mat.variable("X", x), mat.variable("y", np.concatenate([y, y])))
        self.refused(svhn_facts, files, r"y has shape \(10, 1\), expected \(5, 1\)")

    def test_pixels_of_another_type(
        self, mat: Any, svhn_facts: DatasetFacts, files: tuple[Path, Path], x: np.ndarray, y: np.ndarray
    ) -> None:
        mat.write(files[1], mat.variable("X", x.astype(np.int8)), mat.variable("y", y))
        self.refused(svhn_facts, files, "X is stored as int8, expected uint8")

    def test_a_missing_variable(
        self, mat: Any, svhn_facts: DatasetFacts, files: tuple[Path, Path], x: np.ndarray
    ) -> None:
        mat.write(files[1], mat.variable("X", x))
        self.refused(svhn_facts, files, "has no array of numbers y")

    def test_more_than_is_expected(
        self, mat: Any, svhn_facts: DatasetFacts, files: tuple[Path, Path], x: np.ndarray, y: np.ndarray
    ) -> None:
        bomb = mat.compressed(mat.variable("X", np.zeros((32, 32, 3, 6), np.uint8)))
        mat.write(files[1], bomb, mat.variable("y", y))
        self.refused(svhn_facts, files, "unpacks to more than 16384 bytes")

    def test_a_file_that_is_cut_off(self, svhn_facts: DatasetFacts, files: tuple[Path, Path]) -> None:
        files[1].write_bytes(files[1].read_bytes()[:-9])
        self.refused(svhn_facts, files, "is not a whole MATLAB file")

    @pytest.mark.parametrize("label", [0, 11, 1.5, np.nan])
    def test_a_label_that_is_no_class(
        self,
        mat: Any,
        svhn_facts: DatasetFacts,
        files: tuple[Path, Path],
        x: np.ndarray,
        y: np.ndarray,
        label: float,
    ) -> None:
        labels = y.astype(float)
        labels[3] = label
        mat.write(files[1], mat.variable("X", x), mat.variable("y", labels))
        self.refused(svhn_facts, files, "y holds labels outside 1 … 10")
