"""Names that stand beside those of a network's own tensors."""

from __future__ import annotations

from core.families.architecture import Architecture
from core.interchange.exports.source import Unavailable


def check_names(architecture: Architecture, format: str, *suffixes: str) -> None:  # noqa: A002
    """Refuse a network that has a tensor of its own where `format` puts a prunable tensor's `NAME` + suffix."""
    for spec in architecture.prunable:
        for suffix in suffixes:
            if f"{spec.name}{suffix}" in architecture.specs:
                raise Unavailable(
                    format,
                    f"{spec.name}{suffix} is a tensor of {architecture.name}",
                    f"networks in which no tensor has the name of a prunable one and {suffix}",
                )
