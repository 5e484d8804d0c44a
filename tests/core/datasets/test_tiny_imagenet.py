from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets import DatasetInvalid
from core.datasets.loading import locate
from core.datasets.splits import Splits
from core.datasets.tiny_imagenet import read
from core.jobs.datasets import DATASETS, DatasetFacts

WNIDS = ["n02124075", "n04067472", "n01443537"]  # like the published list, in no order
FACTS = dataclasses.replace(DATASETS["tiny_imagenet"], classes=3, train=6, test=4)
ANSWERS = ["n01443537", "n04067472", "n02124075", "n04067472"]


def save(path: Path, brightness: int, mode: str = "RGB") -> None:
    """One colour, so that a file is known by its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = brightness if mode == "L" else (brightness, brightness, brightness)
    Image.new(mode, (64, 64), colour).save(path, "JPEG", quality=100)


def annotation(number: int, wnid: str) -> str:
    return f"val_{number}.JPEG\t{wnid}\t0\t32\t44\t62\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two training images a class and four validation images, of brightness 10, 20, 30 …"""
    root = tmp_path / "tiny-imagenet-200"
    brightness = iter(range(10, 200, 10))
    for wnid in WNIDS:
        for n in range(2):
            mode = "L" if n == 1 else "RGB"
            save(root / "train" / wnid / "images" / f"{wnid}_{n}.JPEG", next(brightness), mode)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t10\t63\t58\n")
    for n in range(4):
        save(root / "val" / "images" / f"val_{n}.JPEG", next(brightness))
    (root / "wnids.txt").write_text("\n".join(WNIDS))
    lines = [annotation(n, wnid) for n, wnid in enumerate(ANSWERS)]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    return root


def files(root: Path, facts: DatasetFacts = FACTS) -> tuple[Path, ...]:
    return locate(facts, root.parent)


class TestRead:
    def check(self, found: Splits) -> None:
        assert found.train_images.shape == (6, 3, 64, 64)
        assert found.test_images.shape == (4, 3, 64, 64)
        assert found.train_labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert found.test_labels.tolist() == [0, 2, 1, 2]
        for images, brightness in (
            (found.train_images, [50, 60, 10, 20, 30, 40]),  # by WordNet id, whatever order the list has
            (found.test_images, [70, 80, 90, 100]),
        ):
            for image, value in zip(images, brightness, strict=True):
                np.testing.assert_allclose(image.astype(int), value, atol=1)

    def test_classes_are_numbered_by_their_ids(self, root: Path) -> None:
        self.check(read(FACTS, files(root)))

    def test_the_second_time_it_reads_what_it_kept(self, root: Path) -> None:
        first = read(FACTS, files(root))
        assert np.load(root.parent / "tiny-imagenet-200.npy").shape == (10, 3, 64, 64)
        for found, expected in zip(read(FACTS, files(root)), first, strict=True):
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype

    def test_the_order_is_that_of_the_annotations(self, root: Path) -> None:
        path = root / "val" / "val_annotations.txt"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[::-1]))
        found = read(FACTS, files(root))
        assert found.test_labels.tolist() == [2, 1, 2, 0]
        np.testing.assert_allclose(found.test_images[0].astype(int), 100, atol=1)

    def test_line_ends_of_another_system(self, root: Path) -> None:
        for path in (root / "wnids.txt", root / "val" / "val_annotations.txt"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        self.check(read(FACTS, files(root)))

    def test_other_files_between_the_images_are_passed_over(self, root: Path) -> None:
        (root / "train" / WNIDS[0] / "images" / "Thumbs.db").touch()
        (root / "val" / "images" / ".DS_Store").touch()
        self.check(read(FACTS, files(root)))


class TestRefusals:
    def refused(self, root: Path, where: Path, defect: str) -> None:
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            read(FACTS, files(root))
        assert str(refusal.value).startswith(f"{where}: ")
        assert not (root.parent / "tiny-imagenet-200.npy").exists()

    @pytest.mark.parametrize(
        ("text", "defect"),
        [
            ("\n".join(WNIDS[:2]), "names 2 different classes in 2 lines, expected 3"),
            ("\n".join([*WNIDS, WNIDS[0]]), "names 3 different classes in 4 lines, expected 3"),
            ("\n".join([*WNIDS[:2], WNIDS[0]]), "names 2 different classes in 3 lines, expected 3"),
            ("\n".join([*WNIDS[:2], "../images"]), r"line 3 is '\.\./images', not a WordNet id"),
            ("\n\n".join(WNIDS), "line 2 is '', not a WordNet id"),
            ("n0144353\N{ARABIC-INDIC DIGIT SEVEN}", "line 1 is .*, not a WordNet id"),
        ],
    )
    def test_a_list_of_classes_that_is_none(self, root: Path, text: str, defect: str) -> None:
        (root / "wnids.txt").write_text(text, encoding="utf-8")
        self.refused(root, root / "wnids.txt", defect)

    def test_a_class_without_a_folder(self, root: Path) -> None:
        folder = root / "train" / WNIDS[1]
        folder.rename(root / "train" / "n00000000")
        self.refused(root, folder / "images", "is no folder of images: No such file")

    def test_a_class_with_too_few_images(self, root: Path) -> None:
        folder = root / "train" / WNIDS[1] / "images"
        (folder / f"{WNIDS[1]}_0.JPEG").unlink()
        self.refused(root, folder, "holds 1 JPEG files, expected 2")

    def test_too_many_validation_images(self, root: Path) -> None:
        save(root / "val" / "images" / "val_4.JPEG", 5)
        self.refused(root, root / "val" / "images", "holds 5 JPEG files, expected 4")

    @pytest.mark.parametrize(
        ("change", "defect"),
        [
            ({3: ""}, r"has no line for .*val_3\.JPEG"),
            ({3: annotation(2, WNIDS[0])}, r"line 4 names 'val_2\.JPEG', not in .* or named before"),
            ({3: annotation(4, WNIDS[0])}, r"line 4 names 'val_4\.JPEG', not in"),
            ({3: annotation(3, "n99999999")}, "line 4 names class 'n99999999', not in wnids"),
            ({3: "val_3.JPEG\n"}, "line 4 names class '', not in wnids"),
            ({3: "\n"}, "line 4 names '', not in"),
            ({3: "../images/val_3.JPEG\tn02124075\n"}, "line 4 names '../images/val_3.JPEG', not in"),
            ({2: annotation(2, WNIDS[1])}, f"names no image of class {WNIDS[0]}"),
        ],
    )
    def test_annotations_that_do_not_fit(self, root: Path, change: dict[int, str], defect: str) -> None:
        lines = {n: annotation(n, wnid) for n, wnid in enumerate(ANSWERS)} | change
        (root / "val" / "val_annotations.txt").write_text("".join(lines.values()))
        self.refused(root, root / "val" / "val_annotations.txt", defect)

    def test_annotations_that_are_no_text(self, root: Path) -> None:
        (root / "val" / "val_annotations.txt").write_bytes(bytes(range(256)))
        self.refused(root, root / "val" / "val_annotations.txt", "line 1 names")

    def test_a_truncated_image(self, root: Path) -> None:
        path = root / "val" / "images" / "val_2.JPEG"
        path.write_bytes(path.read_bytes()[:200])
        self.refused(root, path, "is not a whole JPEG")

    def test_an_image_of_another_size(self, root: Path) -> None:
        path = root / "train" / WNIDS[2] / "images" / f"{WNIDS[2]}_1.JPEG"
        Image.new("L", (64, 48)).save(path, "JPEG")
        self.refused(root, path, "is L of 64×48 pixels, expected L or RGB of 64×64")
