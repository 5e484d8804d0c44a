"""`safetensors`: dense tensors, with `NAME_mask` or `NAME.mask` beside each prunable `NAME`."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from core.interchange.budget import too_large
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import masks_beside, split, state_of, ticket
from core.interchange.tensors import SHAPES, TYPES, is_shape, typed
from core.tickets import InvalidTicket, strict_json
from core.tickets.failure import quoted
from core.tickets.header import MAX_TENSORS

LARGEST_HEADER = 4 << 20

_TYPES = {
    "F32": "float32",
    "F64": "float64",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


class _Entry(NamedTuple):
    """A tensor: its type, its shape, and where it starts in the file."""

    kind: str
    shape: tuple[int, ...]
    start: int


def recognises(source: Source) -> bool:
    """Whether a tensor of a safetensors file has a mask beside it."""
    if not isinstance(source, File) or source.container != "safetensors":
        return False
    return bool(masks_beside(source.tree, "_mask", ".mask"))


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket; the rewind step is the one of the header where the sender gives none."""
    assert isinstance(source, File)
    state, _ = state_of(source.tree)
    bases = masks_beside(state, "_mask", ".mask")
    weights, masks = split(state, bases)
    return [ticket(weights, masks if bases else None, stated(source, given))]


def stated(source: File, given: Given) -> Given:
    """What the sender says, completed by `rewind_step` of the file's own metadata."""
    step = source.metadata.get("rewind_step", "")
    if given.rewind_step is None and re.fullmatch(r"[0-9]{1,15}", step):
        return replace(given, rewind_step=int(step))
    return given


def open_safetensors(path: Path, limit: int) -> File:
    """The tensors of a safetensors file of at most `limit` bytes, in its order; bfloat16 is widened to float32."""
    metadata, entries = _header(path, limit)
    return File("safetensors", {name: _array(path, name, entry) for name, entry in entries.items()}, metadata)


def check_safetensors(path: Path, limit: int) -> None:
    """Refuse a file whose header is wrong, without reading its tensors."""
    _header(path, limit)


def _header(path: Path, limit: int) -> tuple[dict[str, str], dict[str, _Entry]]:
    """The metadata, and the tensors in the order of their bytes.

    What the library accepts tiles the file. It hands tensors out in an order that changes from process to process,
    and the order of a network's tensors is part of a ticket: so their places are read here.
    """
    if path.stat().st_size > limit:
        raise too_large("file", limit)
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LARGEST_HEADER:
            raise _bad_header("byte 0", f"a header of at most {LARGEST_HEADER} bytes")
        encoded = stream.read(length)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
        header = strict_json.loads(encoded.decode("utf-8"), "header")
    except (SafetensorError, InvalidTicket) as problem:
        raise _bad_header("header", f"a sound safetensors file ({quoted(str(problem))})") from problem
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise Unreadable(Reason.TOO_MANY_TENSORS, "file", f"at most {MAX_TENSORS} tensors")
    entries = {}
    for name, entry in sorted(header.items(), key=lambda item: (item[1]["data_offsets"], item[0])):
        if entry["dtype"] not in _TYPES:
            raise Unreadable(Reason.TENSOR_DTYPE, quoted(name), ", ".join(_TYPES))
        if not is_shape(entry["shape"]):
            raise Unreadable(Reason.TENSOR_SHAPE, quoted(name), SHAPES)
        start = 8 + length + entry["data_offsets"][0]
        entries[name] = _Entry(_TYPES[entry["dtype"]], tuple(entry["shape"]), start)
    return metadata, entries


def _bad_header(where: str, accepted: str) -> Unreadable:
    return Unreadable(Reason.SAFETENSORS_HEADER, where, accepted)


def _array(path: Path, name: str, entry: _Entry) -> NDArray[Any]:
    flat = np.fromfile(path, TYPES[entry.kind], math.prod(entry.shape), offset=entry.start)
    return typed(flat.reshape(entry.shape), entry.kind, quoted(name))


FORMAT = Format("safetensors", "safetensors with a mask beside each prunable tensor", recognises, read)
