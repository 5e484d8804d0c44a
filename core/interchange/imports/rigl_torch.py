"""`rigl_torch`: checkpoints of rigl-torch, whose scheduler keeps a list of masks without names.

`backward_masks` has one entry per layer with a weight, in the order of the network: a boolean tensor, or None for a
layer that stays dense.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Arrays, Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import state_of, ticket

_KEY = "backward_masks"


def recognises(source: Source) -> bool:
    """Whether there is a list of masks, at the top of the checkpoint or one mapping down."""
    return isinstance(source, File) and next(_lists(source.tree), None) is not None


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket: the list is matched with the conv and linear weights in the order of the state dict."""
    assert isinstance(source, File)
    state, beside = state_of(source.tree)
    masks = dict(_named(next(_lists(source.tree)), state))
    return [ticket(state, masks, given, {"dropped": [name for name in beside if name != _KEY]})]


def _lists(tree: dict[str, Any]) -> Iterator[list[Any]]:
    for mapping in (tree, *tree.values()):
        if isinstance(mapping, dict) and isinstance(mapping.get(_KEY), list):
            yield mapping[_KEY]


def _named(masks: list[Any], state: Arrays) -> Iterator[tuple[str, Any]]:
    names = [name for name, array in state.items() if name.endswith("weight") and array.ndim >= 2]
    # Its first releases list no mask for the first layer, which is always dense.
    offset = len(names) - len(masks)
    if offset not in (0, 1):
        raise Unreadable(Reason.MASK_COUNT, _KEY, f"{len(names)} entries, one for each conv or linear weight")
    for name, mask in zip(names[offset:], masks, strict=True):
        if mask is not None and not isinstance(mask, np.ndarray):
            raise Unreadable(Reason.MASK_DTYPE, f"{_KEY}, {name}", "a boolean tensor or None")
        if mask is not None:
            yield name, mask


FORMAT = Format("rigl_torch", "rigl-torch checkpoint", recognises, read)
