from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.families.architecture import Architecture
from core.models import build
from core.models.state import load_state
from core.training.masking import Masking


class TestMasking:
    @pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
    def test_weights_and_gradients_are_zero_exactly_where_pruned(
        self, resnet: Architecture, start: Any, memory_format: torch.memory_format
    ) -> None:
        model = build(resnet)
        load_state(model, start.weights)
        model.to(memory_format=memory_format)  # type: ignore[call-overload]
        masking = Masking(model, start.masks)
        masking.prune_weights()
        model(torch.randn(5, 3, 8, 8)).square().sum().backward()
        before = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        masking.prune_gradients()
        for name, parameter in model.named_parameters():
            mask = torch.from_numpy(start.masks.get(name, np.ones(parameter.shape, bool)))
            weight = torch.from_numpy(start.weights[name])
            assert torch.equal(parameter.detach(), torch.where(mask, weight, 0.0))
            assert torch.equal(parameter.grad, torch.where(mask, before[name], 0.0))

    @pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf"), -1.0])
    def test_whatever_the_gradient_of_a_pruned_weight_is_it_becomes_zero(
        self, resnet: Architecture, start: Any, odd: float
    ) -> None:
        model = build(resnet)
        masking = Masking(model, start.masks)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, odd)
        masking.prune_gradients()
        for name, parameter in model.named_parameters():
            mask = torch.from_numpy(start.masks.get(name, np.ones(parameter.shape, bool)))
            assert (parameter.grad.view(torch.int32)[~mask] == 0).all()
            assert torch.equal(parameter.grad[mask].isnan(), torch.full((int(mask.sum()),), odd != odd))
            assert odd != odd or (parameter.grad[mask] == odd).all()

    def test_pruned_weights_hold_no_negative_zero(self, resnet: Architecture, start: Any) -> None:
        model = build(resnet)
        load_state(model, start.weights)
        Masking(model, start.masks).prune_weights()
        assert not any((model.get_parameter(name)[torch.from_numpy(~mask)]).signbit().any()
                       for name, mask in start.masks.items())  # fmt: skip

    def test_a_dense_network_needs_no_work(self, resnet: Architecture, start: Any) -> None:
        masking = Masking(build(resnet), {name: np.ones_like(mask) for name, mask in start.masks.items()})
        masking.prune_gradients()
        masking.prune_weights()

    @pytest.mark.parametrize(("name", "shape"), [("conv.weight", (1, 2)), ("head.weight", (3, 16))])
    def test_a_mask_that_fits_nothing_is_refused(self, resnet: Architecture, name: str, shape: Any) -> None:
        with pytest.raises(ValueError, match=f"mask {name} of shape"):
            Masking(build(resnet), {name: np.zeros(shape, np.bool_)})
