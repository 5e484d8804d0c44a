"""Every way in which a foreign file can fail to be a ticket."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What is wrong, precisely: the container, the pickle, a tensor, a mask, or what the whole amounts to."""

    CONTAINER_UNKNOWN = "container-unknown"
    TOO_LARGE = "too-large"
    TOO_COSTLY = "too-costly"
    TOO_MANY_MEMBERS = "too-many-members"
    ARCHIVE_DAMAGED = "archive-damaged"
    ARCHIVE_HEADERS_DISAGREE = "archive-headers-disagree"
    ARCHIVE_OVERLAP = "archive-overlap"
    MEMBER_NAME = "member-name"
    MEMBER_TWICE = "member-twice"
    MEMBER_KIND = "member-kind"
    MEMBER_COMPRESSED = "member-compressed"
    MEMBER_ENCRYPTED = "member-encrypted"
    MEMBER_MISSING = "member-missing"

    TORCH_LEGACY = "torch-legacy"
    TORCHSCRIPT = "torchscript"
    BYTE_ORDER = "byte-order"
    PICKLE_SYNTAX = "pickle-syntax"
    PICKLE_OPCODE = "pickle-opcode"
    PICKLE_TOO_LONG = "pickle-too-long"
    PICKLE_VALUE = "pickle-value"
    PICKLES_CODE = "pickles-code"
    PICKLES_MODULE = "pickles-module"
    NESTED_TOO_DEEP = "nested-too-deep"
    NESTED_IN_ITSELF = "nested-in-itself"

    SAFETENSORS_HEADER = "safetensors-header"

    STORAGE_MISSING = "storage-missing"
    STORAGE_SIZE = "storage-size"
    STORAGE_SHARED = "storage-shared"
    TENSOR_LAYOUT = "tensor-layout"
    TENSOR_DTYPE = "tensor-dtype"
    TENSOR_SHAPE = "tensor-shape"
    TENSOR_NAME = "tensor-name"
    TENSOR_MISSING = "tensor-missing"
    TENSOR_UNEXPECTED = "tensor-unexpected"
    TOO_MANY_TENSORS = "too-many-tensors"
    NOT_FINITE = "not-finite"

    MASK_DTYPE = "mask-dtype"
    MASK_VALUE = "mask-value"
    MASK_SHAPE = "mask-shape"
    MASK_WITHOUT_WEIGHT = "mask-without-weight"
    MASK_NOT_PRUNABLE = "mask-not-prunable"
    MASK_COUNT = "mask-count"

    FORMAT_UNKNOWN = "format-unknown"
    FORMAT_MISMATCH = "format-mismatch"
    STATE_MISSING = "state-missing"
    STATE_AMBIGUOUS = "state-ambiguous"
    ARCHITECTURE_UNKNOWN = "architecture-unknown"
    LEVEL_MISSING = "level-missing"
    LEVEL_TOO_HIGH = "level-too-high"
    STEP_UNKNOWN = "step-unknown"
    REPORT_SYNTAX = "report-syntax"
    REPORT_DISAGREES = "report-disagrees"


class Unreadable(ValueError):
    """A foreign file that is no ticket: the reason, where it was met, and what would be accepted there.

    `where` is a member of an archive, a tensor or a position; it is made printable by whoever raises.
    """

    def __init__(self, reason: Reason, where: str, accepted: str) -> None:
        super().__init__(f"{reason.replace('-', ' ')} at {where}; accepted: {accepted}")
        self.reason = reason
        self.where = where
        self.accepted = accepted
