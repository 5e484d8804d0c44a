"""`safetensors`: dense tensors, with `NAME_mask` or `NAME.mask` beside each prunable `NAME`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize, safe_open

from core.interchange.budget import too_large
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import masks_beside, split, state_of, ticket
from core.tickets.failure import quoted

LARGEST_HEADER = 4 << 20

_NUMPY = {
    "F32": "<f4",
    "F64": "<f8",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "u1",
}


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
    """The tensors of a safetensors file of at most `limit` bytes; bfloat16 is widened to float32."""
    metadata = check_safetensors(path, limit)
    entries = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    return File("safetensors", {name: _array(name, entry) for name, entry in entries}, metadata)


def check_safetensors(path: Path, limit: int) -> dict[str, str]:
    """Refuse a file whose header is wrong, without reading its tensors; its metadata."""
    if path.stat().st_size > limit:
        raise too_large("file", limit)
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if length > LARGEST_HEADER:
        raise Unreadable(Reason.SAFETENSORS_HEADER, "byte 0", f"a header of at most {LARGEST_HEADER} bytes")
    try:
        with safe_open(path, framework="numpy") as file:
            kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            metadata: dict[str, str] = file.metadata() or {}
    except SafetensorError as problem:
        raise Unreadable(
            Reason.SAFETENSORS_HEADER, "header", f"a sound safetensors file ({problem})"
        ) from problem
    for name, kind in kinds.items():
        if kind not in _NUMPY:
            raise Unreadable(Reason.TENSOR_DTYPE, quoted(name), ", ".join(_NUMPY))
    return metadata


def _array(name: str, entry: dict[str, Any]) -> NDArray[Any]:
    values: NDArray[Any] = np.frombuffer(entry["data"], _NUMPY[entry["dtype"]]).reshape(entry["shape"])
    if entry["dtype"] == "BF16":
        return (values.astype("<u4") << 16).view("<f4")
    if entry["dtype"] == "BOOL":
        if values.size and values.max() > 1:
            raise Unreadable(Reason.MASK_VALUE, quoted(name), "booleans, 0 or 1")
        return values.view(np.bool_)
    return values


FORMAT = Format("safetensors", "safetensors with a mask beside each prunable tensor", recognises, read)
