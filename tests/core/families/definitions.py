"""Definitions of small families, of which a test says only what it is about."""

from __future__ import annotations

from typing import Any

from core.families.definition import Definition, made_definition

Shapes = dict[str, list[int]]


def defined(tensors: dict[str, Any], **changes: Any) -> Definition:
    return made_definition({"name": "net", "prunable": ["*.weight"], "tensors": tensors} | changes)


def plain_stage(**changes: Any) -> dict[str, Any]:
    return {"name": "s", "pattern": "b.{unit}."} | changes


def column(*widths: int) -> Shapes:
    """One weight per entry, of these widths."""
    return {f"b.{i}.weight": [width, 4] for i, width in enumerate(widths)}
