"""Which network a foreign file holds, by the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.families.architecture import Architecture
from core.families.registry import recognise
from core.interchange.foreign import Foreign


def recognised(foreign: Foreign, input: Sequence[int] | None = None) -> Architecture | None:  # noqa: A002
    """The built-in architecture with exactly these tensors, or None; `input` is [C, H, W] where it is known."""
    return recognise({name: array.shape for name, array in foreign.weights.items()}, input)


def under_our_names(foreign: Foreign) -> Foreign:
    """The same ticket without what wraps its network, where that makes it a built-in one.

    Tools keep a network as an attribute, so that all its names begin alike (`model.`, `backbone.net.`). Names that
    are right already, and names of networks that are not built in, stay.
    """
    candidate = foreign
    while recognised(candidate) is None:
        first = next(iter(candidate.weights), "").partition(".")[0] + "."
        if not candidate.weights or not all(name.startswith(first) for name in candidate.weights):
            return foreign
        candidate = replace(
            candidate,
            weights=_without(first, candidate.weights),
            masks=_without(first, candidate.masks),
            initial=_without(first, candidate.initial),
        )
    return candidate


def _without(prefix: str, named: Any) -> Any:
    return None if named is None else {name.removeprefix(prefix): value for name, value in named.items()}
