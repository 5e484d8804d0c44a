from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from core.families import architecture
from core.models import build
from core.pruning.sparse_linear import replaced, sparse_form

SIZE = st.integers(1, 40)
DENSITY = st.sampled_from([0, 0.02, 0.3, 1])
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def thin(weight: Tensor, density: float) -> None:
    """Leave about so many of its values."""
    with torch.no_grad():
        weight.mul_(torch.rand(weight.shape) < density)


class TestLinear:
    @given(
        inputs=SIZE,
        outputs=SIZE,
        leading=st.lists(SIZE, min_size=1, max_size=2),
        density=DENSITY,
        bias=st.booleans(),
    )
    @settings(max_examples=60, deadline=None)
    def test_computes_what_the_dense_layer_does(
        self, inputs: int, outputs: int, leading: list[int], density: float, bias: bool
    ) -> None:
        layer, x = nn.Linear(inputs, outputs, bias), torch.randn(*leading, inputs)
        thin(layer.weight, density)
        sparse = sparse_form(layer)
        assert sparse is not None
        torch.testing.assert_close(sparse(x), layer(x), **CLOSE)

    def test_only_what_is_not_zero_is_held(self) -> None:
        layer = nn.Linear(50, 40)
        thin(layer.weight, 0.1)
        sparse = sparse_form(layer)
        assert sparse is not None
        assert isinstance(sparse.weight, Tensor)
        assert len(sparse.weight.values()) == torch.count_nonzero(layer.weight)


class TestPointwise:
    @given(
        inputs=SIZE,
        outputs=SIZE,
        batch=st.integers(1, 3),
        side=st.integers(1, 7),
        stride=st.integers(1, 3),
        density=DENSITY,
        bias=st.booleans(),
    )
    @settings(max_examples=60, deadline=None)
    def test_computes_what_the_dense_convolution_does(
        self, inputs: int, outputs: int, batch: int, side: int, stride: int, density: float, bias: bool
    ) -> None:
        layer = nn.Conv2d(inputs, outputs, 1, (stride, 2), bias=bias)
        x = torch.randn(batch, inputs, side, side + 1)
        thin(layer.weight, density)
        sparse = sparse_form(layer)
        assert sparse is not None
        torch.testing.assert_close(sparse(x), layer(x), **CLOSE)
        assert sparse(x).is_contiguous()
        last = x.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(sparse(last), layer(x), **CLOSE)


class TestWhatHasNoSparseForm:
    @pytest.mark.parametrize(
        "layer",
        [nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1, groups=4), nn.Conv2d(4, 4, 1, padding=1), nn.BatchNorm2d(4)],
    )
    def test_it_has_none(self, layer: nn.Module) -> None:
        assert sparse_form(layer) is None


class TestReplaced:
    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("mlp_2", (1, 8, 8)),
            ("lenet5", (1, 32, 32)),
            ("cifar_resnet_8", (3, 16, 16)),
            ("cifar_mobilenetv1_1", (3, 16, 16)),
        ],
    )
    def test_the_whole_network_computes_the_same(self, name: str, shape: tuple[int, int, int]) -> None:
        network = build(architecture(name, shape, 10)).eval()
        layers = {}
        for place, layer in network.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                thin(layer.weight, 0.2)
                if (form := sparse_form(layer)) is not None:
                    layers[place] = form
        assert layers
        before = {place: type(layer) for place, layer in network.named_modules()}
        sparse, images = replaced(network, layers), torch.randn(3, *shape)
        assert {place: type(layer) for place, layer in network.named_modules()} == before
        assert {place for place, layer in sparse.named_modules() if type(layer) is not before[place]} == set(
            layers
        )
        with torch.no_grad():
            torch.testing.assert_close(sparse(images), network(images), **CLOSE)
