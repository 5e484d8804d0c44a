from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.datasets import DatasetInvalid
from core.datasets.cifar import CIFAR10, CIFAR100, read
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts


def batches(splits: Splits) -> list[tuple[np.ndarray, np.ndarray]]:
    train = zip(np.split(splits.train_images, 5), np.split(splits.train_labels, 5), strict=True)
    return [*train, (splits.test_images, splits.test_labels)]


def binary(images: np.ndarray, labels: np.ndarray) -> bytes:
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def pickled(images: np.ndarray, labels: np.ndarray) -> bytes:
    batch = {
        b"batch_label": b"training batch",
        b"labels": labels.tolist(),
        b"data": images.reshape(len(images), -1),
        b"filenames": [b"x.png"] * len(images),
    }
    return pickle.dumps(batch, protocol=2)


def string(value: bytes) -> bytes:
    return b"U" + bytes([len(value)]) + value


def pickled_by_python_2(images: np.ndarray, labels: np.ndarray) -> bytes:
    """The opcodes that the published files consist of: byte strings, and NumPy's names from before 2.0."""
    count, size = len(images), images[0].size
    return (
        b"\x80\x02}("
        + string(b"data")
        + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + string(b"b")
        + b"\x87R(K\x01"
        + b"K" + bytes([count]) + b"M" + size.to_bytes(2, "little") + b"\x86"
        + b"cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R"
        + b"(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T" + images.nbytes.to_bytes(4, "little") + images.tobytes() + b"tb"
        + string(b"labels") + b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
        + b"u."
    )  # fmt: skip


def write(
    splits: Splits, root: Path, layout: tuple[str, ...], form: Callable[..., bytes]
) -> tuple[Path, ...]:
    files = tuple(root / name for name in layout)
    files[0].parent.mkdir(parents=True)
    for file, (images, labels) in zip(files, batches(splits), strict=True):
        file.write_bytes(form(images, labels))
    return files


class TestRead:
    @pytest.mark.parametrize(
        ("layout", "form"),
        [(0, binary), (1, pickled), (1, pickled_by_python_2)],
        ids=["binary", "python", "python 2"],
    )
    def test_what_was_written_is_read(
        self,
        cifar: Splits,
        cifar_facts: DatasetFacts,
        tmp_path: Path,
        layout: int,
        form: Callable[..., bytes],
    ) -> None:
        files = write(cifar, tmp_path, cifar_facts.layouts[layout], form)
        for found, expected in zip(read(CIFAR10, cifar_facts, files), cifar, strict=True):
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
            assert found.flags.writeable

    def test_the_python_2_form_is_what_numpy_itself_reads(self, cifar: Splits) -> None:
        images, labels = cifar.test_images, cifar.test_labels
        content = pickled_by_python_2(images, labels).replace(b"numpy.core", b"numpy._core")
        batch = pickle.loads(content, encoding="bytes")  # noqa: S301 - written two lines above
        np.testing.assert_array_equal(batch[b"data"], images.reshape(3, -1))
        assert batch[b"labels"] == labels.tolist()


def binary_100(images: np.ndarray, labels: np.ndarray) -> bytes:
    """A superclass, which nothing here reads, before the class."""
    records = zip(images, labels, strict=True)
    return b"".join(bytes([label % 20, label]) + image.tobytes() for image, label in records)


def pickled_100(images: np.ndarray, labels: np.ndarray) -> bytes:
    batch = {
        b"filenames": [b"x.png"] * len(images),
        b"batch_label": b"training batch 1 of 1",
        b"fine_labels": labels.tolist(),
        b"coarse_labels": (labels % 20).tolist(),
        b"data": images.reshape(len(images), -1),
    }
    return pickle.dumps(batch, protocol=2)


def write_100(
    splits: Splits, root: Path, layout: tuple[str, ...], form: Callable[..., bytes]
) -> tuple[Path, ...]:
    train, test = (root / name for name in layout)
    train.parent.mkdir(parents=True)
    train.write_bytes(form(splits.train_images, splits.train_labels))
    test.write_bytes(form(splits.test_images, splits.test_labels))
    return train, test


class TestRead100:
    @pytest.mark.parametrize(
        ("layout", "form"), [(0, binary_100), (1, pickled_100)], ids=["binary", "python"]
    )
    def test_fine_labels_are_read(
        self,
        cifar100: Splits,
        cifar100_facts: DatasetFacts,
        tmp_path: Path,
        layout: int,
        form: Callable[..., bytes],
    ) -> None:
        assert cifar100.train_labels.max() > 20
        files = write_100(cifar100, tmp_path, cifar100_facts.layouts[layout], form)
        for found, expected in zip(read(CIFAR100, cifar100_facts, files), cifar100, strict=True):
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
            assert found.flags.writeable

    def test_records_with_one_label_are_refused(
        self, cifar100: Splits, cifar100_facts: DatasetFacts, tmp_path: Path
    ) -> None:
        files = write_100(cifar100, tmp_path, cifar100_facts.layouts[0], binary)
        with pytest.raises(
            DatasetInvalid, match=r"train\.bin: holds 61460 bytes, expected 20 records of 3074"
        ):
            read(CIFAR100, cifar100_facts, files)

    def test_a_fine_label_that_is_no_class_is_refused(
        self, cifar100: Splits, cifar100_facts: DatasetFacts, tmp_path: Path
    ) -> None:
        files = write_100(cifar100, tmp_path, cifar100_facts.layouts[0], binary_100)
        files[1].write_bytes(b"\x00\x64" + files[1].read_bytes()[2:])
        with pytest.raises(DatasetInvalid, match=r"test\.bin: holds labels outside 0 … 99"):
            read(CIFAR100, cifar100_facts, files)

    def test_a_pickle_of_cifar10_is_refused(
        self, cifar100: Splits, cifar100_facts: DatasetFacts, tmp_path: Path
    ) -> None:
        files = write_100(cifar100, tmp_path, cifar100_facts.layouts[1], pickled)
        with pytest.raises(DatasetInvalid, match=r"train: is not a CIFAR batch: KeyError: b'fine_labels'"):
            read(CIFAR100, cifar100_facts, files)


class TestBinaryRefusals:
    @pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content + b"\0"])
    def test_another_length(
        self, cifar: Splits, cifar_facts: DatasetFacts, tmp_path: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        files = write(cifar, tmp_path, cifar_facts.layouts[0], binary)
        files[2].write_bytes(damage(files[2].read_bytes()))
        with pytest.raises(
            DatasetInvalid, match=r"data_batch_3\.bin: holds \d+ bytes, expected 4 records of 3073"
        ):
            read(CIFAR10, cifar_facts, files)

    def test_a_label_that_is_no_class(self, cifar: Splits, cifar_facts: DatasetFacts, tmp_path: Path) -> None:
        files = write(cifar, tmp_path, cifar_facts.layouts[0], binary)
        files[5].write_bytes(b"\x0a" + files[5].read_bytes()[1:])
        with pytest.raises(DatasetInvalid, match=r"test_batch\.bin: holds labels outside 0 … 9"):
            read(CIFAR10, cifar_facts, files)


class Caller:
    """Pickles into a call of anything."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self._call = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


class TestPickleRefusals:
    def refused(self, cifar_facts: DatasetFacts, folder: Path, content: bytes, defect: str) -> None:
        test = folder / "test_batch"
        test.write_bytes(content)
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            read(CIFAR10, cifar_facts, (test, test))
        assert str(test) in str(refusal.value)

    @pytest.fixture
    def facts(self, cifar_facts: DatasetFacts) -> DatasetFacts:
        return cifar_facts.__class__(**{**vars(cifar_facts), "train": 3})

    def test_a_call_of_anything_else_is_not_made(self, facts: DatasetFacts, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.touch()
        content = pickle.dumps({b"data": Caller(os.remove, str(victim)), b"labels": []}, protocol=2)
        self.refused(facts, tmp_path, content, "posix.remove does not belong in such a file")
        assert victim.exists()

    @pytest.mark.parametrize(
        "call",
        [Caller(eval, "1"), Caller(getattr, 1, "real"), Caller(np.load, "x"), Caller(bytearray, 10**12)],
    )
    def test_even_builtins_and_numpy_are_not_called(
        self, facts: DatasetFacts, tmp_path: Path, call: Caller
    ) -> None:
        self.refused(facts, tmp_path, pickle.dumps(call, protocol=2), "does not belong in such a file")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            # LONG_BINPUT at place 175 million: room for as many, of eight bytes each, in the memo.
            (b"\x80\x02]r\x02\x63\x79\x0a.", "of its memo"),
            (b"\x80\x04]p175726962\n.", "of its memo"),
            # BINBYTES8 of an exabyte.
            (
                b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"few.",
                "expected 1152921504606846976 bytes",
            ),
        ],
    )
    def test_what_would_take_memory_for_nothing(
        self, facts: DatasetFacts, tmp_path: Path, content: bytes, said: str
    ) -> None:
        self.refused(facts, tmp_path, content, said)

    def test_an_array_of_objects(self, facts: DatasetFacts, tmp_path: Path) -> None:
        content = pickle.dumps({b"data": np.array([None]), b"labels": [1]}, protocol=2)
        self.refused(facts, tmp_path, content, "an array of 'O8', not of bytes")

    def test_another_shape(self, cifar: Splits, facts: DatasetFacts, tmp_path: Path) -> None:
        content = pickled(cifar.test_images[:2], cifar.test_labels)
        self.refused(facts, tmp_path, content, r"data has shape \(2, 3072\)")

    def test_a_shape_that_its_bytes_do_not_fill(
        self, cifar: Splits, facts: DatasetFacts, tmp_path: Path
    ) -> None:
        content = pickled_by_python_2(cifar.test_images, cifar.test_labels)
        short = content.replace(b"T\x00\x24\x00\x00" + cifar.test_images.tobytes()[:1], b"T\xff\x23\x00\x00")
        assert short != content
        self.refused(facts, tmp_path, short, "is not a CIFAR batch")

    def test_a_column_major_array(self, cifar: Splits, facts: DatasetFacts, tmp_path: Path) -> None:
        data = np.asfortranarray(cifar.test_images.reshape(3, -1))
        content = pickle.dumps({b"data": data, b"labels": cifar.test_labels.tolist()}, protocol=2)
        self.refused(facts, tmp_path, content, r"expected row-major \(3, 3072\)")

    def test_too_few_labels(self, cifar: Splits, facts: DatasetFacts, tmp_path: Path) -> None:
        content = pickled(cifar.test_images, cifar.test_labels[:2])
        self.refused(facts, tmp_path, content, "holds 2 labels, expected 3")

    def test_labels_that_are_no_integers(self, cifar: Splits, facts: DatasetFacts, tmp_path: Path) -> None:
        content = pickled(cifar.test_images, cifar.test_labels / 2)
        self.refused(facts, tmp_path, content, "labels are not a list of integers")

    def test_no_arrays_at_all(self, facts: DatasetFacts, tmp_path: Path) -> None:
        self.refused(
            facts, tmp_path, pickle.dumps({b"data": [1], b"labels": [1]}), "data is not a uint8 array"
        )

    @pytest.mark.parametrize(
        "content", [b"", b"\x80\x02}", b"not a pickle", pickle.dumps([1]), pickle.dumps({})]
    )
    def test_anything_else(self, facts: DatasetFacts, tmp_path: Path, content: bytes) -> None:
        self.refused(facts, tmp_path, content, "is not a CIFAR batch")
