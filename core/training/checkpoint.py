"""A training in the middle, as bytes: everything that a resumed one needs to end in the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

FORMAT = "elasticket-checkpoint/1"


class CheckpointInvalid(ValueError):
    """The file is not a checkpoint of this format."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to: measured after `step` steps; losses are means per image.

    `epoch` counts from 1. The first may be part of an epoch (a rewound training), so may the last.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    test_loss: float
    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """Test accuracy: correct / total."""
        return self.correct / self.total


@dataclass(frozen=True)
class TrainingState:
    """A training after `step` steps.

    `weights`: all parameters and buffers; `momentum`: by parameter name, empty without momentum or before
    the first step; `loss_sum`, `seen`: of the current
    epoch so far; `seconds`: spent so far, over all attempts. Data order and augmentation are functions of the
    step: they have no state.
    """

    step: int
    weights: Mapping[str, np.ndarray]
    momentum: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray]
    history: tuple[EpochRecord, ...]
    loss_sum: float
    seen: int
    seconds: float


_GROUPS = ("weights", "momentum", "masks")


def write_state(state: TrainingState, stream: BinaryIO) -> None:
    """Write a safetensors file: tensors named GROUP/NAME, the rest as one JSON string.

    Equal states give equal bytes.
    """
    tensors = {
        f"{group}/{name}": np.asarray(array, order="C")
        for group in _GROUPS
        for name, array in getattr(state, group).items()
    }
    described = {
        "format": FORMAT,
        # safetensors sorts its tensors; the order of masks breaks ties in pruning and must survive.
        "names": {group: list(getattr(state, group)) for group in _GROUPS},
        "step": state.step,
        "history": [asdict(record) for record in state.history],
        "loss_sum": state.loss_sum,
        "seen": state.seen,
        "seconds": state.seconds,
    }
    stream.write(save(tensors, {"state": json.dumps(described)}))


def read_state(path: Path) -> TrainingState:
    """The state that `write_state` wrote. Raises `CheckpointInvalid` on anything else."""
    try:
        with safe_open(path, framework="numpy") as file:
            described = json.loads((file.metadata() or {})["state"])
            if described["format"] != FORMAT:
                raise CheckpointInvalid(f"{path}: format {described['format']!r}, expected {FORMAT!r}")
            groups = {
                group: {name: file.get_tensor(f"{group}/{name}") for name in described["names"][group]}
                for group in _GROUPS
            }
        return TrainingState(
            step=described["step"],
            weights=groups["weights"],
            momentum=groups["momentum"],
            masks=groups["masks"],
            history=tuple(EpochRecord(**record) for record in described["history"]),
            loss_sum=described["loss_sum"],
            seen=described["seen"],
            seconds=described["seconds"],
        )
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointInvalid(f"{path}: not a checkpoint: {error}") from error
