"""The names that a `.pth` may use, and what they make of their arguments: values, never calls of what they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from core.interchange.effort import Effort
from core.interchange.tensors import MOST_DIMENSIONS

LARGEST_NUMBER = 2**53 - 1

STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
"""The storage classes of torch that are read, and their types."""

UNTYPED = "UntypedStorage"


class OtherType(Exception):
    """A tensor of a type that is not read; the type is the message."""


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor as the pickle describes it: a view of a storage, in elements."""

    key: str
    numel: int
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Storage:
    """A storage as the pickle describes it; in bytes, and without a type, where a newer torch says `UNTYPED`."""

    key: str
    numel: int
    dtype: str


@dataclass(frozen=True)
class Name:
    """A global that is known here; `call` says what it makes of its arguments, None what cannot be called."""

    name: str
    call: Callable[[tuple[Any, ...], Effort], Any] | None = None


class Namespace(dict[str, Any]):
    """The arguments of a training script (`argparse.Namespace`), as the mapping that they are."""


def set_items(target: dict[Any, Any], items: Iterable[Any], effort: Effort) -> None:
    """Set items, each at a step, whose keys are names or numbers below 2^53: larger ones can share one hash."""
    for key, value in items:
        effort.spend()
        if type(key) is not str and (type(key) is not int or abs(key) > LARGEST_NUMBER):
            raise ValueError("a key that is no string or number")
        target[key] = value


def storage(identity: Any) -> Storage:
    """A persistent id, ('storage', class, key, location, numel)."""
    tag, kind, key, location, numel = identity
    if (
        tag != "storage"
        or type(kind) is not Name
        or kind.name not in (*STORAGES, UNTYPED)
        or type(key) is not str
        or not (len(key) <= 9 and key.isascii() and key.isdigit())
        or type(location) is not str
        or not _is_count(numel)
    ):
        raise ValueError("not a storage")
    return Storage(key, numel, STORAGES.get(kind.name, UNTYPED))


def _tensor(arguments: tuple[Any, ...], _: Effort) -> StoredTensor:
    """`_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata])`."""
    storage, offset, shape, strides, _grad, hooks, *metadata = arguments
    if type(storage) is not Storage or storage.dtype == UNTYPED or not _is_count(offset):
        raise ValueError("not a typed storage")
    if hooks or any(metadata) or len(metadata) > 1:
        raise ValueError("not a plain tensor")
    for sizes in (shape, strides):
        if type(sizes) is not tuple or len(sizes) > MOST_DIMENSIONS or not all(map(_is_count, sizes)):
            raise ValueError("not a shape")
    if len(shape) != len(strides):
        raise ValueError("not as many strides as dimensions")
    return StoredTensor(storage.key, storage.numel, storage.dtype, offset, shape, strides)


def _newer_tensor(arguments: tuple[Any, ...], _: Effort) -> StoredTensor:
    """`_rebuild_tensor_v3(storage, offset, shape, strides, requires_grad, hooks, dtype, ...)`, for newer types."""
    dtype = arguments[6] if len(arguments) > 6 else None
    raise OtherType(dtype if type(dtype) is str else "a type that is not known")


def _parameter(arguments: tuple[Any, ...], _: Effort) -> StoredTensor:
    """`_rebuild_parameter(tensor, requires_grad, hooks)`."""
    tensor, _grad, hooks = arguments
    if type(tensor) is not StoredTensor or hooks:
        raise ValueError("not a plain parameter")
    return tensor


def _mapping(arguments: tuple[Any, ...], effort: Effort) -> dict[Any, Any]:
    """`OrderedDict()`, `OrderedDict(pairs)`, `Counter(mapping)`."""
    made: dict[Any, Any] = {}
    if arguments:
        (items,) = arguments
        if type(items) not in (dict, list):
            raise ValueError("not items")
        set_items(made, items.items() if type(items) is dict else items, effort)
    return made


def _namespace(arguments: tuple[Any, ...], _: Effort) -> Namespace:
    if arguments:
        raise ValueError("a namespace is made empty")
    return Namespace()


def _sizes(arguments: tuple[Any, ...], _: Effort) -> tuple[int, ...]:
    """`torch.Size(sizes)`."""
    (sizes,) = arguments
    if type(sizes) is not tuple or len(sizes) > MOST_DIMENSIONS or not all(map(_is_count, sizes)):
        raise ValueError("not sizes")
    return sizes


def _device(arguments: tuple[Any, ...], _: Effort) -> str:
    """`torch.device(kind[, index])`: its kind."""
    if type(arguments[0]) is not str:
        raise ValueError("not a device")
    return arguments[0]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_NUMBER


_DTYPES = (
    *STORAGES.values(),
    *("uint16", "uint32", "uint64", "complex32", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("float4_e2m1fn_x2", "qint8", "quint8", "qint32", "quint4x2", "quint2x4"),
)

NAMES: dict[tuple[str, str], Name | str] = {
    ("torch._utils", "_rebuild_tensor_v2"): Name("torch._utils._rebuild_tensor_v2", _tensor),
    ("torch._utils", "_rebuild_tensor_v3"): Name("torch._utils._rebuild_tensor_v3", _newer_tensor),
    ("torch._utils", "_rebuild_parameter"): Name("torch._utils._rebuild_parameter", _parameter),
    ("torch.storage", UNTYPED): Name(UNTYPED),
    ("collections", "OrderedDict"): Name("collections.OrderedDict", _mapping),
    ("collections", "Counter"): Name("collections.Counter", _mapping),
    ("argparse", "Namespace"): Name("argparse.Namespace", _namespace),
    ("torch", "Size"): Name("torch.Size", _sizes),
    ("torch", "device"): Name("torch.device", _device),
    **{("torch", storage): Name(storage) for storage in STORAGES},
    **{("torch", dtype): f"torch.{dtype}" for dtype in _DTYPES},
}
"""What is known, by module and name; a string stands for a constant of torch, and is all that is made of it."""

OTHER_TYPES = {
    ("torch", "ComplexFloatStorage"): "torch.complex64",
    ("torch", "ComplexDoubleStorage"): "torch.complex128",
    ("torch", "QInt8Storage"): "torch.qint8",
    ("torch", "QUInt8Storage"): "torch.quint8",
    ("torch", "QInt32Storage"): "torch.qint32",
    ("torch", "QUInt4x2Storage"): "torch.quint4x2",
    ("torch", "QUInt2x4Storage"): "torch.quint2x4",
    ("torch._utils", "_rebuild_qtensor"): "a quantised tensor",
    ("torch._utils", "_rebuild_sparse_tensor"): "a sparse tensor",
    ("torch._utils", "_rebuild_nested_tensor"): "a nested tensor",
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): "a meta tensor, which has no values",
}
"""Names of tensors of other types."""

_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy._core.numeric")
_BUILT_IN = ("set", "frozenset", "complex", "bytearray", "slice", "xrange", "range", "dict", "list")

PLAIN_NAMES = {
    *(
        (module, name)
        for module in _NUMPY
        for name in ("scalar", "_reconstruct", "dtype", "ndarray", "_frombuffer")
    ),
    *((module, name) for module in ("__builtin__", "builtins") for name in _BUILT_IN),
    *(("datetime", name) for name in ("datetime", "date", "time", "timedelta")),
    *(("pathlib", name) for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path")),
    *(("collections", name) for name in ("defaultdict", "deque")),
    *(
        ("_codecs", "encode"),
        ("torch.serialization", "_get_layout"),
        ("decimal", "Decimal"),
        ("uuid", "UUID"),
    ),
}
"""Names of harmless values that training scripts keep beside a network, and that are not read."""
