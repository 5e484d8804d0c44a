"""What travels with a ticket: the facts that describe it, and where it comes from, which is not identity."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.families import UnknownArchitecture
from core.families.architecture import Architecture
from core.families.definition import BadDefinition, read_definition
from core.families.posted import posted_member
from core.tickets import strict_json
from core.tickets.failure import Failure, InvalidTicket, quoted
from core.tickets.strict_json import LARGEST_INTEGER, whole_numbers
from core.tickets.ticket import Ticket

FORMAT = "elasticket/1"
DETAILS_BYTES = 64 * 1024
DETAILS_DEPTH = 16

Describe = Callable[[str, tuple[int, int, int], int], Architecture]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:+-]{0,127}$")]
TicketId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_REQUIRED = ("format", "architecture", "input", "classes", "rewind_step", "shapes")
_OPTIONAL = ("dataset", "definition", "provenance")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")


class Metadata(BaseModel):
    """Where a ticket comes from. Two tickets that differ only here have one id.

    `method` found or made it (`imp`, `random`, `ett`, `upload` ...) on `dataset` with `seed`; `level` is its
    nominal IMP level; `parent` is the ticket it was transformed from; `details` is a JSON object of at most
    64 KiB.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    dataset: Word | None = None
    method: Word | None = None
    seed: Annotated[int, Field(ge=0, le=LARGEST_INTEGER)] | None = None
    level: Annotated[int, Field(ge=0, le=1000)] | None = None
    parent: TicketId | None = None
    details: dict[str, Any] = Field(default_factory=dict)

    @field_validator("details")
    @classmethod
    def _plain_json(cls, details: dict[str, Any]) -> dict[str, Any]:
        check_tree(details, DETAILS_DEPTH)
        canonical = rfc8785.dumps(details)
        if len(canonical) > DETAILS_BYTES:
            raise ValueError(f"at most {DETAILS_BYTES} bytes of JSON")
        # What a reader will see: tuples become lists, and numbers that it would refuse are refused here.
        parsed: dict[str, Any] = strict_json.loads(canonical.decode(), "details")
        return parsed


def check_tree(value: Any, depth: int) -> None:
    """Refuse deep nesting, and NUL characters, which PostgreSQL cannot store."""
    if depth < 0:
        raise ValueError(f"at most {DETAILS_DEPTH} levels of nesting")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("no NUL characters")
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for child in value:
            check_tree(child, depth - 1)


def to_strings(ticket: Ticket, metadata: Metadata) -> dict[str, str]:
    """`__metadata__` of a ticket's file: the same ticket and metadata give the same strings."""
    architecture = ticket.architecture
    provenance = metadata.model_dump(exclude={"dataset"}, exclude_none=True)
    strings = {
        "format": FORMAT,
        "architecture": architecture.name,
        "input": canonical(list(architecture.input)),
        "classes": str(architecture.classes),
        "rewind_step": str(ticket.rewind_step),
        "shapes": canonical({spec.name: list(spec.shape) for spec in architecture.prunable}),
        "provenance": canonical(provenance),
    }
    if architecture.definition:
        strings["definition"] = architecture.definition
    if metadata.dataset is not None:
        strings["dataset"] = metadata.dataset
    return strings


def from_strings(strings: Mapping[str, str], describe: Describe) -> tuple[Architecture, int, Metadata]:
    """The architecture, the rewind step and the provenance that `__metadata__` states, or `InvalidTicket`."""
    if strings.get("format", FORMAT) != FORMAT:
        raise InvalidTicket(Failure.FORMAT_UNKNOWN, "format", FORMAT)
    for key in _REQUIRED:
        if key not in strings:
            raise InvalidTicket(Failure.METADATA_MISSING, key, "a string")
    for key in sorted(strings.keys() - {*_REQUIRED, *_OPTIONAL}):
        raise InvalidTicket(Failure.METADATA_UNKNOWN, quoted(key), ", ".join((*_REQUIRED, *_OPTIONAL)))
    architecture = _architecture(strings, describe)
    _check_shapes(strings["shapes"], architecture)
    return architecture, _decimal(strings, "rewind_step"), _metadata(strings)


def canonical(value: Any) -> str:
    """Canonical JSON (RFC 8785) as a string."""
    return rfc8785.dumps(value).decode()


def _architecture(strings: Mapping[str, str], describe: Describe) -> Architecture:
    name, classes = strings["architecture"], _decimal(strings, "classes")
    sides = whole_numbers(strict_json.loads(strings["input"], "input"), 3)
    if sides is None or len(sides) != 3:
        raise InvalidTicket(Failure.METADATA_VALUE, "input", "[C, H, W]")
    shape = (sides[0], sides[1], sides[2])
    try:
        if "definition" in strings:
            architecture = posted_member(read_definition(strings["definition"]), name)
        else:
            architecture = describe(name, shape, classes)
    except BadDefinition as problem:
        raise InvalidTicket(
            Failure.METADATA_VALUE, f"definition{problem.where}", f"{problem.accepted} ({problem.what})"
        ) from None
    except UnknownArchitecture as problem:
        raise InvalidTicket(Failure.ARCHITECTURE_UNKNOWN, quoted(name), str(problem)) from None
    if architecture.name != name:
        raise InvalidTicket(Failure.ARCHITECTURE_UNKNOWN, quoted(name), architecture.name)
    if architecture.definition != strings.get("definition", ""):
        raise InvalidTicket(Failure.METADATA_MISSING, "definition", "the definition of a posted architecture")
    if architecture.input != shape:
        raise InvalidTicket(Failure.METADATA_VALUE, "input", str(list(architecture.input)))
    if architecture.classes != classes:
        raise InvalidTicket(Failure.METADATA_VALUE, "classes", str(architecture.classes))
    return architecture


def _check_shapes(text: str, architecture: Architecture) -> None:
    shapes = strict_json.loads(text, "shapes")
    expected = {spec.name: spec.shape for spec in architecture.prunable}
    if not isinstance(shapes, dict) or shapes.keys() != expected.keys():
        raise InvalidTicket(Failure.METADATA_VALUE, "shapes", "an object of all prunable tensors")
    for name, shape in expected.items():
        if whole_numbers(shapes[name], len(shape)) != shape:
            raise InvalidTicket(Failure.METADATA_VALUE, f"shapes, {name}", str(list(shape)))


def _decimal(strings: Mapping[str, str], key: str) -> int:
    text = strings[key]
    if not _DECIMAL.fullmatch(text) or int(text) > LARGEST_INTEGER:
        raise InvalidTicket(Failure.METADATA_VALUE, key, f"a decimal integer from 0 to {LARGEST_INTEGER}")
    return int(text)


def _metadata(strings: Mapping[str, str]) -> Metadata:
    provenance = strict_json.loads(strings.get("provenance", "{}"), "provenance")
    if not isinstance(provenance, dict) or "dataset" in provenance:
        raise InvalidTicket(
            Failure.METADATA_VALUE, "provenance", "an object; the dataset is a key of its own"
        )
    try:
        return Metadata.model_validate({**provenance, "dataset": strings.get("dataset")})
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidTicket(Failure.METADATA_VALUE, _where(first["loc"]), quoted(first["msg"])) from None


def _where(location: Iterable[int | str]) -> str:
    return "provenance" + "".join(f", {quoted(part)}" for part in location)
