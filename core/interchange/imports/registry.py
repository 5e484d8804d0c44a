"""All foreign formats, the most telling first: the first that recognises a file reads it."""

from __future__ import annotations

from core.interchange.imports import (
    cerebras,
    dense,
    huggingface,
    itop,
    open_lth,
    rigl_torch,
    safetensors,
    synaptic_flow,
    torch_prune,
    turboprune,
)
from core.interchange.imports.format import Format

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        open_lth,
        huggingface,
        torch_prune,
        rigl_torch,
        itop,
        turboprune,
        synaptic_flow,
        cerebras,
        safetensors,
        dense,
    )
}
