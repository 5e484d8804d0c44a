"""`huggingface`: a model folder with `model.safetensors`, `config.json` and a model card, in a tar file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.interchange.exports import safetensors
from core.interchange.exports.card import card
from core.interchange.exports.source import Source
from core.interchange.exports.tar import packing


def write(source: Source, path: Path) -> None:
    """Write the tar file; its one folder is named after the architecture and the ticket."""
    with packing(path) as root:
        folder = root / f"{source.ticket.architecture.name}-{source.identity[:8]}"
        folder.mkdir()
        safetensors.write(source, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config(source), indent=2) + "\n")
        (folder / "README.md").write_text(card(source), encoding="utf-8")


def config(source: Source) -> dict[str, Any]:
    """What `config.json` says: the network and the figures of the ticket."""
    ticket, architecture = source.ticket, source.ticket.architecture
    described: dict[str, Any] = {
        "model_type": "elasticket",
        "architectures": [architecture.name],
        "family": architecture.family,
        "input": list(architecture.input),
        "classes": architecture.classes,
        "rewind_step": ticket.rewind_step,
        "prunable_weights": ticket.prunable_weights,
        "survivors": ticket.survivors,
        "sparsity": ticket.sparsity,
        "ticket": source.identity,
        **source.metadata.model_dump(
            include={"dataset", "method", "seed", "level", "parent"}, exclude_none=True
        ),
    }
    if architecture.definition:
        described["definition"] = json.loads(architecture.definition)
    return described
