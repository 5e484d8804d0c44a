"""`cerebras`: state dicts with `PARAMETER_mask` beside each sparse parameter, as Cerebras' trainer keeps them."""

from __future__ import annotations

from core.interchange.foreign import Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import masks_beside, split, state_of, tensors_of, ticket


def recognises(source: Source) -> bool:
    """Whether a parameter of a `.pth` has a mask beside it."""
    if not isinstance(source, File) or source.container != "pth":
        return False
    return bool(masks_beside(tensors_of(source), "_mask"))


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket."""
    assert isinstance(source, File)
    state, beside = state_of(source.tree)
    weights, masks = split(state, masks_beside(state, "_mask"))
    return [ticket(weights, masks, given, {"dropped": beside})]


FORMAT = Format("cerebras", "State dict with PARAMETER_mask beside PARAMETER", recognises, read)
