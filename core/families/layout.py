"""A definition understood: which tensors stand where, and how the entries of each stage look in any member."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from core.families.architecture import Role, TensorSpec
from core.families.definition import LARGEST, BadDefinition, Definition, ExampleTensor, StagePattern
from core.families.family import UnknownArchitecture
from core.families.registry import FAMILIES

_NORMALISATION = ("norm", "bn", "ln")

Block: TypeAlias = tuple[TensorSpec, ...]
"""The tensors of one entry, under their local names."""


@dataclass(frozen=True)
class StageLayout:
    """A stage of the example: `first` is the number of its first entry, `head` and `tail` count the fixed ones."""

    pattern: StagePattern
    first: int
    entries: tuple[Block, ...]
    head: int
    tail: int

    @property
    def fixed(self) -> int:
        """How many entries every member has."""
        return self.head + self.tail

    @property
    def repeats(self) -> bool:
        """Whether it has a unit, so that members may have more."""
        return len(self.entries) > self.fixed

    def is_fixed(self, position: int, count: int) -> bool:
        """Whether the entry at `position` of `count` is never replicated and never dropped."""
        return position < self.head or position >= count - self.tail

    def block(self, position: int, count: int) -> Block:
        """The entry at `position` in a member with `count` of them: fixed ones are the example's own."""
        if position >= count - self.tail:
            return self.entries[position - count]
        return self.entries[min(position, self.head)]


@dataclass(frozen=True)
class Layout:
    """The tensors of the example in order; an index stands for all tensors of that stage."""

    definition: Definition
    places: tuple[TensorSpec | int, ...]
    stages: tuple[StageLayout, ...]

    @property
    def loose(self) -> tuple[TensorSpec, ...]:
        """The tensors that belong to no stage."""
        return tuple(place for place in self.places if isinstance(place, TensorSpec))


@lru_cache(maxsize=32)
def understood(canonical: str) -> Layout:
    """The layout of a definition, given as its canonical JSON; raises `BadDefinition`."""
    if len(canonical) > LARGEST:
        raise BadDefinition("", "too long", f"at most {LARGEST} bytes of canonical JSON")
    definition = Definition.model_validate_json(canonical)
    _check_name(definition.name)
    specs = _specs(definition)
    owners = _owners(definition, specs)
    stages = _stages(definition, specs, owners)
    stage_of = {
        (stage.pattern.pattern, stage.first + position): index
        for index, stage in enumerate(stages)
        for position in range(len(stage.entries))
    }
    # A stage stands as a whole where its first tensor does.
    places: dict[TensorSpec | int, None] = {}
    for name, spec in specs.items():
        owner = owners.get(name)
        places[spec if owner is None else stage_of[owner.pattern, owner.number]] = None
    return Layout(definition, tuple(places), stages)


def _check_name(name: str) -> None:
    built_in = name in FAMILIES
    for family in FAMILIES.values():
        try:
            built_in = built_in or family.parse(name) is not None
        except UnknownArchitecture:
            built_in = True
    if built_in:
        raise BadDefinition("/name", f"{name} is a name of a built-in family", "a name of its own")


def _specs(definition: Definition) -> dict[str, TensorSpec]:
    """The example's tensors with their roles, in order."""
    tensors = {tensor.name: tensor for tensor in definition.tensors}
    if len(tensors) < len(definition.tensors):
        raise BadDefinition("/tensors", "a name stands twice", "each tensor once")
    for name in tensors:
        if name.endswith((".bits", ".kept")):
            raise BadDefinition("/tensors", f"{name} is what a ticket file calls a mask", "another name")
    prunable = {name for name, tensor in tensors.items() if _prunable(tensor, definition)}
    if not prunable:
        raise BadDefinition(
            "/prunable", "no tensor is prunable", "globs that some tensor of two dimensions or more matches"
        )
    return {
        name: TensorSpec(name, tensor.shape, Role.WEIGHT if name in prunable else _role(tensor, tensors, prunable))
        for name, tensor in tensors.items()
    }  # fmt: skip


def _prunable(tensor: ExampleTensor, definition: Definition) -> bool:
    def matches(globs: Sequence[str]) -> bool:
        return any(fnmatchcase(tensor.name, glob) for glob in globs)

    return (
        len(tensor.shape) >= 2
        and tensor.dtype == "F32"
        and matches(definition.prunable)
        and not matches(definition.dense)
    )


def _role(tensor: ExampleTensor, tensors: Mapping[str, ExampleTensor], prunable: set[str]) -> Role:
    """The purpose of a tensor that is not prunable, as far as its name and its neighbours tell."""
    module, _, last = tensor.name.rpartition(".")
    if tensor.dtype == "I64":
        return Role.COUNT if last == "num_batches_tracked" else Role.INDEX
    if last in ("running_mean", "running_var"):
        return Role.MEAN if last == "running_mean" else Role.VARIANCE
    if last == "bias" and f"{module}.weight" in prunable:
        return Role.BIAS
    own_name = module.rpartition(".")[2].lower()
    normalises = f"{module}.running_mean" in tensors or any(word in own_name for word in _NORMALISATION)
    if last in ("weight", "bias") and len(tensor.shape) == 1 and normalises:
        return Role.SCALE if last == "weight" else Role.SHIFT
    return Role.STATE


class _Owner(NamedTuple):
    """The repeating module that a tensor belongs to, and the tensor's name in it."""

    pattern: str
    number: int
    local: str


def _owners(definition: Definition, names: Mapping[str, TensorSpec]) -> dict[str, _Owner]:
    owners: dict[str, _Owner] = {}
    for pattern in dict.fromkeys(stage.pattern for stage in definition.stages):
        prefix, _, suffix = pattern.partition("{unit}")
        form = re.compile(f"{re.escape(prefix)}(0|[1-9][0-9]{{0,5}}){re.escape(suffix)}(.+)")
        for name in names:
            match = form.fullmatch(name)
            if match is None:
                continue
            if name in owners:
                raise BadDefinition(
                    "/stages", f"{name} belongs to {owners[name].pattern} and to {pattern}", "one pattern"
                )
            owners[name] = _Owner(pattern, int(match[1]), match[2])
    return owners


def _stages(
    definition: Definition, specs: Mapping[str, TensorSpec], owners: Mapping[str, _Owner]
) -> tuple[StageLayout, ...]:
    if len({stage.name for stage in definition.stages}) < len(definition.stages):
        raise BadDefinition("/stages", "a name stands twice", "a name of its own for each stage")
    modules: dict[str, dict[int, list[TensorSpec]]] = {}
    for name, owner in owners.items():
        spec = TensorSpec(owner.local, specs[name].shape, specs[name].role)
        modules.setdefault(owner.pattern, {}).setdefault(owner.number, []).append(spec)
    found: dict[int, StageLayout] = {}
    for pattern in dict.fromkeys(stage.pattern for stage in definition.stages):
        sharing = [i for i, stage in enumerate(definition.stages) if stage.pattern == pattern]
        entries = modules.get(pattern, {})
        _check_numbering(pattern, sorted(entries), sharing[0])
        for i, (first, last) in zip(sharing, _ranges(definition, sharing, sorted(entries)), strict=True):
            blocks = tuple(tuple(entries[number]) for number in range(first, last + 1))
            found[i] = _stage(i, definition.stages[i], first, blocks)
    return tuple(found[i] for i in range(len(definition.stages)))


def _check_numbering(pattern: str, numbers: Sequence[int], stage: int) -> None:
    where = f"/stages/{stage}/pattern"
    if not numbers:
        raise BadDefinition(where, f"no tensor's name begins with {pattern}", "the beginning of some names")
    for number, following in pairwise(numbers):
        if following != number + 1:
            raise BadDefinition(where, f"number {number + 1} is missing", "numbers without a gap")


def _ranges(
    definition: Definition, sharing: Sequence[int], numbers: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """The first and the last number of each stage among those that share one numbering."""
    expected = numbers[0]
    for i in sharing:
        last_stage = i == sharing[-1]
        first, last = definition.stages[i].units or (expected, numbers[-1])
        right = (
            first == expected <= last <= numbers[-1]
            and (last == numbers[-1]) == last_stage
            and (len(sharing) == 1 or definition.stages[i].units is not None)
        )
        if not right:
            raise BadDefinition(
                f"/stages/{i}/units",
                "the stages that share a numbering do not divide it",
                f"first and last number, from {expected}, of each of them; {numbers[-1]} ends the last one",
            )
        expected = last + 1
        yield first, last


def _stage(index: int, pattern: StagePattern, first: int, blocks: tuple[Block, ...]) -> StageLayout:
    where = f"/stages/{index}/fixed"
    head = sorted(position for position in pattern.fixed if position >= 0)
    tail = sorted(position for position in pattern.fixed if position < 0)
    if head != list(range(len(head))) or tail != list(range(-len(tail), 0)):
        raise BadDefinition(
            where, "not a run at the head or the tail", "0, 1, ... at the head, -1, -2, ... at the tail"
        )
    if len(head) + len(tail) > len(blocks):
        raise BadDefinition(
            where, f"{len(pattern.fixed)} positions", f"at most {len(blocks)}, as it has entries"
        )
    forms = [{spec.name: spec for spec in block} for block in blocks]
    for position in range(len(head) + 1, len(blocks) - len(tail)):
        if forms[position] != forms[len(head)]:
            raise BadDefinition(
                f"/stages/{index}",
                f"units {first + len(head)} and {first + position} differ: {_difference(forms, len(head), position)}",
                "units with the same names, shapes and roles; fix the others or give them a stage of their own",
            )
    return StageLayout(pattern, first, blocks, len(head), len(tail))


def _difference(forms: Sequence[Mapping[str, TensorSpec]], a: int, b: int) -> str:
    names = sorted(name for name in {*forms[a], *forms[b]} if forms[a].get(name) != forms[b].get(name))
    return names[0]
