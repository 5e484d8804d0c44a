"""The pickle inside a `.pth`, evaluated without unpickling it.

A state dict needs two dozen of pickle's opcodes and eight names. This is a machine that knows those and no others:
what it builds are dicts, lists, tuples, strings, numbers and descriptions of tensors, and nothing in a file can make
it import or call anything. Opcodes as in protocol 2 (PEP 307; CPython, Lib/pickletools.py).
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.interchange.failure import Reason, Unreadable
from core.tickets.failure import quoted

LONGEST_PICKLE = 64 << 20
MOST_OPCODES = 1_000_000
MOST_DIMENSIONS = 8
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
class _Storage:
    key: str
    numel: int
    dtype: str


@dataclass(frozen=True)
class _Name:
    """A global that is known here; `call` says what it makes of its arguments, None what cannot be called."""

    name: str
    call: Callable[[tuple[Any, ...]], Any] | None = None


class _Mark:
    """What opcode MARK leaves on the stack."""


def evaluated(pickled: bytes | bytearray, where: str) -> Any:
    """What a pickle of protocol 2 describes, with `StoredTensor` for tensors and dicts for all mappings.

    Raises `Unreadable` that names the opcode's byte or the global for everything else.
    """
    if len(pickled) > LONGEST_PICKLE:
        raise Unreadable(Reason.PICKLE_TOO_LONG, where, f"a pickle of at most {LONGEST_PICKLE} bytes")
    machine = _Machine(where)
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(bytes(pickled))):
            if count >= MOST_OPCODES:
                raise Unreadable(Reason.PICKLE_TOO_LONG, where, f"at most {MOST_OPCODES} opcodes")
            machine.position = position or 0
            machine.step(opcode.name, argument)
    except Unreadable as problem:
        if problem.reason is Reason.PICKLES_CODE and _holds_module(pickled):
            raise Unreadable(
                Reason.PICKLES_MODULE,
                problem.where,
                "a state dict: this file pickles a whole module, and opening it would run its code; "
                "save module.state_dict() instead (GraSP and Torch-Pruning save modules)",
            ) from None
        raise
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as problem:
        raise Unreadable(
            Reason.PICKLE_SYNTAX, f"{where}, byte {machine.position}", "a sound pickle of protocol 2"
        ) from problem
    if machine.position + 1 != len(pickled):
        raise Unreadable(
            Reason.PICKLE_SYNTAX, f"{where}, byte {machine.position + 1}", "an end of the pickle"
        )
    return machine.result


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.position = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def step(self, opcode: str, argument: Any) -> None:
        """Apply one opcode."""
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _TUPLES:
            self.push_tuple(self.pop(_TUPLES[opcode]))
        else:
            apply = _OPCODES.get(opcode)
            if apply is None:
                raise self.refusal(
                    Reason.PICKLE_OPCODE,
                    quoted(opcode),
                    "the opcodes of torch.save with its default protocol, 2",
                )
            apply(self, argument)

    def refusal(self, reason: Reason, what: str, accepted: str) -> Unreadable:
        """A refusal at the current byte."""
        return Unreadable(reason, f"{self.where}, byte {self.position} ({what})", accepted)

    def pop(self, count: int) -> list[Any]:
        """The last `count` values, which must lie above the last mark."""
        values = [self.stack.pop() for _ in range(count)][::-1]
        if _Mark in map(type, values):
            raise ValueError("a mark where a value is wanted")
        return values

    def pop_to_mark(self) -> list[Any]:
        """The values above the last mark, which goes as well."""
        values: list[Any] = []
        while not isinstance(value := self.stack.pop(), _Mark):
            values.append(value)
        return values[::-1]

    def top(self, kind: type) -> Any:
        """The last value, which must be of a kind."""
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"not a {kind.__name__}")
        return self.stack[-1]

    def push_tuple(self, values: Sequence[Any]) -> None:
        """Make a tuple."""
        self.stack.append(tuple(values))

    def protocol(self, version: int) -> None:
        """PROTO: only 2."""
        if version != 2:
            raise self.refusal(
                Reason.PICKLE_OPCODE, f"protocol {version}", "protocol 2, torch.save's default"
            )

    def put(self, index: int) -> None:
        """BINPUT: remember the last value."""
        if isinstance(self.stack[-1], _Mark):
            raise ValueError("a mark is no value")
        self.memo[index] = self.stack[-1]

    def name(self, argument: str) -> None:
        """GLOBAL: one of the known names."""
        module, _, name = argument.partition(" ")
        known = _GLOBALS.get((module, name))
        if known is None:
            raise self.refusal(
                Reason.PICKLES_CODE,
                quoted(f"{module}.{name}"),
                "tensors, numbers, strings, lists, dicts: this file names code that opening it would run",
            )
        self.stack.append(known)

    def call(self, _: Any) -> None:
        """REDUCE and NEWOBJ: what a known name makes of its arguments."""
        function, arguments = self.pop(2)
        if type(function) is not _Name or function.call is None or type(arguments) is not tuple:
            raise ValueError("nothing that can be called")
        try:
            made = function.call(arguments)
        except (TypeError, ValueError) as problem:
            raise self.refusal(
                Reason.PICKLE_VALUE, function.name, "the arguments that torch.save writes"
            ) from problem
        self.stack.append(made)

    def build(self, _: Any) -> None:
        """BUILD: the fields of a namespace; attributes of a dict (`_metadata` of a state dict) are dropped."""
        (state,) = self.pop(1)
        target = self.top(dict) if type(self.stack[-1]) is dict else self.top(_Namespace)
        if type(state) is not dict:
            raise ValueError("a state that is no dict")
        if type(target) is _Namespace:
            set_items(target, state.items())

    def storage(self, _: Any) -> None:
        """BINPERSID: ('storage', class, key, location, numel)."""
        ((tag, kind, key, location, numel),) = self.pop(1)
        known = type(kind) is _Name and kind.name in STORAGES
        if (
            tag != "storage"
            or not known
            or not _is_key(key)
            or type(location) is not str
            or not _is_count(numel)
        ):
            raise self.refusal(Reason.PICKLE_VALUE, "storage", "a storage as torch.save describes it")
        self.stack.append(_Storage(key, numel, STORAGES[kind.name]))

    def set_item(self, _: Any) -> None:
        """SETITEM."""
        key, value = self.pop(2)
        set_items(self.top(dict), [(key, value)])

    def set_many(self, _: Any) -> None:
        """SETITEMS."""
        values = self.pop_to_mark()
        set_items(self.top(dict), zip(values[::2], values[1::2], strict=True))

    def append(self, _: Any) -> None:
        """APPEND."""
        (value,) = self.pop(1)
        self.top(list).append(value)

    def extend(self, _: Any) -> None:
        """APPENDS."""
        values = self.pop_to_mark()
        self.top(list).extend(values)

    def stop(self, _: Any) -> None:
        """STOP: one value is left."""
        (self.result,) = self.stack
        if isinstance(self.result, _Mark):
            raise ValueError("a mark is no value")


class _Namespace(dict[str, Any]):
    """The arguments of a training script (`argparse.Namespace`), as the mapping that they are."""


def set_items(target: dict[Any, Any], items: Any) -> None:
    """Set items whose keys are names or numbers below 2^53: larger ones can be made to share one hash."""
    for key, value in items:
        if type(key) is not str and (type(key) is not int or abs(key) > LARGEST_NUMBER):
            raise ValueError("a key that is no string or number")
        target[key] = value


def _tensor(arguments: tuple[Any, ...]) -> StoredTensor:
    """`_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata])`."""
    storage, offset, shape, strides, _, hooks, *metadata = arguments
    if type(storage) is not _Storage or not _is_count(offset) or hooks or any(metadata) or len(metadata) > 1:
        raise ValueError("not a plain tensor")
    for sizes in (shape, strides):
        if type(sizes) is not tuple or len(sizes) > MOST_DIMENSIONS or not all(map(_is_count, sizes)):
            raise ValueError("not a shape")
    if len(shape) != len(strides):
        raise ValueError("not as many strides as dimensions")
    return StoredTensor(storage.key, storage.numel, storage.dtype, offset, shape, strides)


def _parameter(arguments: tuple[Any, ...]) -> StoredTensor:
    """`_rebuild_parameter(tensor, requires_grad, hooks)`."""
    tensor, _, hooks = arguments
    if type(tensor) is not StoredTensor or hooks:
        raise ValueError("not a plain parameter")
    return tensor


def _mapping(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """`OrderedDict()`, `OrderedDict(pairs)`, `Counter(mapping)`."""
    made: dict[Any, Any] = {}
    for items in arguments:
        if type(items) not in (dict, list):
            raise ValueError("not items")
        set_items(made, items.items() if type(items) is dict else items)
    return made


def _namespace(arguments: tuple[Any, ...]) -> _Namespace:
    if arguments:
        raise ValueError("a namespace is made empty")
    return _Namespace()


def _sizes(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """`torch.Size(sizes)`."""
    (sizes,) = arguments
    return tuple(sizes)


def _device(arguments: tuple[Any, ...]) -> str:
    """`torch.device(kind[, index])`: its kind."""
    if type(arguments[0]) is not str:
        raise ValueError("not a device")
    return arguments[0]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_NUMBER


def _is_key(value: Any) -> bool:
    return type(value) is str and len(value) <= 9 and value.isascii() and value.isdigit()


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": _Mark,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
_LITERALS = {"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OPCODES: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.protocol,
    "GLOBAL": _Machine.name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
    "TUPLE": lambda machine, _: machine.push_tuple(machine.pop_to_mark()),
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_many,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": lambda machine, index: machine.stack.append(machine.memo[index]),
    "LONG_BINGET": lambda machine, index: machine.stack.append(machine.memo[index]),
    "STOP": _Machine.stop,
}
_GLOBALS: dict[tuple[str, str], _Name] = {
    ("torch._utils", "_rebuild_tensor_v2"): _Name("torch._utils._rebuild_tensor_v2", _tensor),
    ("torch._utils", "_rebuild_parameter"): _Name("torch._utils._rebuild_parameter", _parameter),
    ("collections", "OrderedDict"): _Name("collections.OrderedDict", _mapping),
    ("collections", "Counter"): _Name("collections.Counter", _mapping),
    ("argparse", "Namespace"): _Name("argparse.Namespace", _namespace),
    ("torch", "Size"): _Name("torch.Size", _sizes),
    ("torch", "device"): _Name("torch.device", _device),
    **{("torch", storage): _Name(storage) for storage in STORAGES},
}


def _globals(pickled: bytes | bytearray) -> Iterator[str]:
    """The globals of a pickle, as far as it can be followed."""
    try:
        for opcode, argument, _ in pickletools.genops(bytes(pickled)):
            if opcode.name == "GLOBAL":
                yield str(argument)
    except (ValueError, struct.error):
        return


def _holds_module(pickled: bytes | bytearray) -> bool:
    """Whether it names a layer of torch: then it is a module that was pickled whole."""
    return any(name.startswith("torch.nn.modules.") for name in _globals(pickled))
