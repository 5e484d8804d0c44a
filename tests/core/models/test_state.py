from __future__ import annotations

import numpy as np
import pytest
import torch

from core.families import architecture
from core.families.initialisation import initialise
from core.models import build
from core.models.state import load_state, state

RESNET = architecture("cifar_resnet_8_4", [3, 8, 8], 10)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return initialise(RESNET, 5)


class TestRoundTrip:
    def test_bit_for_bit(self, arrays):
        arrays["bn.num_batches_tracked"] = np.array(2**40 + 1)
        model = build(RESNET)
        load_state(model, arrays)
        got = state(model)
        assert list(got) == list(arrays)
        for name, array in arrays.items():
            assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
            assert got[name].tobytes() == array.tobytes()

    def test_weights_in_channels_last_come_back_row_major(self, arrays):
        model = build(RESNET).to(memory_format=torch.channels_last)
        load_state(model, arrays)
        got = state(model)["blocks.0.conv1.weight"]
        assert got.flags.c_contiguous
        assert got.tobytes() == arrays["blocks.0.conv1.weight"].tobytes()


class TestLoad:
    def test_the_arrays_are_not_shared(self, arrays):
        for array in arrays.values():
            array.setflags(write=False)
        before = {name: array.tobytes() for name, array in arrays.items()}
        model = build(RESNET)
        load_state(model, arrays)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
        assert {name: array.tobytes() for name, array in arrays.items()} == before

    def test_the_parameters_stay_the_same_objects(self, arrays):
        model = build(RESNET)
        parameters = list(model.parameters())
        load_state(model, arrays)
        assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))

    def test_a_missing_name_is_refused(self, arrays):
        del arrays["fc.bias"]
        with pytest.raises(RuntimeError, match=r"fc\.bias"):
            load_state(build(RESNET), arrays)

    def test_another_name_is_refused(self, arrays):
        arrays["extra"] = np.zeros(1, np.float32)
        with pytest.raises(RuntimeError, match="extra"):
            load_state(build(RESNET), arrays)

    def test_another_shape_is_refused(self, arrays):
        arrays["fc.bias"] = np.zeros(11, np.float32)
        with pytest.raises(RuntimeError, match=r"fc\.bias"):
            load_state(build(RESNET), arrays)


class TestState:
    def test_later_training_does_not_touch_it(self, arrays):
        model = build(RESNET)
        load_state(model, arrays)
        taken = state(model)
        with torch.no_grad():
            model.fc.weight.zero_()
        assert taken["fc.weight"].tobytes() == arrays["fc.weight"].tobytes()
