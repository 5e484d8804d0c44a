"""What a user posts to describe a family of networks: one example's tensors, and which of them repeat."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.families.architecture import LONGEST_TENSOR_NAME, TENSOR_NAME

TIMM = "timm:"
"""What the names of timm's architectures start with."""

LARGEST = 2 * 1024 * 1024
"""Bytes of a definition's canonical JSON: a ticket file carries it in its header, which has at most 4 MiB."""
MOST_TENSORS = 20_000
LARGEST_DIMENSION = 500_000_000

Side = Annotated[int, Field(strict=True, ge=1, le=4096)]
Dimension = Annotated[int, Field(strict=True, ge=1, le=LARGEST_DIMENSION)]
Position = Annotated[int, Field(strict=True, ge=-MOST_TENSORS, lt=MOST_TENSORS)]
Number = Annotated[int, Field(strict=True, ge=0, lt=1_000_000)]
Glob = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*?]{1,256}$")]


class BadDefinition(ValueError):
    """A definition that describes no family: where (a JSON pointer), what is wrong, what would be accepted."""

    def __init__(self, where: str, what: str, accepted: str) -> None:
        super().__init__(f"{where or 'definition'}: {what}; accepted: {accepted}")
        self.where = where
        self.what = what
        self.accepted = accepted


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExampleTensor(_Model):
    """One entry of the example's state dict; a scalar has no dimensions."""

    name: Annotated[str, Field(pattern=TENSOR_NAME, max_length=LONGEST_TENSOR_NAME)]
    shape: Annotated[tuple[Dimension, ...], Field(max_length=8)]
    dtype: Literal["F32", "I64"] = "F32"


class StagePattern(_Model):
    """Modules that repeat: `pattern` is the beginning of their tensors' names, `{unit}` standing for the number.

    `fixed` lists positions in this stage that are never replicated and never dropped: 0, 1 … at its head, −1, −2 … at
    its tail, which moves with the depth. Stages that share one numbering say which `units` (first and last number)
    of the example are theirs.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    pattern: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]*\{unit\}([A-Za-z0-9_.]*\.)$", max_length=200)]
    fixed: Annotated[tuple[Position, ...], Field(max_length=64)] = ()
    units: tuple[Number, Number] | None = None


class _Typed(_Model):
    """A shape with its type."""

    shape: list[int]
    dtype: Literal["F32", "I64"] = "F32"


def _listed(tensors: Any) -> Any:
    """Canonical JSON sorts the keys of an object: only a list keeps the order of a state dict."""
    if not isinstance(tensors, dict):
        return tensors
    return [
        {**(form if isinstance(form, dict) else {"shape": form}), "name": name}
        for name, form in tensors.items()
    ]


Tensors = Annotated[
    tuple[ExampleTensor, ...],
    Field(min_length=1, max_length=MOST_TENSORS),
    BeforeValidator(_listed, json_schema_input_type=dict[str, list[int] | _Typed] | list[ExampleTensor]),
]


class Definition(_Model):
    """A family of networks that differ in how often units repeat, described by one example of it.

    `tensors` lists the example's state dict in order, as an object name → shape (or {shape, dtype}) or as a list.
    Prunable are the tensors of two dimensions or more that match a glob of `prunable` and none of `dense`. `input`
    [C, H, W] and `classes` may be left out where they mean nothing. A member has the example's order, the units of a
    stage one after another where the first of them stands; it breaks ties in pruning.
    """

    name: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,39}|timm:[a-z0-9][a-z0-9_.]{0,50})$")]
    input: tuple[Side, Side, Side] | None = None
    classes: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    stages: Annotated[tuple[StagePattern, ...], Field(max_length=64)] = ()
    prunable: Annotated[tuple[Glob, ...], Field(min_length=1, max_length=32)]
    dense: Annotated[tuple[Glob, ...], Field(max_length=32)] = ()
    tensors: Tensors

    @cached_property
    def canonical(self) -> str:
        """Canonical JSON (RFC 8785), without what is at its default: equal for equal definitions only."""
        return rfc8785.dumps(self.model_dump(mode="json", exclude_defaults=True)).decode()

    @property
    def shape(self) -> tuple[int, int, int]:
        """The input, (0, 0, 0) where it means nothing."""
        return self.input or (0, 0, 0)


def read_definition(text: str) -> Definition:
    """The definition that a canonical JSON text holds; raises `BadDefinition` for any other text."""
    if len(text) > LARGEST:
        raise BadDefinition("", "too long", f"at most {LARGEST} bytes")
    try:
        definition = Definition.model_validate_json(text)
    except ValidationError as problem:
        raise _refusal(problem) from None
    if definition.canonical != text:
        raise BadDefinition(
            "", "not in its canonical form", "canonical JSON (RFC 8785), no field at its default"
        )
    return definition


def made_definition(fields: Mapping[str, Any]) -> Definition:
    """A definition of these fields, as they would be posted; raises `BadDefinition`."""
    try:
        return Definition.model_validate(fields)
    except ValidationError as problem:
        raise _refusal(problem) from None


def _refusal(problem: ValidationError) -> BadDefinition:
    first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
    # A key may be anything that somebody wrote.
    where = "".join(f"/{ascii(str(part))[1:-1][:64]}" for part in first["loc"])
    return BadDefinition(where, ascii(first["msg"][:200])[1:-1], "what the field is described to hold")
