from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.pruning.select import choose
from core.pruning.snip import sensitivity, snip

Arrays = dict[str, np.ndarray]

EPSILON = 1e-6


def masked_by_hand(network, masks: Arrays) -> list[np.ndarray]:
    return [weight * masks[name] for name, weight in zip(network.names, network.weights, strict=True)]


def differences(network, weights: list[np.ndarray]) -> Arrays:
    """|∂L/∂c| of every weight by itself: the loss with this one weight a little larger, and a little smaller."""
    scores = {}
    for layer, name in enumerate(network.names):
        scores[name] = np.zeros(weights[layer].shape)
        for i in range(weights[layer].size):
            losses = []
            for c in (1 + EPSILON, 1 - EPSILON):
                changed = [weight.copy() for weight in weights]
                changed[layer].flat[i] *= c
                losses.append(network.loss(changed))
            scores[name].flat[i] = abs(losses[0] - losses[1]) / (2 * EPSILON)
    return scores


class TestSensitivity:
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_changing_one_weight_after_the_other(self, perceptron, seed: int) -> None:
        network = perceptron(seed)
        scores = sensitivity(network.module(), network.names, *network.batch())
        expected = differences(network, network.weights)
        assert list(scores) == list(network.names)
        for name, score in scores.items():
            np.testing.assert_allclose(score, expected[name], atol=1e-9)

    @pytest.mark.parametrize("training", [True, False])
    def test_batch_normalisation_is_in_the_mode_it_was_put_into(
        self, convolutional: nn.Module, images: tuple[Tensor, Tensor], training: bool
    ) -> None:
        convolutional.train(training)
        scores = sensitivity(convolutional, convolutional.names, *images)
        parameters = dict(convolutional.named_parameters())
        for name in convolutional.names:
            for i in range(0, parameters[name].numel(), 5):
                losses = []
                for c in (1 + EPSILON, 1 - EPSILON):
                    other = copy.deepcopy(convolutional)
                    with torch.no_grad():
                        other.get_parameter(name).view(-1)[i] *= c
                        losses.append(float(nn.functional.cross_entropy(other(images[0]), images[1])))
                assert scores[name].flat[i] == pytest.approx(
                    abs(losses[0] - losses[1]) / (2 * EPSILON), abs=1e-8
                )

    def test_the_model_is_left_as_it_was(
        self, convolutional: nn.Module, images: tuple[Tensor, Tensor]
    ) -> None:
        before = copy.deepcopy(convolutional.state_dict())
        sensitivity(convolutional.train(), convolutional.names, *images)
        assert all(parameter.grad is None for parameter in convolutional.parameters())
        assert all(torch.equal(tensor, before[name]) for name, tensor in convolutional.state_dict().items())

    def test_a_float32_network_has_float32_scores(self, perceptron) -> None:
        network = perceptron(0)
        scores = sensitivity(network.module(torch.float32), network.names, *network.batch(torch.float32))
        assert {score.dtype for score in scores.values()} == {np.dtype(np.float32)}


class TestSnip:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("survivors", [0, 1, 13, 40, 62])
    def test_one_round_is_a_sort_of_the_differences(
        self, perceptron, sorted_choice: Callable[..., Arrays], seed: int, survivors: int
    ) -> None:
        network = perceptron(seed)
        expected = sorted_choice(by_gradient(network, network.weights), survivors)
        masks = snip(network.module(), network.names, *network.batch(), survivors, 1, choose)
        for name in network.names:
            np.testing.assert_array_equal(masks[name], expected[name])

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("dense", [(), ("5.weight",)])
    def test_several_rounds_score_the_network_that_is_left(
        self, perceptron, sorted_choice: Callable[..., Arrays], seed: int, dense: tuple[str, ...]
    ) -> None:
        network = perceptron(seed)
        # 62 weights to 15 in four rounds: ⌈62 · (15/62)^(e/4)⌉.
        expected: Arrays | None = None
        for kept in (44, 31, 22, 15):
            weights = network.weights if expected is None else masked_by_hand(network, expected)
            expected = sorted_choice(by_gradient(network, weights), kept, dense, expected)
        masks = snip(network.module(), network.names, *network.batch(), 15, 4, partial(choose, dense=dense))
        for name in network.names:
            np.testing.assert_array_equal(masks[name], expected[name])

    def test_survivors_of_score_zero_go_before_any_weight_comes_back(self, perceptron) -> None:
        # Without labels to tell apart nothing matters: every score is 0, and ties decide alone.
        network = perceptron(0)
        model = network.module()
        with torch.no_grad():
            model[5].weight.zero_()
            model[3].weight.zero_()
        masks = snip(model, network.names, *network.batch(), 10, 5, choose)
        flat = np.concatenate([masks[name].ravel() for name in network.names])
        np.testing.assert_array_equal(flat, np.arange(62) >= 52)

    def test_n_of_m_holds_after_every_round(self, perceptron) -> None:
        network = perceptron(1)
        masks = snip(network.module(), network.names, *network.batch(), 31, 3, partial(choose, pattern="1:2"))
        assert (masks["1.weight"].reshape(5, 3, 2).sum(2) == 1).all()
        assert masks["3.weight"].all()


def by_gradient(network, weights: list[np.ndarray]) -> Arrays:
    """|w ⊙ g| by the gradient derived by hand: exact where the differences are zero."""
    pairs = zip(weights, network.gradient(weights), strict=True)
    return network.named([np.abs(weight * gradient) for weight, gradient in pairs])
