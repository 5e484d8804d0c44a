"""Floating-point operations of a network, counted from what its family knows of it. No torch."""

from __future__ import annotations

from core.families.architecture import Architecture
from core.families.family import Grid
from core.families.registry import member

BACKWARD = 2
"""A backward pass costs two products for each one of the forward pass: for the weights, and for what came in."""


def forward_flops(architecture: Architecture) -> dict[str, int] | None:
    """By prunable tensor, the operations of one image's forward pass: 2 for each multiplication with an addition.

    Convolutions and linear layers only, as the literature counts. None for a posted architecture: it is names and
    shapes, and nobody here knows how often each weight is used.
    """
    if architecture.definition:
        return None
    places = member(architecture.name).places(Grid(*architecture.input[1:]))
    return {
        spec.name: 2 * spec.size * (places[spec.name] if len(spec.shape) > 2 else 1)
        for spec in architecture.prunable
    }


def training_flops(architecture: Architecture) -> int | None:
    """Operations per image of a forward and a backward pass of the dense network; None where they are not known."""
    forward = forward_flops(architecture)
    return None if forward is None else (1 + BACKWARD) * sum(forward.values())
