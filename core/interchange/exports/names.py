"""What a network must be for a format to hold it."""

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


def check_network(architecture: Architecture, format: str) -> None:  # noqa: A002
    """Refuse a posted architecture in a format that needs the network and not its tensors alone."""
    if architecture.definition:
        raise Unavailable(
            format,
            f"{architecture.name} was posted as a list of tensors, which does not say how they compute",
            "tickets of the built-in families",
        )
