from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save, save_file

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
        masks={"z.weight": rng.random((3, 4)) < 0.5, "a.weight": rng.random((2, 3, 1, 1)) < 0.5},
        slots={
            "step": {"z.weight": np.array(9, np.float32)},
            "exp_avg": {"z.weight": np.array([np.nan, -0.0], np.float32), "a.weight": np.ones(2, np.float32)},
        },
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
        if field.name == "slots":
            assert list(one) == list(other)
            for slot in other:
                assert_same_arrays(one[slot], other[slot])
        elif isinstance(other, dict):
            assert_same_arrays(one, other)
        else:
            assert one == other


def assert_same_arrays(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def as_before(state: TrainingState, momentum: Mapping[str, Any]) -> bytes:
    """The state in a file from when SGD with momentum was the only optimiser with a memory."""
    groups = {"weights": state.weights, "momentum": momentum, "masks": state.masks}
    described = {
        "format": "elasticket-checkpoint/1",
        "names": {group: list(arrays) for group, arrays in groups.items()},
        "step": state.step,
        "history": [dataclasses.asdict(record) for record in state.history],
        "loss_sum": state.loss_sum,
        "seen": state.seen,
        "seconds": state.seconds,
    }
    tensors = {
        f"{group}/{name}": np.asarray(array, order="C")
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    return save(tensors, {"state": json.dumps(described)})


class TestRoundTrip:
    def test_every_bit_comes_back(self, state: TrainingState, checkpoint_path: Path) -> None:
        checkpoint_path.write_bytes(written(state))
        assert_same(read_state(checkpoint_path), state)

    def test_of_an_optimiser_without_memory(self, state: TrainingState, checkpoint_path: Path) -> None:
        bare = dataclasses.replace(state, slots={}, history=())
        checkpoint_path.write_bytes(written(bare))
        assert_same(read_state(checkpoint_path), bare)

    def test_equal_states_give_equal_bytes(self, state: TrainingState, checkpoint_path: Path) -> None:
        checkpoint_path.write_bytes(written(state))
        assert written(read_state(checkpoint_path)) == written(state) == written(state)


class TestFilesFromBeforeThereWereSlots:
    def test_their_momentum_is_sgds_slot(self, state: TrainingState, checkpoint_path: Path) -> None:
        momentum = {"z.weight": np.array([1.5, -0.0], np.float32)}
        checkpoint_path.write_bytes(as_before(state, momentum))
        expected = dataclasses.replace(state, slots={"momentum_buffer": momentum})
        assert_same(read_state(checkpoint_path), expected)

    def test_no_momentum_is_no_slot(self, state: TrainingState, checkpoint_path: Path) -> None:
        checkpoint_path.write_bytes(as_before(state, {}))
        assert_same(read_state(checkpoint_path), dataclasses.replace(state, slots={}))


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

    @pytest.mark.parametrize("names", [[], {"weights": []}, {"masks": []}, {"weights": ["a"], "masks": []}])
    def test_one_whose_groups_are_not_there(self, checkpoint_path: Path, names: Any) -> None:
        described = json.dumps({"format": "elasticket-checkpoint/1", "names": names})
        save_file({"b": np.zeros(1)}, checkpoint_path, {"state": described})
        with pytest.raises(CheckpointInvalid, match="not a checkpoint"):
            read_state(checkpoint_path)

    def test_another_format(self, checkpoint_path: Path) -> None:
        save_file({"a": np.zeros(1)}, checkpoint_path, {"state": '{"format": "elasticket-checkpoint/9"}'})
        with pytest.raises(CheckpointInvalid, match="elasticket-checkpoint/9"):
            read_state(checkpoint_path)
