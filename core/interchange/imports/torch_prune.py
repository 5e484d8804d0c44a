"""`torch_prune`: networks under `torch.nn.utils.prune`, which keeps `NAME_orig` and `NAME_mask` in place of `NAME`."""

from __future__ import annotations

from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.states import split, state_of, tensors_of, ticket

_ORIGINAL, _MASK = "_orig", "_mask"


def recognises(source: Source) -> bool:
    """Whether a state dict has both of some tensor."""
    state = tensors_of(source)
    return any(
        f"{name.removesuffix(_ORIGINAL)}{_MASK}" in state for name in state if name.endswith(_ORIGINAL)
    )


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket: the weights are the originals, which the mask does not touch."""
    assert isinstance(source, File)
    state, beside = state_of(source.tree)
    bases = {}
    for original in [name for name in state if name.endswith(_ORIGINAL)]:
        name = original.removesuffix(_ORIGINAL)
        if f"{name}{_MASK}" not in state:
            raise Unreadable(Reason.TENSOR_MISSING, original, f"{name}{_MASK} beside it")
        if name in state:
            raise Unreadable(Reason.TENSOR_UNEXPECTED, name, f"{original} in its place")
        bases[f"{name}{_MASK}"] = name
    weights, masks = split(state, bases)
    originals = {f"{name}{_ORIGINAL}": name for name in masks}
    renamed = {originals.get(name, name): array for name, array in weights.items()}
    return [ticket(renamed, masks, given, {"dropped": beside})]


FORMAT = Format("torch_prune", "PyTorch state dict of torch.nn.utils.prune", recognises, read)
