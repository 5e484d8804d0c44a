from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.datasets import DatasetInvalid
from core.datasets.class_folders import Examples, examples


def listed(photographs: Any) -> tuple[Examples, Examples]:
    return examples(photographs.facts, photographs.train, photographs.test)


def as_pairs(found: Examples) -> list[tuple[Path, int]]:
    return [(Path(found.path(row)), label) for row, label in enumerate(found.labels.tolist())]


class TestExamples:
    def test_they_are_in_order_of_class_and_name(self, photographs: Any) -> None:
        for found, split in zip(listed(photographs), photographs.expected.values(), strict=True):
            assert as_pairs(found) == sorted(split)
            assert found.labels.dtype == np.int64

    def test_other_things_in_the_folders_are_passed_over(self, photographs: Any) -> None:
        (photographs.train / "lost+found").mkdir()
        (photographs.train / "n00000001.tar").touch()
        (photographs.test / photographs.CLASSES[0] / "Thumbs.db").touch()
        found, _ = listed(photographs)
        assert len(as_pairs(found)) == 40

    def test_names_that_are_no_text(self, photographs: Any) -> None:
        path, label = photographs.expected[photographs.test][0]
        odd = path.with_name(os.fsdecode(b"\xff\n.JPEG"))
        path.rename(odd)
        _, found = listed(photographs)
        assert (odd, label) in as_pairs(found)


class TestCache:
    def test_the_folders_are_not_listed_again(self, photographs: Any) -> None:
        first, _ = listed(photographs)
        folder = photographs.train / photographs.CLASSES[1]
        status = folder.stat()
        (folder / "n_new.JPEG").touch()
        os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))  # as if nothing had changed
        again, _ = listed(photographs)
        assert as_pairs(again) == as_pairs(first)
        assert photographs.train.parent.with_name("imagenet.npy").is_file()

    @pytest.mark.parametrize("split", ["train", "test"])
    def test_a_file_that_came_is_noticed(self, photographs: Any, split: str) -> None:
        listed(photographs)
        folder = getattr(photographs, split)
        (folder / photographs.CLASSES[1] / "n_new.JPEG").touch()
        with pytest.raises(DatasetInvalid, match=rf"{folder}: holds (41|12) JPEG files in its classes"):
            listed(photographs)

    def test_a_renamed_file_is_noticed(self, photographs: Any) -> None:
        listed(photographs)
        path, label = photographs.expected[photographs.train][5]
        path.rename(path.with_name("renamed.JPEG"))
        found, _ = listed(photographs)
        assert (path.with_name("renamed.JPEG"), label) in as_pairs(found)


class TestRefusals:
    def refused(self, photographs: Any, where: Path, defect: str) -> None:
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            listed(photographs)
        assert str(refusal.value).startswith(f"{where}: ")
        assert not photographs.train.parent.with_name("imagenet.npy").exists()

    def test_images_that_are_not_sorted_into_classes(self, photographs: Any) -> None:
        for path, _ in photographs.expected[photographs.test]:
            path.rename(photographs.test / path.name)
        for wnid in photographs.CLASSES:
            (photographs.test / wnid).rmdir()
        self.refused(photographs, photographs.test, "holds 0 folders named as n01440764 is, expected 3")

    def test_classes_that_differ_between_the_splits(self, photographs: Any) -> None:
        (photographs.test / photographs.CLASSES[1]).rename(photographs.test / "n00000011")
        self.refused(photographs, photographs.test / "n00000011", "is of a class that .*train does not have")

    def test_too_few_images(self, photographs: Any) -> None:
        photographs.expected[photographs.train][7][0].unlink()
        self.refused(photographs, photographs.train, "holds 39 JPEG files in its classes, expected 40")

    def test_a_file_in_place_of_a_class(self, photographs: Any) -> None:
        folder = photographs.train / photographs.CLASSES[0]
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.touch()
        self.refused(photographs, folder, "is no folder of images: Not a directory")
