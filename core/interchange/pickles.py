"""The pickle inside a `.pth`, evaluated without unpickling it.

A state dict needs two dozen of pickle's opcodes and a few names (`rebuilding`). This is a machine that knows those and
no others: what it builds are dicts, lists, tuples, strings, numbers and descriptions of tensors, and nothing in a file
can make it import or call anything. Opcodes as in protocol 2 (PEP 307; CPython, Lib/pickletools.py).
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from core.interchange.effort import Effort
from core.interchange.failure import Reason, Unreadable
from core.interchange.rebuilding import (
    NAMES,
    OTHER_TYPES,
    PLAIN_NAMES,
    Name,
    Namespace,
    OtherType,
    set_items,
    storage,
)
from core.interchange.tensors import TYPES
from core.tickets.failure import quoted

LONGEST_PICKLE = 64 << 20


class _Mark:
    """What opcode MARK leaves on the stack."""


def evaluated(pickled: bytes | bytearray, where: str, effort: Effort) -> Any:
    """What a pickle of protocol 2 describes, with `StoredTensor` for tensors and dicts for all mappings.

    Every opcode and every item is a step of `effort`. Raises `Unreadable` that names the opcode's byte or the global
    for everything else.
    """
    if len(pickled) > LONGEST_PICKLE:
        raise Unreadable(Reason.PICKLE_TOO_LONG, where, f"a pickle of at most {LONGEST_PICKLE} bytes")
    machine = _Machine(where, effort)
    try:
        for opcode, argument, position in pickletools.genops(bytes(pickled)):
            effort.spend()
            machine.position = position or 0
            machine.step(opcode.name, argument)
    except Unreadable as problem:
        if problem.reason is Reason.PICKLES_CODE and _holds_module(pickled, effort):
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

    def __init__(self, where: str, effort: Effort) -> None:
        self.where = where
        self.effort = effort
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
        known = NAMES.get((module, name))
        if known is None:
            raise self.unknown(module, name)
        self.stack.append(known)

    def unknown(self, module: str, name: str) -> Unreadable:
        """What is wrong with any other name."""
        if kind := OTHER_TYPES.get((module, name)):
            return self.other_type(kind)
        where = quoted(f"{module}.{name}")
        if (module, name) in PLAIN_NAMES:
            return self.refusal(
                Reason.PICKLE_VALUE,
                where,
                "tensors, numbers, strings, lists, dicts: save only model.state_dict(), without what is beside it",
            )
        return self.refusal(
            Reason.PICKLES_CODE,
            where,
            "tensors, numbers, strings, lists, dicts: this file names code that opening it would run",
        )

    def other_type(self, kind: str) -> Unreadable:
        """A tensor that is not read because of its type."""
        return self.refusal(Reason.TENSOR_DTYPE, quoted(kind), f"dense tensors of {', '.join(TYPES)}")

    def call(self, _: Any) -> None:
        """REDUCE and NEWOBJ: what a known name makes of its arguments."""
        function, arguments = self.pop(2)
        if type(function) is not Name or function.call is None or type(arguments) is not tuple:
            raise ValueError("nothing that can be called")
        try:
            made = function.call(arguments, self.effort)
        except Unreadable:
            raise
        except OtherType as problem:
            raise self.other_type(str(problem)) from None
        except (TypeError, ValueError) as problem:
            raise self.refusal(
                Reason.PICKLE_VALUE, function.name, "the arguments that torch.save writes"
            ) from problem
        self.stack.append(made)

    def build(self, _: Any) -> None:
        """BUILD: the fields of a namespace; attributes of a dict (`_metadata` of a state dict) are dropped."""
        (state,) = self.pop(1)
        target = self.top(dict) if type(self.stack[-1]) is dict else self.top(Namespace)
        if type(state) is not dict:
            raise ValueError("a state that is no dict")
        if type(target) is Namespace:
            set_items(target, state.items(), self.effort)

    def storage(self, _: Any) -> None:
        """BINPERSID: a storage."""
        (identity,) = self.pop(1)
        try:
            self.stack.append(storage(identity))
        except (TypeError, ValueError) as problem:
            raise self.refusal(
                Reason.PICKLE_VALUE, "storage", "a storage as torch.save describes it"
            ) from problem

    def set_item(self, _: Any) -> None:
        """SETITEM."""
        key, value = self.pop(2)
        set_items(self.top(dict), [(key, value)], self.effort)

    def set_many(self, _: Any) -> None:
        """SETITEMS."""
        values = self.pop_to_mark()
        set_items(self.top(dict), zip(values[::2], values[1::2], strict=True), self.effort)

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


def _holds_module(pickled: bytes | bytearray, effort: Effort) -> bool:
    """Whether it names a layer of torch, as far as it can be followed: then it is a module that was pickled whole."""
    try:
        for opcode, argument, _ in islice(pickletools.genops(bytes(pickled)), effort.left):
            if opcode.name == "GLOBAL" and str(argument).startswith("torch.nn.modules."):
                return True
    except (ValueError, struct.error):
        pass
    return False
