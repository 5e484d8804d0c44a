"""All export formats: their facts, and what writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.interchange.exports import compact, dense, huggingface, onnx, open_lth, safetensors, torch_prune
from core.interchange.exports.source import Source
from core.jobs.formats import FORMATS, FormatFacts

Write = Callable[[Source, Path], None]

_WRITERS: dict[str, Write] = {
    "safetensors": safetensors.write,
    "torch_prune": torch_prune.write,
    "open_lth": open_lth.write,
    "dense": dense.write,
    "onnx": onnx.write,
    "huggingface": huggingface.write,
    "compact": compact.write,
    "compact_onnx": compact.write_onnx,
}


@dataclass(frozen=True)
class Export(FormatFacts):
    """A format that can be written.

    `write` makes the file at a path, which may be there already: the same source gives the same bytes. It raises
    `Unavailable` for a ticket that the format cannot hold, and may use the path's folder for scratch files.
    """

    write: Write = field(kw_only=True)


EXPORTS: dict[str, Export] = {
    name: Export(**vars(facts), write=_WRITERS[name]) for name, facts in FORMATS.items()
}
