"""`turboprune`: state dicts of TurboPrune, with `LAYER.mask` beside an unmasked `LAYER.weight`.

Its linear layers are convolutions of one dimension with kernel 1: their last dimension, of size 1, goes.
"""

from __future__ import annotations

from core.interchange.foreign import Arrays, Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import split, state_of, tensors_of, ticket


def recognises(source: Source) -> bool:
    """Whether a layer has a mask."""
    return bool(_bases(tensors_of(source)))


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket, with the values under the mask."""
    assert isinstance(source, File)
    state, beside = state_of(source.tree)
    weights, masks = split(state, _bases(state))
    linear = [name for name in masks if weights[name].ndim == 3 and weights[name].shape[2] == 1]
    for arrays in (weights, masks):
        arrays.update({name: arrays[name][:, :, 0] for name in linear if arrays[name].shape[2:] == (1,)})
    return [ticket(weights, masks, given, {"dropped": beside, "squeezed": linear})]


def _bases(state: Arrays) -> dict[str, str]:
    return {
        name: weight
        for name in state
        if name.endswith(".mask") and (weight := f"{name.removesuffix('mask')}weight") in state
    }


FORMAT = Format("turboprune", "TurboPrune state dict", recognises, read)
