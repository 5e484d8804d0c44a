from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import architecture
from core.families.initialisation import initialise
from core.models import build
from core.models.state import load_state

TORCH_TYPE = {"F32": torch.float32, "I64": torch.int64}

names = st.one_of(
    st.builds(lambda n: f"mlp_{n}", st.integers(1, 6)),
    st.builds(lambda n, w: f"cifar_resnet_{6 * n + 2}_{w}", st.integers(1, 4), st.integers(1, 20)),
)
inputs = st.tuples(st.integers(1, 5), st.integers(1, 13), st.integers(1, 13))


def loaded(name: str, shape: list[int], classes: int) -> torch.nn.Module:
    network = architecture(name, shape, classes)
    model = build(network).eval()
    load_state(model, initialise(network, 0))
    return model


class TestFamilyAndModel:
    @settings(max_examples=40, deadline=None)
    @given(names, inputs, st.integers(1, 30))
    def test_name_shape_type_and_order_agree(self, name, shape, classes):
        network = architecture(name, shape, classes)
        tensors = build(network).state_dict()
        assert [(n, tuple(t.shape), t.dtype) for n, t in tensors.items()] == [
            (spec.name, spec.shape, TORCH_TYPE[spec.dtype]) for spec in network.tensors
        ]

    @pytest.mark.parametrize("name", ["mlp_2", "cifar_resnet_20"])
    def test_prunable_is_what_conv_and_linear_call_weight(self, name):
        network = architecture(name, [3, 8, 8], 10)
        weights = [
            f"{module_name}.weight"
            for module_name, module in build(network).named_modules()
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
        ]
        assert [spec.name for spec in network.prunable] == weights

    def test_resnet_20_has_272474_parameters(self):
        model = build(architecture("cifar_resnet_20", [3, 32, 32], 10))
        assert sum(p.numel() for p in model.parameters()) == 272_474


class TestForward:
    @settings(max_examples=25, deadline=None)
    @given(names, inputs, st.integers(1, 30), st.integers(1, 3))
    def test_logits_have_one_row_per_image(self, name, shape, classes, batch):
        logits = loaded(name, list(shape), classes)(torch.ones(batch, *shape))
        assert logits.shape == (batch, classes)
        assert logits.isfinite().all()

    def test_mlp_equals_the_formula(self):
        model = loaded("mlp_3", [1, 4, 4], 5)
        images = torch.randn(7, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        tensors = model.state_dict()
        x = images.reshape(7, 16)
        for i in range(4):
            x = (x @ tensors[f"fc_layers.{i}.weight"].T + tensors[f"fc_layers.{i}.bias"]).clamp(min=0)
        expected = x @ tensors["fc.weight"].T + tensors["fc.bias"]
        torch.testing.assert_close(model(images), expected)

    def test_resnet_equals_the_formula(self):
        model = loaded("cifar_resnet_14_4", [3, 9, 7], 5)
        tensors = model.state_dict()
        images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))

        def norm(x: torch.Tensor, name: str) -> torch.Tensor:
            mean, var, scale, shift = (
                tensors[f"{name}.{local}"][None, :, None, None]
                for local in ("running_mean", "running_var", "weight", "bias")
            )
            return (x - mean) / (var + 1e-5).sqrt() * scale + shift

        def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
            weight = tensors[f"{name}.weight"]
            return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

        x = norm(conv(images, "conv"), "bn").clamp(min=0)
        for i, stride in enumerate([1, 1, 2, 1, 2, 1]):
            block = f"blocks.{i}"
            y = norm(conv(x, f"{block}.conv1", stride), f"{block}.bn1").clamp(min=0)
            y = norm(conv(y, f"{block}.conv2"), f"{block}.bn2")
            if stride == 2:
                x = norm(conv(x, f"{block}.shortcut.0", 2), f"{block}.shortcut.1")
            x = (x + y).clamp(min=0)
        assert x.shape == (2, 16, 3, 2)
        expected = x.flatten(2).mean(2) @ tensors["fc.weight"].T + tensors["fc.bias"]
        torch.testing.assert_close(model(images), expected)
