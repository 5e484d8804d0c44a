"""Which trainings are one computation. No torch."""

from __future__ import annotations

AT_ONCE = 8
"""So many small networks fill the widest products a CPU or a GPU has; more would only take more memory."""


def at_once(family: str, *, alone: bool) -> int:
    """How many replicates of a family's network are trained as one computation, where nothing keeps them `alone`."""
    return AT_ONCE if family == "mlp" and not alone else 1
