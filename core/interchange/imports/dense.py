"""`dense`: a state dict with zeros where it is pruned, the only format that cannot tell a surviving zero."""

from __future__ import annotations

from core.interchange.foreign import Foreign, Given
from core.interchange.imports.format import File, Format, Source
from core.interchange.imports.safetensors import stated
from core.interchange.imports.states import state_of, ticket


def recognises(source: Source) -> bool:
    """Any file of tensors can be one."""
    return isinstance(source, File)


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket without masks: they are to be inferred from the zeros of prunable tensors."""
    assert isinstance(source, File)
    state, beside = state_of(source.tree)
    return [ticket(state, None, stated(source, given), {"dropped": beside})]


FORMAT = Format("dense", "State dict with zeros where pruned", recognises, read)
