from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.datasets import DatasetInvalid
from core.datasets.idx import read
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts


class TestRead:
    @pytest.mark.parametrize("layout", [0, 1], ids=["gz", "plain"])
    def test_what_was_written_is_read(
        self, mnist: Splits, mnist_facts: DatasetFacts, idx_files: Any, tmp_path: Path, layout: int
    ) -> None:
        files = idx_files.write(mnist, tmp_path, mnist_facts.layouts[layout])
        for found, expected in zip(read(mnist_facts, files), mnist, strict=True):
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
            assert found.flags.writeable


class TestRefusals:
    @pytest.fixture(params=[0, 1], ids=["gz", "plain"])
    def files(
        self,
        request: pytest.FixtureRequest,
        mnist: Splits,
        mnist_facts: DatasetFacts,
        idx_files: Any,
        tmp_path: Path,
    ) -> tuple[Path, ...]:
        return idx_files.write(mnist, tmp_path, mnist_facts.layouts[request.param])

    @staticmethod
    def rewrite(path: Path, content: bytes) -> None:
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)

    @staticmethod
    def content(path: Path) -> bytes:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

    def refused(self, facts: DatasetFacts, files: tuple[Path, ...], which: int, defect: str) -> None:
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            read(facts, files)
        assert str(files[which]) in str(refusal.value)

    def test_an_empty_file(self, mnist_facts: DatasetFacts, files: tuple[Path, ...]) -> None:
        self.rewrite(files[0], b"")
        self.refused(mnist_facts, files, 0, "ends inside its header of 16 bytes")

    def test_another_magic_number(self, mnist_facts: DatasetFacts, files: tuple[Path, ...]) -> None:
        self.rewrite(files[0], b"\0\0\x0d\3" + self.content(files[0])[4:])
        self.refused(mnist_facts, files, 0, "magic number is 0x00000d03")

    def test_labels_where_images_belong(self, mnist_facts: DatasetFacts, files: tuple[Path, ...]) -> None:
        self.rewrite(files[2], self.content(files[3]) + bytes(16))
        self.refused(mnist_facts, files, 2, "magic number is 0x00000801")

    def test_another_shape(self, mnist_facts: DatasetFacts, files: tuple[Path, ...]) -> None:
        self.rewrite(files[0], struct.pack(">4I", 0x803, 30, 28, 27) + self.content(files[0])[16:])
        self.refused(mnist_facts, files, 0, r"declares shape \[30, 28, 27\], expected \[30, 28, 28\]")

    def test_a_missing_byte(self, mnist_facts: DatasetFacts, files: tuple[Path, ...]) -> None:
        self.rewrite(files[2], self.content(files[2])[:-1])
        self.refused(mnist_facts, files, 2, "should hold 5504 bytes, holds 5503 bytes")

    def test_trailing_bytes(self, mnist_facts: DatasetFacts, files: tuple[Path, ...]) -> None:
        self.rewrite(files[3], self.content(files[3]) + bytes(10**6))
        self.refused(mnist_facts, files, 3, "should hold 15 bytes, holds more")

    def test_a_label_that_is_no_class(self, mnist_facts: DatasetFacts, files: tuple[Path, ...]) -> None:
        self.rewrite(files[1], self.content(files[1])[:-1] + b"\x0a")
        self.refused(mnist_facts, files, 1, "holds label 10; there are 10 classes")


class TestGzipRefusals:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: content[:-9],
            lambda content: content[:-8] + bytes(8),
            lambda content: b"PK" + content[2:],
            lambda content: content[:100] + bytes(100) + content[200:],
        ],
        ids=["cut", "checksum", "no gzip", "overwritten"],
    )
    def test_a_damaged_file(
        self, mnist: Splits, mnist_facts: DatasetFacts, idx_files: Any, tmp_path: Path, damage: Any
    ) -> None:
        files = idx_files.write(mnist, tmp_path, mnist_facts.layouts[0])
        files[0].write_bytes(damage(files[0].read_bytes()))
        with pytest.raises(DatasetInvalid, match=r"train-images-idx3-ubyte\.gz: is not a whole gzip file"):
            read(mnist_facts, files)
