"""CIFAR-10 and CIFAR-100 in their two layouts: fixed-length binary records, and pickles for Python."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.datasets.errors import DatasetInvalid
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts

_Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


class Form(NamedTuple):
    """How a dataset writes classes: labels in each binary record, the last of them its class; key of the pickle."""

    labels: int
    key: bytes


CIFAR10 = Form(labels=1, key=b"labels")
CIFAR100 = Form(labels=2, key=b"fine_labels")  # the first label is one of 20 superclasses


def read(form: Form, facts: DatasetFacts, files: Sequence[Path]) -> Splits:
    """The training batches in order, then the test batch; all `.bin`, or all pickled.

    Raises `DatasetInvalid` on anything but the sizes that `facts` states.
    """
    *train, test = files
    count = facts.train // len(train)
    batches = [_batch(path, form, facts, count) for path in train]
    return Splits(
        np.concatenate([images for images, _ in batches]),
        np.concatenate([labels for _, labels in batches]),
        *_batch(test, form, facts, facts.test),
    )


def _batch(path: Path, form: Form, facts: DatasetFacts, count: int) -> _Batch:
    size = int(np.prod(facts.input))
    if path.suffix == ".bin":
        pixels, labels = _binary(path, form, count, size)
    else:
        pixels, labels = _pickled(path, form, count, size)
    if labels.min() < 0 or labels.max() >= facts.classes:
        raise DatasetInvalid(path, f"holds labels outside 0 … {facts.classes - 1}")
    return pixels.reshape(count, *facts.input), labels


def _binary(path: Path, form: Form, count: int, size: int) -> _Batch:
    """`count` records: a byte for each label, then the red, green and blue planes."""
    record = form.labels + size
    length = path.stat().st_size
    if length != count * record:
        raise DatasetInvalid(path, f"holds {length} bytes, expected {count} records of {record}")
    records = np.fromfile(path, np.uint8).reshape(count, record)
    return np.ascontiguousarray(records[:, form.labels :]), records[:, form.labels - 1].astype(np.int64)


def _pickled(path: Path, form: Form, count: int, size: int) -> _Batch:
    """A pickled dict with `data`, uint8 [count, C·H·W], and labels, a list of integers."""
    try:
        batch = _unpickled(path.read_bytes())
        pixels, labels = batch[b"data"], batch[form.key]
        if not isinstance(pixels, _Array) or not all(type(label) is int for label in labels):
            raise DatasetInvalid(path, "data is not a uint8 array, or labels are not a list of integers")
        images, classes = pixels.read((count, size)), np.array(labels, dtype=np.int64)
    except DatasetInvalid:
        raise
    except Exception as error:  # a malformed pickle can raise almost anything
        raise DatasetInvalid(path, f"is not a CIFAR batch: {type(error).__name__}: {error}") from error
    if classes.shape != (count,):
        raise DatasetInvalid(path, f"holds {len(classes)} labels, expected {count}")
    return images, classes


def _unpickled(content: bytes) -> Any:
    """What a pickle builds of inert objects, after a look at what it asks for before it has any of it.

    A few bytes can announce a string of exabytes, or a memo of which only the last of 2^32 places is used, and pickle
    makes room for either at once.
    """
    for opcode, argument, _ in pickletools.genops(content):  # a string must be there whole
        if "PUT" in opcode.name and isinstance(argument, int) and argument > len(content):
            raise pickle.UnpicklingError(f"place {argument} of its memo")
    return _Unpickler(io.BytesIO(content), encoding="bytes").load()


class _Dtype:
    """Stands in for `numpy.dtype`."""

    def __init__(self, code: str | bytes, align: object = False, copy: object = False) -> None:
        if code not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of {code!r}, not of bytes")

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """Stands in for `numpy.ndarray`: keeps the state that the pickle gives, unread until checked."""

    def __init__(self, *reconstruct: object) -> None:
        self._state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._state = state

    def read(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        _, found, dtype, fortran, content = self._state
        if found != shape or not isinstance(dtype, _Dtype) or fortran or not isinstance(content, bytes):
            raise ValueError(f"data has shape {found}, expected row-major {shape}")
        return np.frombuffer(bytearray(content), np.uint8).reshape(shape)


def _encode(text: str, encoding: str) -> bytes:
    """Stands in for `_codecs.encode`, by which Python 3 writes bytes into an old pickle protocol."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    """Admits the few names that these files hold, and answers each with an inert stand-in.

    A pickle is a program: it calls whatever it names, with arguments it chooses. Here it can build lists,
    dicts, numbers and bytes, and the objects above; not even NumPy's own reconstruction runs on its state.
    """

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong in such a file") from None
