from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from core.pruning.gradients import loss


class TestLoss:
    @pytest.mark.parametrize("training", [True, False])
    def test_it_is_the_mean_cross_entropy_in_the_models_mode(
        self, convolutional: nn.Module, images: tuple[Tensor, Tensor], training: bool
    ) -> None:
        convolutional.train(training)
        p = torch.softmax(copy.deepcopy(convolutional)(images[0]) / 7, 1)
        expected = -p[torch.arange(6), images[1]].log().mean()
        torch.testing.assert_close(loss(convolutional, *images, temperature=7), expected)

    @pytest.mark.parametrize("training", [True, False])
    def test_it_leaves_the_model_as_it_was(
        self, convolutional: nn.Module, images: tuple[Tensor, Tensor], training: bool
    ) -> None:
        convolutional.train(training)
        before = copy.deepcopy(convolutional.state_dict())
        loss(convolutional, *images)
        for name, tensor in convolutional.state_dict().items():
            assert torch.equal(tensor, before[name]), name
        assert all(module.training is training for module in convolutional.modules())
