from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.training.checkpoint import CheckpointInvalid, EpochRecord, TrainingState, read_state, write_state


@pytest.fixture
def state() -> TrainingState:
    rng = np.random.default_rng(0)
    weights = {
        "z.weight": np.asfortranarray(rng.standard_normal((3, 4)).astype(np.float32)),
        "a.weight": rng.standard_normal((2, 3, 1, 1)).astype(np.float32),
        "bn.num_batches_tracked": np.array(7, dtype=np.int64),
    }
    return TrainingState(
        step=9,
        weights=weights,
        momentum={"z.weight": np.array([np.nan, -0.0], np.float32)},
        masks={"z.weight": rng.random((3, 4)) < 0.5, "a.weight": rng.random((2, 3, 1, 1)) < 0.5},
        history=(
            EpochRecord(1, 5, 0.1, 1 / 3, float("inf"), 3, 7),
            EpochRecord(2, 8, 0.01, 0.1 + 0.2, 1e-300, 4, 7),
        ),
        loss_sum=0.1 + 0.7,
        seen=24,
        seconds=1.25,
    )


def written(state: TrainingState) -> bytes:
    stream = io.BytesIO()
    write_state(state, stream)
    return stream.getvalue()


def assert_same(found: TrainingState, expected: TrainingState) -> None:
    for field in dataclasses.fields(TrainingState):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if not isinstance(other, dict):
            assert one == other
            continue
        assert list(one) == list(other)
        for name, array in other.items():
            assert (one[name].dtype, one[name].shape) == (array.dtype, array.shape)
            assert one[name].tobytes() == array.tobytes()


class TestRoundTrip:
    def test_every_bit_comes_back(self, state: TrainingState, checkpoint_path: Path) -> None:
        checkpoint_path.write_bytes(written(state))
        assert_same(read_state(checkpoint_path), state)

    def test_without_momentum(self, state: TrainingState, checkpoint_path: Path) -> None:
        bare = dataclasses.replace(state, momentum={}, history=())
        checkpoint_path.write_bytes(written(bare))
        assert_same(read_state(checkpoint_path), bare)

    def test_equal_states_give_equal_bytes(self, state: TrainingState, checkpoint_path: Path) -> None:
        checkpoint_path.write_bytes(written(state))
        assert written(read_state(checkpoint_path)) == written(state) == written(state)


class TestRefusals:
    @pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x02" + bytes(7) + b"{}"])
    def test_what_is_no_checkpoint(self, checkpoint_path: Path, content: bytes) -> None:
        checkpoint_path.write_bytes(content)
        with pytest.raises(CheckpointInvalid, match="not a checkpoint"):
            read_state(checkpoint_path)

    def test_a_cut_file(self, state: TrainingState, checkpoint_path: Path) -> None:
        checkpoint_path.write_bytes(written(state)[:-1])
        with pytest.raises(CheckpointInvalid, match="not a checkpoint"):
            read_state(checkpoint_path)

    def test_another_format(self, checkpoint_path: Path) -> None:
        save_file({"a": np.zeros(1)}, checkpoint_path, {"state": '{"format": "elasticket-checkpoint/9"}'})
        with pytest.raises(CheckpointInvalid, match="elasticket-checkpoint/9"):
            read_state(checkpoint_path)
