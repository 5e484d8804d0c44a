"""A posted definition: understood, made into its example and into a deeper member."""

from __future__ import annotations

from pydantic import ValidationError

from bench.fuzz import samples
from core.families import UnknownArchitecture
from core.families.definition import BadDefinition, Definition, read_definition
from core.families.posted import posted_architecture

REFUSED = (ValidationError, BadDefinition, UnknownArchitecture)


def seeds() -> list[bytes]:
    """A definition as it is posted, and in its canonical form."""
    return [samples.POSTED, samples.DEFINITION.canonical.encode()]


def read(data: bytes) -> None:
    """Parse, build, and read the canonical form again."""
    definition = Definition.model_validate_json(data)
    posted_architecture(definition)
    assert read_definition(definition.canonical) == definition, "another definition once written"
