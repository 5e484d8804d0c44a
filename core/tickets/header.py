"""The header of a safetensors file, parsed as what it is: bytes from a stranger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from core.families.architecture import LONGEST_TENSOR_NAME, is_tensor_name
from core.tickets import strict_json
from core.tickets.failure import Failure, InvalidTicket, quoted
from core.tickets.strict_json import whole_numbers

MAX_HEADER = 4 * 1024 * 1024
MAX_TENSORS = 20_000
# No state dict comes near; the product of an endless shape would cost more than the rest of the read.
MAX_DIMENSIONS = 8
LENGTH_BYTES = 8

WIDTHS = {"I64": 8, "F32": 4, "U8": 1}


@dataclass(frozen=True)
class Entry:
    """One tensor: its safetensors type, its shape, and its bytes [start, stop) of the payload."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """Tensors by name, `__metadata__`, and the bytes that header (its length included) and payload occupy."""

    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]
    header_bytes: int
    payload_bytes: int


def parse_header(stream: BinaryIO, file_size: int) -> Header:
    """Read the header of a file of `file_size` bytes, whose start `stream` stands at.

    Accepts exactly: a length of at most 4 MiB, a JSON object padded with spaces, well-formed entries of known
    types that tile the payload from its first byte to the last of the file. Raises `InvalidTicket` otherwise.
    """
    prefix = stream.read(LENGTH_BYTES)
    if len(prefix) < LENGTH_BYTES:
        raise InvalidTicket(
            Failure.FILE_TOO_SHORT, f"byte {len(prefix)}", "at least 8 bytes of header length"
        )
    length = int.from_bytes(prefix, "little")
    if length > MAX_HEADER:
        raise InvalidTicket(Failure.HEADER_TOO_LARGE, "byte 0", f"a header of at most {MAX_HEADER} bytes")
    encoded = stream.read(length)
    if len(encoded) < length:
        raise InvalidTicket(
            Failure.HEADER_TRUNCATED, "byte 0", f"{length} header bytes, as the file announces"
        )
    header = _decode(encoded)
    metadata = _metadata(header.pop("__metadata__", {}))
    if len(header) > MAX_TENSORS:
        raise InvalidTicket(Failure.TOO_MANY_TENSORS, "header", f"at most {MAX_TENSORS} tensors")
    tensors = {name: _entry(name, value) for name, value in header.items()}
    payload = file_size - LENGTH_BYTES - length
    _check_tiling(tensors, payload)
    return Header(tensors, metadata, LENGTH_BYTES + length, payload)


def _decode(encoded: bytes) -> dict[str, Any]:
    if not encoded.startswith(b"{"):
        raise InvalidTicket(Failure.HEADER_START, f"byte {LENGTH_BYTES}", "the character {")
    # Only spaces may follow the object, so that a header of a given length can be padded in one way only.
    encoded = encoded.rstrip(b" ")
    if encoded[-1:].isspace():
        raise InvalidTicket(
            Failure.HEADER_PADDING, f"byte {LENGTH_BYTES + len(encoded) - 1}", "spaces after }"
        )
    try:
        text = encoded.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise InvalidTicket(
            Failure.HEADER_NOT_UTF8, f"byte {LENGTH_BYTES + problem.start}", "UTF-8"
        ) from None
    header: dict[str, Any] = strict_json.loads(text, "header")
    return header


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidTicket(Failure.METADATA_VALUE, "__metadata__", "an object of strings")
    return value


def _entry(name: str, value: Any) -> Entry:
    if not is_tensor_name(name):
        raise InvalidTicket(
            Failure.TENSOR_NAME,
            quoted(name),
            f"at most {LONGEST_TENSOR_NAME} letters, digits and _, joined by dots",
        )
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise InvalidTicket(Failure.TENSOR_ENTRY, name, "exactly dtype, shape and data_offsets")
    dtype = value["dtype"]
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        raise InvalidTicket(Failure.TENSOR_DTYPE, name, ", ".join(WIDTHS))
    shape = whole_numbers(value["shape"], MAX_DIMENSIONS)
    if shape is None:
        raise InvalidTicket(Failure.TENSOR_ENTRY, f"{name}, shape", f"at most {MAX_DIMENSIONS} integers ≥ 0")
    offsets = whole_numbers(value["data_offsets"], 2)
    if offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise InvalidTicket(Failure.TENSOR_ENTRY, f"{name}, data_offsets", "two integers, 0 ≤ start ≤ stop")
    start, stop = offsets
    if math.prod(shape) * WIDTHS[dtype] != stop - start:
        raise InvalidTicket(Failure.TENSOR_SIZE, name, f"as many bytes as its shape and {dtype} say")
    return Entry(dtype, shape, start, stop)


def _check_tiling(tensors: Mapping[str, Entry], payload: int) -> None:
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start < end:
            raise InvalidTicket(Failure.PAYLOAD_OVERLAP, name, f"a start of {end}")
        if entry.start > end:
            raise InvalidTicket(Failure.PAYLOAD_HOLE, name, f"a start of {end}")
        end = entry.stop
    if end > payload:
        raise InvalidTicket(Failure.PAYLOAD_TRUNCATED, f"payload byte {payload}", f"{end} payload bytes")
    if end < payload:
        raise InvalidTicket(Failure.TRAILING_BYTES, f"payload byte {end}", f"{end} payload bytes")
