"""Opens a `.pth` from a stranger: every claim of its pickle is held against the archive that it lies in.

`torch.load` is not used, not even with `weights_only`: what is checked is then exactly what is read, there is no second
reader of zip and pickle that could understand a file in another way, and the service can check an upload without
torch. A tensor becomes an array only when its storage is there, is as long as it must be, and is that tensor's alone.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.interchange.effort import Effort
from core.interchange.failure import Reason, Unreadable
from core.interchange.pickles import evaluated
from core.interchange.rebuilding import StoredTensor
from core.interchange.tensors import SHAPES, TYPES, is_shape, typed
from core.interchange.zips import Stored, place, read_stored, zip_members
from core.tickets.failure import quoted

DEEPEST = 16
LONGEST_KEY, LONGEST_TRAIL = 80, 240
STEPS_PER_MEMBER = 10
"""A member of a zip costs as much to check as so many opcodes."""

Source = Path | bytes
Leaf = Callable[[StoredTensor, str], Any]
Trail = tuple[Any, ...]


def is_torch(names: Iterator[str] | list[str]) -> bool:
    """Whether a zip with these members is what `torch.save` writes."""
    return any(re.fullmatch(r"[^/]+/data\.pkl", name) for name in names)


def open_pth(source: Source, limit: int, effort: Effort | None = None) -> dict[str, Any]:
    """The mapping that a `.pth` holds: nested dicts, lists and tuples as saved, NumPy arrays for tensors.

    bfloat16 is widened to float32; nothing else is converted. At most `limit` bytes of tensors; `effort` is shared by
    the files of one upload. Raises `Unreadable`.
    """
    effort = effort or Effort()
    with _stream(source) as stream:
        archive = _Archive(stream, limit, effort)
        return _mapping(_walked(archive.tree, archive.array, effort))


def check_pth(source: Source, limit: int, effort: Effort | None = None) -> None:
    """Everything that `open_pth` checks, except what needs the values of the tensors: checksums, a bool of 2."""
    effort = effort or Effort()
    with _stream(source) as stream:
        archive = _Archive(stream, limit, effort)
        _mapping(_walked(archive.tree, archive.check, effort))


def _mapping(tree: Any) -> dict[str, Any]:
    if not isinstance(tree, dict) or not all(isinstance(name, str) for name in tree):
        raise Unreadable(Reason.STATE_MISSING, "data.pkl", "a dict by name: save model.state_dict()")
    return tree


@contextmanager
def _stream(source: Source) -> Iterator[BinaryIO]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        head = stream.read(4)
        if head != b"PK\x03\x04":
            raise Unreadable(
                Reason.TORCH_LEGACY,
                "byte 0",
                "the zip format of torch.save since PyTorch 1.6; load the file where it was made and save it again",
            )
        yield stream


class _Archive:
    """One zip as `torch.save` writes it, and the tree that its pickle describes."""

    def __init__(self, stream: BinaryIO, limit: int, effort: Effort) -> None:
        self.stream = stream
        self.members = zip_members(stream, limit, stored=True)
        effort.spend(STEPS_PER_MEMBER * len(self.members))
        pickles = [name for name in self.members if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise Unreadable(
                Reason.MEMBER_MISSING, "data.pkl", "one FOLDER/data.pkl, as torch.save writes it"
            )
        self.root = pickles[0].removesuffix("data.pkl")
        if any(name.startswith((f"{self.root}code/", f"{self.root}constants.pkl")) for name in self.members):
            raise Unreadable(Reason.TORCHSCRIPT, quoted(self.root), "a state dict, no TorchScript program")
        self._check_byte_order()
        self.tree = evaluated(self._read(pickles[0]), quoted(pickles[0]).strip("'"), effort)
        self.owners: dict[str, str] = {}

    def check(self, tensor: StoredTensor, where: str) -> Stored:
        """The storage of a tensor: there, as long as the tensor, of a known layout, and of no other tensor."""
        if tensor.key in self.owners:
            raise Unreadable(
                Reason.STORAGE_SHARED,
                f"{where} and {self.owners[tensor.key]}",
                "tensors that share no memory: save clones of tied weights and of slices",
            )
        self.owners[tensor.key] = where
        name = f"{self.root}data/{tensor.key}"
        info = self.members.get(name)
        if info is None:
            raise Unreadable(Reason.STORAGE_MISSING, where, f"a member {quoted(name)}")
        if not is_shape(tensor.shape):
            raise Unreadable(Reason.TENSOR_SHAPE, where, SHAPES)
        numel = math.prod(tensor.shape)
        if tensor.offset or tensor.numel != numel or info.file_size != numel * TYPES[tensor.dtype].itemsize:
            raise Unreadable(
                Reason.STORAGE_SIZE, where, "a storage of exactly the tensor's size: save a clone of a slice"
            )
        _order(tensor, where)
        return place(self.stream, info)

    def array(self, tensor: StoredTensor, where: str) -> NDArray[Any]:
        """The values of a tensor, row-major."""
        stored = self.check(tensor, where)
        flat = np.empty(math.prod(tensor.shape), TYPES[tensor.dtype])
        if flat.size:
            read_stored(self.stream, where, stored, memoryview(flat.view(np.uint8).data))
        order = _order(tensor, where)
        laid_out = flat.reshape([tensor.shape[axis] for axis in order])
        values = np.ascontiguousarray(laid_out.transpose(np.argsort(order))).reshape(tensor.shape)
        return typed(values, tensor.dtype, where)

    def _read(self, name: str) -> bytearray:
        info = self.members[name]
        read = read_stored(self.stream, name, place(self.stream, info))
        assert isinstance(read, bytearray)
        return read

    def _check_byte_order(self) -> None:
        name = f"{self.root}byteorder"
        if name in self.members and (self.members[name].file_size > 6 or self._read(name) != b"little"):
            raise Unreadable(
                Reason.BYTE_ORDER, quoted(name), "little: save the file on a little-endian machine"
            )


def _order(tensor: StoredTensor, where: str) -> list[int]:
    """The axes from the outermost in memory to the innermost, in a layout without gaps, repeats or overlaps.

    Row-major and channels-last tensors have one; an expanded tensor, whose stride is 0, has none.
    """
    axes = sorted(range(len(tensor.shape)), key=lambda axis: (-tensor.strides[axis], axis))
    if 0 in tensor.shape:
        return list(range(len(tensor.shape)))
    step = 1
    wide = [axis for axis in axes if tensor.shape[axis] > 1]
    for axis in reversed(wide):
        if tensor.strides[axis] != step:
            raise Unreadable(Reason.TENSOR_LAYOUT, where, "a contiguous tensor")
        step *= tensor.shape[axis]
    return [axis for axis in axes if tensor.shape[axis] == 1] + wide


def _walked(tree: Any, leaf: Leaf, effort: Effort) -> Any:
    """The same tree with `leaf` of each tensor; a container that occurs twice is walked, and made, once.

    Refuses a tree that is deeper than `DEEPEST` or contains itself.
    """
    done: dict[int, Any] = {}
    open_: set[int] = set()

    def walk(node: Any, trail: Trail) -> Any:
        if isinstance(node, StoredTensor):
            return leaf(node, _named(trail))
        if not isinstance(node, dict | list | tuple):
            return node if isinstance(node, str | int | float | None) else _unknown(trail)
        if id(node) in done:
            return done[id(node)]
        if id(node) in open_:
            raise Unreadable(
                Reason.NESTED_IN_ITSELF, _named(trail), "containers that do not contain themselves"
            )
        if len(trail) == DEEPEST:
            raise Unreadable(
                Reason.NESTED_TOO_DEEP, _named(trail), f"at most {DEEPEST} containers in each other"
            )
        effort.spend(len(node))
        open_.add(id(node))
        items = node.items() if isinstance(node, dict) else enumerate(node)
        made = {key: walk(value, (*trail, key)) for key, value in items}
        open_.remove(id(node))
        done[id(node)] = made if isinstance(node, dict) else type(node)(made.values())
        return done[id(node)]

    return walk(tree, ())


def _named(trail: Trail) -> str:
    """The keys that lead to a node; a long one is cut before it is made printable."""
    keys = [quoted(key[:LONGEST_KEY] if isinstance(key, str) else key).strip("'") for key in trail]
    text = "/".join(keys)
    return text if len(text) <= LONGEST_TRAIL else f"{text[:LONGEST_TRAIL]}..."


def _unknown(trail: Trail) -> Any:
    raise Unreadable(Reason.PICKLE_VALUE, _named(trail), "tensors, numbers, strings, lists and dicts")
