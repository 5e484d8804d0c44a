from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.families import architecture
from core.models import build
from core.models.initial import initial
from core.models.state import load_state
from core.training.pixels import without_strides_on_pixels


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def strides(model: nn.Module) -> list[tuple[int, ...]]:
    return [layer.stride for layer in model.modules() if isinstance(layer, nn.Conv2d)]


def network(side: int) -> nn.Module:
    """8 pixels become 4, 2 and 1: the last two stages stride over a single one."""
    described = architecture("imagenet_resnet_18_8", (1, side, side), 10)
    model = build(described)
    load_state(model, initial(described, 0))
    return model.train()


class TestWithoutStridesOnPixels:
    def test_only_convolutions_that_see_one_pixel_lose_theirs(self) -> None:
        small, large = network(8), network(32)
        before = strides(small)
        without_strides_on_pixels(small, (1, 8, 8))
        without_strides_on_pixels(large, (1, 32, 32))
        assert strides(large) == before
        assert before.count((2, 2)) == 7
        # The stem, and what makes one pixel of 2 × 2.
        assert strides(small).count((2, 2)) == 3

    def test_the_network_computes_the_same_and_keeps_its_statistics(self) -> None:
        model, images = network(8), torch.randn(5, 1, 8, 8)
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        without_strides_on_pixels(model, (1, 8, 8))
        assert model.training
        assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())
        torch.testing.assert_close(model(images), network(8)(images), rtol=0, atol=1e-5)

    def test_in_bfloat16_weights_outside_of_the_pixel_have_no_gradient(self) -> None:
        torch.manual_seed(0)
        for _ in range(20):
            layer = nn.Conv2d(16, 32, 3, stride=2, padding=1).to(memory_format=torch.channels_last)
            without_strides_on_pixels(layer, (16, 1, 1))
            with torch.autocast("cpu", torch.bfloat16):
                F.relu(layer(torch.randn(29, 16, 1, 1))).sum().backward()
            assert layer.weight.grad is not None
            middle = layer.weight.grad[:, :, 1, 1].clone()
            assert 0 < middle.abs().max() < 100
            layer.weight.grad[:, :, 1, 1] = 0
            assert not layer.weight.grad.any()
