"""Every way in which bytes can fail to be a ticket."""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """What is wrong, precisely: the bytes, the JSON, the safetensors layout, the metadata, or the values."""

    FILE_TOO_SHORT = "file-too-short"
    HEADER_TOO_LARGE = "header-too-large"
    HEADER_TRUNCATED = "header-truncated"
    HEADER_START = "header-start"
    HEADER_PADDING = "header-padding"
    HEADER_NOT_UTF8 = "header-not-utf8"

    JSON_SYNTAX = "json-syntax"
    JSON_DUPLICATE_KEY = "json-duplicate-key"
    JSON_NUMBER = "json-number"
    JSON_DEPTH = "json-depth"

    TOO_MANY_TENSORS = "too-many-tensors"
    TENSOR_NAME = "tensor-name"
    TENSOR_ENTRY = "tensor-entry"
    TENSOR_SIZE = "tensor-size"
    PAYLOAD_OVERLAP = "payload-overlap"
    PAYLOAD_HOLE = "payload-hole"
    PAYLOAD_TRUNCATED = "payload-truncated"
    TRAILING_BYTES = "trailing-bytes"

    METADATA_MISSING = "metadata-missing"
    METADATA_UNKNOWN = "metadata-unknown"
    METADATA_VALUE = "metadata-value"
    FORMAT_UNKNOWN = "format-unknown"
    ARCHITECTURE_UNKNOWN = "architecture-unknown"

    TENSOR_MISSING = "tensor-missing"
    TENSOR_UNEXPECTED = "tensor-unexpected"
    TENSOR_DTYPE = "tensor-dtype"
    TENSOR_SHAPE = "tensor-shape"

    MASK_PADDING = "mask-padding"
    MASK_SURVIVORS = "mask-survivors"
    NOT_FINITE = "not-finite"
    NEGATIVE_VARIANCE = "negative-variance"
    NEGATIVE_COUNT = "negative-count"


class InvalidTicket(ValueError):
    """Bytes or arrays that are no ticket: the failure, where it was met, and what would be accepted there.

    `where` is a tensor, a metadata key or a position in the file.
    """

    def __init__(self, failure: Failure, where: str, accepted: str) -> None:
        super().__init__(f"{failure.replace('-', ' ')} at {where}; accepted: {accepted}")
        self.failure = failure
        self.where = where
        self.accepted = accepted


def quoted(untrusted: object) -> str:
    """An untrusted string or number made safe to print: ASCII, and cut at 80 characters."""
    text = ascii(untrusted) if isinstance(untrusted, str | int | float) else type(untrusted).__name__
    return text if len(text) <= 80 else text[:77] + "..."
