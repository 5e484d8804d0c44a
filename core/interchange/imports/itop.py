"""`itop`: checkpoints of the sparse-evolution codes of SViTE and ITOP, with a dict of masks under `mask`.

SViTE names a mask after its parameter and the parameter's number, `NAME_NUMBER`; others use the name alone, or
`NAME_mask`. Checkpoints with weights alone are read as `dense`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Arrays, Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import split, state_of, ticket, unwrapped
from core.tickets.failure import quoted

_KEYS = ("mask", "masks")


def recognises(source: Source) -> bool:
    """Whether there is a dict of tensors under `mask`."""
    return isinstance(source, File) and bool(_masks(source.tree))


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket; tensors that no mask names are dense."""
    assert isinstance(source, File)
    state, beside = state_of({key: value for key, value in source.tree.items() if key not in _KEYS})
    found = unwrapped(_masks(source.tree))
    _, masks = split(found, {name: _weight(name, state) for name in found})
    return [ticket(state, masks, given, {"dropped": beside})]


def _masks(tree: dict[str, Any]) -> dict[str, Any]:
    for key in _KEYS:
        found = tree.get(key)
        if isinstance(found, dict) and found and all(isinstance(mask, np.ndarray) for mask in found.values()):
            return found
    return {}


def _weight(name: str, state: Arrays) -> str:
    for candidate in (name, name.removesuffix("_mask"), re.sub(r"_[0-9]+$", "", name)):
        if candidate in state:
            return candidate
    raise Unreadable(Reason.MASK_WITHOUT_WEIGHT, quoted(name), "masks of tensors that are in the file")


FORMAT = Format("itop", "SViTE or ITOP checkpoint", recognises, read)
