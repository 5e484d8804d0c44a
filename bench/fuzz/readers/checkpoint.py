"""A training in the middle, as it lies in a job's scratch folder."""

from __future__ import annotations

import io

from bench.fuzz import samples
from bench.fuzz.reader import Scratch
from core.training.checkpoint import CheckpointInvalid, EpochRecord, TrainingState, read_state, write_state

REFUSED = (CheckpointInvalid,)
_SCRATCH = Scratch()


def seeds() -> list[bytes]:
    """One before its first step, and one in its second epoch."""
    weights, masks = samples.arrays(), samples.masks()
    record = EpochRecord(1, 10, 0.1, 0.5, 0.6, 7, 10)
    later = TrainingState(15, weights, masks, {"momentum_buffer": weights}, (record,), 0.5, 5, 1.5)
    made = []
    for state in (TrainingState.fresh(weights, masks), later):
        stream = io.BytesIO()
        write_state(state, stream)
        made.append(stream.getvalue())
    return made


def read(data: bytes) -> None:
    """Read it."""
    read_state(_SCRATCH.file(data))
