"""`synaptic_flow`: the `model.pt` of Synaptic-Flow (Tanaka et al., 2020), with float masks of all parameters.

Its layers keep `NAME_mask` beside `NAME`, for biases and batch normalisation too.
"""

from __future__ import annotations

from core.interchange.foreign import Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import masks_beside, split, state_of, tensors_of, ticket


def recognises(source: Source) -> bool:
    """Whether a vector, a bias or of a normalisation, has a mask."""
    state = tensors_of(source)
    return any(state[base].ndim == 1 for base in masks_beside(state, "_mask").values())


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket; masks of vectors must be all ones."""
    assert isinstance(source, File)
    state, beside = state_of(source.tree)
    weights, masks = split(state, masks_beside(state, "_mask"))
    return [ticket(weights, masks, given, {"dropped": beside})]


FORMAT = Format("synaptic_flow", "Synaptic-Flow model.pt", recognises, read)
