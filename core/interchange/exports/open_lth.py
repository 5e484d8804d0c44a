"""`open_lth`: one level of a lottery experiment as open_lth (Frankle et al., 2020) and ElasticLTH keep it.

Their `Mask.load` and `models.registry.load` open the level's folder, and so do the branches of an experiment.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from core.interchange.exports import pth
from core.interchange.exports.source import Source
from core.interchange.exports.tar import packing

# Their networks around torchvision's ResNets hold them as `self.model`.
_WRAPPED = frozenset({"imagenet_resnet", "cifarhe_resnet"})


def write(source: Source, path: Path) -> None:
    """Write `level_L/main/`; L is the nominal level, and 0, which they train as it is, where there is none."""
    ticket = source.ticket
    prefix = "model." if ticket.architecture.family in _WRAPPED else ""
    with packing(path) as root:
        folder = root / f"level_{source.metadata.level or 0}" / "main"
        folder.mkdir(parents=True)
        masks = {f"{prefix}{name}": mask.astype(np.int32) for name, mask in ticket.bool_masks().items()}
        pth.save(masks, folder / "mask.pth")
        weights = {f"{prefix}{name}": array for name, array in ticket.weights().items()}
        pth.save(weights, folder / _model_file(ticket.rewind_step, source.steps_per_epoch))
        report = {
            "total": float(ticket.prunable_weights),
            "unpruned": float(ticket.survivors),
            # Theirs is the share that is kept, whatever its name says.
            "sparsity_ratio": ticket.survivors / ticket.prunable_weights,
        }
        (folder / "sparsity_report.json").write_text(json.dumps(report, indent=4))


def _model_file(step: int, steps_per_epoch: int | None) -> str:
    """Epoch and iteration within it; all within epoch 0 where its length is not known."""
    epoch, iteration = (0, step) if steps_per_epoch is None else divmod(step, steps_per_epoch)
    return f"model_ep{epoch}_it{iteration}.pth"
