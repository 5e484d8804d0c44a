"""What must hold of the tensors of every ticket, whether it comes from a file or from a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import Architecture, Role, TensorSpec
from core.tickets.failure import Failure, InvalidTicket, quoted
from core.tickets.mask import Mask, packed_size

# A type and a shape; shape None stands for one dimension of any length.
Form = tuple[str, tuple[int, ...] | None]

# Values are examined this many at a time, so that a mapped file passes through memory without filling it.
CHUNK = 1 << 20


def stored_forms(architecture: Architecture) -> dict[str, Form]:
    """The tensors of a ticket file: `NAME.bits` and `NAME.kept` of prunable ones, and all others."""
    forms: dict[str, Form] = {}
    for spec in architecture.tensors:
        if spec.prunable:
            forms[f"{spec.name}.bits"] = ("U8", (packed_size(spec.size),))
            forms[f"{spec.name}.kept"] = ("F32", None)
        else:
            forms[spec.name] = (spec.dtype, spec.shape)
    return forms


def check_forms(expected: Mapping[str, Form], found: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """Refuse a missing or an unexpected tensor, another type, another shape."""
    for name in sorted(found.keys() - expected.keys()):
        raise InvalidTicket(Failure.TENSOR_UNEXPECTED, quoted(name), "only the architecture's tensors")
    for name, (dtype, shape) in expected.items():
        if name not in found:
            raise InvalidTicket(Failure.TENSOR_MISSING, name, f"a {dtype} tensor of this name")
        found_dtype, found_shape = found[name]
        if found_dtype != dtype:
            raise InvalidTicket(Failure.TENSOR_DTYPE, name, dtype)
        if shape is None and len(found_shape) != 1:
            raise InvalidTicket(Failure.TENSOR_SHAPE, name, "one dimension")
        if shape is not None and found_shape != shape:
            raise InvalidTicket(Failure.TENSOR_SHAPE, name, f"shape {list(shape)}")


def check_mask(spec: TensorSpec, mask: Mask, kept: NDArray[np.float32]) -> None:
    """Refuse a mask of another shape, and kept values that are not finite or not one for each survivor."""
    if mask.shape != spec.shape:
        raise InvalidTicket(Failure.TENSOR_SHAPE, f"{spec.name}.bits", f"a mask of shape {list(spec.shape)}")
    if mask.survivors != kept.size:
        raise InvalidTicket(
            Failure.MASK_SURVIVORS, f"{spec.name}.kept", f"{mask.survivors} values, one for each set bit"
        )
    check_finite(f"{spec.name}.kept", kept)


def check_dense(spec: TensorSpec, array: NDArray[Any]) -> None:
    """Refuse values that are not finite, a negative running variance, a negative batch counter."""
    if spec.role is Role.COUNT:
        refuse_where((chunk < 0 for chunk in chunks(array)), Failure.NEGATIVE_COUNT, spec.name, "0 or more")
        return
    if spec.role is Role.INDEX:
        return
    check_finite(spec.name, array)
    if spec.role is Role.VARIANCE:
        refuse_where(
            (chunk < 0 for chunk in chunks(array)), Failure.NEGATIVE_VARIANCE, spec.name, "0 or more"
        )


def check_finite(name: str, array: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity, naming the first flat index."""
    refuse_where(
        (~np.isfinite(chunk) for chunk in chunks(array)), Failure.NOT_FINITE, name, "finite float32 values"
    )


def chunks(array: NDArray[Any]) -> Iterable[NDArray[Any]]:
    """The values in row-major order, `CHUNK` at a time."""
    flat = array.reshape(-1)
    return (flat[start : start + CHUNK] for start in range(0, flat.size, CHUNK))


def refuse_where(bad: Iterable[NDArray[np.bool_]], failure: Failure, name: str, accepted: str) -> None:
    """Refuse the first value that is marked in `bad`, which comes in chunks."""
    for index, marked in enumerate(bad):
        if marked.any():
            raise InvalidTicket(failure, f"{name}[{index * CHUNK + int(marked.argmax())}]", accepted)
