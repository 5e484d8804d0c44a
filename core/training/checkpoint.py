"""A training in the middle, as bytes: everything that a resumed one needs to end in the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from core.training.speed import Speed

FORMAT = "elasticket-checkpoint/1"

Arrays = Mapping[str, np.ndarray]
Slots = Mapping[str, Arrays]
"""An optimiser's memory: by torch's name of the slot (`momentum_buffer`, `exp_avg`, …), then by parameter."""


class CheckpointInvalid(ValueError):
    """The file is not a checkpoint of this format."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to: measured after `step` steps; losses are means per image.

    `train_loss` is what the training minimises, with label smoothing where the recipe has it; `test_loss` is without.
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

    `weights`: all parameters and buffers; `slots`: what the optimiser remembers, by slot and parameter, nothing
    before the first step; `loss_sum`, `seen`: of the current epoch so far; `seconds`: spent so far, over all
    attempts; `speed`: how fast that went, None before the first step. Data order and augmentation are functions of
    the step: they have no state.
    """

    step: int
    weights: Arrays
    masks: Arrays
    slots: Slots
    history: tuple[EpochRecord, ...]
    loss_sum: float
    seen: int
    seconds: float
    speed: Speed | None = None

    @classmethod
    def fresh(cls, weights: Arrays, masks: Arrays, step: int = 0) -> Self:
        """A training that is about to take its first step, which is `step` of the schedule.

        `masks` are those of the prunable tensors; a tensor without one stays dense.
        """
        return cls(step, weights, masks, slots={}, history=(), loss_sum=0.0, seen=0, seconds=0.0)


# Files from before there were other slots call SGD's so.
_RENAMED = {"momentum": "momentum_buffer"}


def write_state(state: TrainingState, stream: BinaryIO) -> None:
    """Write a safetensors file: tensors named GROUP/NAME, the rest as one JSON string.

    The groups are `weights`, `masks` and the optimiser's slots. Equal states give equal bytes.
    """
    groups = {"weights": state.weights, "masks": state.masks, **state.slots}
    tensors = {
        f"{group}/{name}": np.asarray(array, order="C")
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    described = {
        "format": FORMAT,
        # safetensors sorts its tensors; the order of masks breaks ties in pruning and must survive.
        "names": {group: list(arrays) for group, arrays in groups.items()},
        "step": state.step,
        "history": [asdict(record) for record in state.history],
        "loss_sum": state.loss_sum,
        "seen": state.seen,
        "seconds": state.seconds,
        "speed": state.speed and asdict(state.speed),
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
                group: {name: file.get_tensor(f"{group}/{name}") for name in names}
                for group, names in described["names"].items()
            }
        return TrainingState(
            step=described["step"],
            weights=groups.pop("weights"),
            masks=groups.pop("masks"),
            slots={_RENAMED.get(slot, slot): arrays for slot, arrays in groups.items() if arrays},
            history=tuple(EpochRecord(**record) for record in described["history"]),
            loss_sum=described["loss_sum"],
            seen=described["seen"],
            seconds=described["seconds"],
            # Files from before it was measured have none.
            speed=Speed(**described["speed"]) if described.get("speed") else None,
        )
    except (SafetensorError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise CheckpointInvalid(f"{path}: not a checkpoint: {error}") from error
